import type { Address, Instruction, TransactionSigner } from "@solana/kit";
import {
  findConfigPda,
  findEscrowPda,
  getCancelJobInstruction,
  getCloseEscrowInstructionAsync,
  getDepositInstructionAsync,
  getExpireJobInstruction,
  getOpenEscrowInstructionAsync,
  getTimeoutJobInstructionAsync,
  getWithdrawInstructionAsync,
  type Job,
} from "../../generated/jobs";
import { STAKING_PROGRAM_ADDRESS } from "../../generated/staking";
import type { Found } from "../../lib/accounts";
import { createTokenAccount } from "../../lib/instructions";
import { tokenAccount } from "../../lib/send";
import { stakingConfig } from "../devices/instructions";
import type { Ending } from "./progress";

type Signer = TransactionSigner;

const escrowOf = async (owner: Address, mint: Address) => (await findEscrowPda({ owner, mint }))[0];

/** Deposits into a wallet's escrow, creating it first if there is none. */
export async function depositing(owner: Signer, mint: Address, amount: bigint, exists: boolean): Promise<Instruction[]> {
  const [escrow, from] = [await escrowOf(owner.address, mint), await tokenAccount(owner.address, mint)];
  const deposit = await getDepositInstructionAsync({ payer: owner, escrow, from, amount });
  return exists ? [deposit] : [await getOpenEscrowInstructionAsync({ owner, mint }), deposit];
}

/** Withdraws from the available balance of a wallet's escrow. */
export async function withdrawing(owner: Signer, mint: Address, amount: bigint): Promise<Instruction[]> {
  const [escrow, to] = [await escrowOf(owner.address, mint), await tokenAccount(owner.address, mint)];
  return [await createTokenAccount(owner, mint), await getWithdrawInstructionAsync({ owner, escrow, to, amount })];
}

/** Closes a wallet's empty escrow. */
export async function closing(owner: Signer, mint: Address): Promise<Instruction[]> {
  const [escrow, to] = [await escrowOf(owner.address, mint), await tokenAccount(owner.address, mint)];
  return [await createTokenAccount(owner, mint), await getCloseEscrowInstructionAsync({ owner, escrow, to })];
}

/** Cancels jobs that no device has claimed. */
export const cancelling = (owner: Signer, jobs: readonly Found<Job>[]): Instruction[] =>
  jobs.map(({ escrow, address }) => getCancelJobInstruction({ owner, escrow, job: address }));

/** Ends an overdue job; `cranker` may be anyone. The consumer owns its escrow. */
export async function endOverdue(cranker: Signer, how: Ending, job: Found<Job>, consumer: Address): Promise<Instruction[]> {
  const { escrow, device } = job;
  const accounts = { cranker, consumer, job: job.address, escrow };
  if (how === "expire") return [getExpireJobInstruction(accounts)];
  const [config] = await findConfigPda();
  const staking = { stakingConfig: await stakingConfig(), stakingProgram: STAKING_PROGRAM_ADDRESS };
  return [await getTimeoutJobInstructionAsync({ ...accounts, ...staking, config, device })];
}
