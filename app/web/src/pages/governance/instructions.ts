// Governance instructions that wallets send, and how they are packed into transactions.

import {
  AccountRole,
  address,
  appendTransactionMessageInstructions,
  createTransactionMessage,
  getU32Encoder,
  getTransactionMessageSize,
  pipe,
  setTransactionMessageFeePayerSigner,
  type Address,
  type Instruction,
  type TransactionSigner,
} from "@solana/kit";
import {
  findBallotPda,
  findDelegationPda,
  findPursePda,
  getCancelProposalInstruction,
  getChangeVoteInstruction,
  getCloseBallotInstruction,
  getClosePayloadInstruction,
  getCloseProposalInstruction,
  getCreateProposalInstruction,
  getExecuteInstructionInstruction,
  getOpenPayloadInstruction,
  getReleaseDepositInstructionAsync,
  getSubmitProposalInstructionAsync,
  getVoteCoStakeInstructionAsync,
  getVoteStakeInstructionAsync,
  getWritePayloadInstruction,
  type Ballot,
  type Proposal,
} from "../../generated/governance";
import type { Found } from "../../lib/accounts";
import { createTokenAccount } from "../../lib/instructions";
import { tokenAccount } from "../../lib/send";
import type { Draft } from "./draft";
import { payloadAddress, type Step, type Whole } from "./payload";
import type { State } from "./settings";
import type { Source } from "./sources";
import { hashOf } from "./text";

/** Largest packed transaction in bytes: below the limit of 1,232, because a wallet may add to it. */
const FITS = 1_100;

/** Packs instructions into as few transactions as possible, in order. */
export function pack<Item>(payer: TransactionSigner, items: readonly { instructions: readonly Instruction[]; item: Item }[]): { instructions: Instruction[]; items: Item[] }[] {
  const empty = pipe(createTransactionMessage({ version: 0 }), (message) => setTransactionMessageFeePayerSigner(payer, message));
  const size = (instructions: readonly Instruction[]) => getTransactionMessageSize(appendTransactionMessageInstructions(instructions, empty));
  const packed: { instructions: Instruction[]; items: Item[] }[] = [];
  for (const { instructions, item } of items) {
    const last = packed.at(-1);
    if (last && size([...last.instructions, ...instructions]) <= FITS) {
      last.instructions.push(...instructions);
      last.items.push(item);
    } else {
      packed.push({ instructions: [...instructions], items: [item] });
    }
  }
  return packed;
}

/** The instruction for a step of putting a draft on the chain. */
export async function writing(proposer: TransactionSigner, state: State, draft: Draft, step: Step): Promise<Instruction> {
  const proposal = draft.address;
  const { mint, emissionVault, address: config } = state.governance;
  switch (step.do) {
    case "create": {
      const title = new Uint8Array(64);
      title.set(new TextEncoder().encode(draft.title));
      return getCreateProposalInstruction({ proposer, config, proposal, id: draft.id, title, textHash: await hashOf(draft.text) });
    }
    case "open":
      return getOpenPayloadInstruction({ proposer, proposal, payload: await payloadAddress(proposal, step.index), length: step.length });
    case "write": {
      const payload = await payloadAddress(proposal, step.index);
      return getWritePayloadInstruction({ proposer, proposal, payload, offset: step.offset, bytes: step.bytes });
    }
    case "submit":
      return getSubmitProposalInstructionAsync({ proposer, config, proposal, mint, emissionVault, from: await tokenAccount(proposer.address, mint) });
  }
}

/** Casts or changes the vote of a source. The proposal's number ensures that the vote is not for a later proposal at the same address. */
export async function vote(voter: TransactionSigner, { address: proposal, index }: Found<Proposal>, source: Source, ballot: Ballot | undefined, choice: number): Promise<Instruction> {
  const delegation = source.owner === voter.address ? undefined : (await findDelegationPda({ owner: source.owner }))[0];
  if (ballot) {
    const [at] = await findBallotPda({ proposal, position: source.address });
    return getChangeVoteInstruction({ voter, proposal, ballot: at, delegation, index, choice });
  }
  if (source.kind === "device") return getVoteStakeInstructionAsync({ voter, proposal, device: source.address, delegation, index, choice });
  return getVoteCoStakeInstructionAsync({ voter, proposal, position: source.address, offer: source.offer, device: source.device, delegation, index, choice });
}

/** Withdraws a vote, or returns its rent once it no longer counts. */
export const takeBack = (caller: TransactionSigner, ballot: Found<Ballot>, delegation?: Address): Instruction =>
  getCloseBallotInstruction({ caller, proposal: ballot.proposal, ballot: ballot.address, payer: ballot.payer, delegation });

/** Requests the maximum of compute units: an upgrade hashes the new code, which takes half a unit a byte. */
export const ALL_UNITS: Instruction = {
  programAddress: address("ComputeBudget111111111111111111111111111111"),
  data: Uint8Array.of(2, ...getU32Encoder().encode(1_400_000)),
};

/** Executes the instruction of a proposal at `index`. */
export async function execute(proposal: Address, index: number, { programAddress, accounts }: Whole, state: State): Promise<Instruction> {
  const call = getExecuteInstructionInstruction({ proposal, payload: await payloadAddress(proposal, index) });
  const [purse] = await findPursePda();
  // The program signs for these itself.
  const ours: Address[] = [state.authority, purse];
  const passed = accounts.map(({ address, role }) => ({ address, role: ours.includes(address) ? role & AccountRole.WRITABLE : role }));
  return { ...call, accounts: [...(call.accounts ?? []), { address: programAddress, role: AccountRole.READONLY }, ...passed] };
}

/** Cancels a proposal. */
export const cancel = (proposer: TransactionSigner, proposal: Address): Instruction => getCancelProposalInstruction({ proposer, proposal });

/** Closes an ended proposal, in the required order: releases its deposit, then closes its ballots, its instructions and itself. */
export async function clear(
  caller: TransactionSigner,
  proposal: Found<Proposal>,
  ballots: readonly Found<Ballot>[],
  payloads: readonly number[],
  { mint, address: config }: State["governance"],
): Promise<Instruction[]> {
  const { address, proposer } = proposal;
  const all: Instruction[] = [];
  if (proposal.deposit > 0n) {
    if (proposer === caller.address) all.push(await createTokenAccount(caller, mint));
    all.push(await getReleaseDepositInstructionAsync({ proposal: address, to: await tokenAccount(proposer, mint), mint, config }));
  }
  all.push(...ballots.map((ballot) => takeBack(caller, ballot)));
  for (const index of payloads) all.push(getClosePayloadInstruction({ proposer, proposal: address, payload: await payloadAddress(address, index) }));
  return [...all, getCloseProposalInstruction({ proposer, proposal: address })];
}
