import { AccountRole, address, createNoopSigner, getAddressEncoder, getBase64Decoder, getU32Encoder, type Address, type Instruction } from "@solana/kit";
import { QueryClient } from "@tanstack/react-query";
import { createElement } from "react";
import { renderToStaticMarkup } from "react-dom/server";
import { expect, test } from "vitest";
import {
  getPayloadHeaderDecoder,
  getPayloadHeaderEncoder,
  getPayloadHeaderSize,
  getProposalDecoder,
  getProposalSize,
  getUpgradeProgramInstructionAsync,
  GOVERNANCE_PROGRAM_ADDRESS,
} from "../../generated/governance";
import { sha256 } from "../../lib/bytes";
import { IO } from "../../lib/format";
import type { Market } from "../../lib/market";
import { tokenAccount } from "../../lib/send";
import { encode, payloadAddress } from "./payload";
import { instruct, SETTINGS, type State } from "./settings";
import { asking, Steps, type Written } from "./steps";

const A = address("AMdJx3EceGTZb6SR5bhP6pXJEAbcE9mU3VSJNN9RLK5H");
const MINT = address("SysvarC1ock11111111111111111111111111111111");
const [BUFFER, FOREIGN] = [address("ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL"), address("SysvarRent111111111111111111111111111111111")];
const LOADER = address("BPFLoaderUpgradeab1e11111111111111111111111");
const TOKEN_PROGRAM = address("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA");
const CODE = Uint8Array.of(1, 2, 3);

const state = { authority: A, jobs: { address: MINT, authority: A, paused: true }, governance: { mint: MINT }, gpus: [], emission: null } as unknown as State;
const bytesOf = (of: Address) => getAddressEncoder().encode(of);

const upgrade = async (buffer: Address) => {
  const accounts = { authority: createNoopSigner(A), config: A, programData: A, program: GOVERNANCE_PROGRAM_ADDRESS, buffer, loader: LOADER };
  return getUpgradeProgramInstructionAsync({ ...accounts, sha256: await sha256(CODE) });
};
const paused = instruct(SETTINGS.find(({ id }) => id === "jobs.paused") as never, state, { paused: true });
const [treasury, theirs] = (await Promise.all([A, BUFFER].map((holder) => tokenAccount(holder, MINT)))) as [Address, Address];
const pay = {
  programAddress: TOKEN_PROGRAM,
  accounts: [treasury, theirs, A].map((at) => ({ address: at, role: AccountRole.WRITABLE })),
  data: Uint8Array.of(3, ...new Uint8Array(new BigUint64Array([IO]).buffer)),
};

const proposal = { ...getProposalDecoder().decode(new Uint8Array(getProposalSize())), address: A, index: 7n, instructions: 4 };

const HEADER = getPayloadHeaderDecoder().decode(new Uint8Array(getPayloadHeaderSize()));

/** A market with a proposal of these instructions. Its node times out on requests for more than `most` bytes of an account. */
async function proposing(instructions: Instruction[], most: number): Promise<Market> {
  const accounts = new Map<Address, { owner: Address; bytes: Uint8Array }>([
    [BUFFER, { owner: LOADER, bytes: Uint8Array.of(1, 0, 0, 0, 1, ...bytesOf(A), ...CODE, ...new Uint8Array(100)) }],
    [FOREIGN, { owner: A, bytes: new Uint8Array(200) }],
    [theirs, { owner: TOKEN_PROGRAM, bytes: Uint8Array.of(...bytesOf(MINT), ...bytesOf(BUFFER), ...new Uint8Array(101)) }],
  ]);
  for (const [index, instruction] of instructions.entries()) {
    const bytes = encode(instruction);
    const header = getPayloadHeaderEncoder().encode({ ...HEADER, index, complete: true });
    const account = Uint8Array.of(...header, ...getU32Encoder().encode(bytes.length), ...bytes);
    accounts.set(await payloadAddress(A, index), { owner: GOVERNANCE_PROGRAM_ADDRESS, bytes: account });
  }
  const tell = (at: Address, length = Infinity) => {
    const account = accounts.get(at);
    return account ? { owner: account.owner, data: [getBase64Decoder().decode(account.bytes.slice(0, length)), "base64"] } : null;
  };
  const rpc = {
    getMultipleAccounts: (some: Address[]) => ({ send: async () => ({ value: some.map((at) => tell(at)) }) }),
    getAccountInfo: (at: Address, { dataSlice }: { dataSlice?: { length: number } }) => ({
      send: async () => {
        if (Math.min(accounts.get(at)?.bytes.length ?? 0, dataSlice?.length ?? Infinity) > most) throw new DOMException("", "TimeoutError");
        return { value: tell(at, dataSlice?.length) };
      },
    }),
  };
  return { rpc } as unknown as Market;
}

const all = [paused, await upgrade(BUFFER), await upgrade(FOREIGN), pay];
const shown = (steps: Written[]) => renderToStaticMarkup(createElement(Steps, { proposal, steps: { data: steps } as never }));
/** Whether steps that were read like this are read again without an event. */
const isReadAgain = (steps: Written[]) => {
  const { refetchInterval } = asking({} as Market, proposal, state);
  return typeof refetchInterval === "function" && !!refetchInterval({ state: { data: steps } } as never);
};
const WARNING = "Do not vote for what you cannot read";

test("a step with an account too large to read hides no other step, and is read again", async () => {
  const read = async (most: number) => new QueryClient().fetchQuery({ ...asking(await proposing(all, most), proposal, state), retry: false });
  const long = await read(64);
  expect(long.map(({ words }) => words.what)).toEqual([
    "Set job pause",
    "Replace the code of governance",
    "Replace the code of governance",
    "Pay 1 $IO out of the treasury",
  ]);
  expect(long.map(({ words }) => words.standing?.sentence)).toEqual([undefined, "The buffer could not be read.", "The buffer no longer exists.", undefined]);
  expect(long[1]?.words).toMatchObject({ replacesCode: true, changes: [{ key: "hash" }, { key: "buffer", after: BUFFER }] });
  expect(long[3]?.words.changes[0]?.after).toBe(BUFFER);
  expect(shown(long).split(WARNING)).toHaveLength(2);
  // A node that returns nothing of them.
  const none = await read(0);
  expect(none[3]?.words).toMatchObject({ changes: [{ after: expect.stringContaining(theirs) as string }], standing: { isStuck: false, isUnread: true } });
  expect(shown(none).split(WARNING)).toHaveLength(4);
  expect([long, none].map(isReadAgain)).toEqual([true, true]);
  const known = await read(Infinity);
  expect(known[1]?.words.standing).toMatchObject({ isUnread: false, isStuck: true });
  expect(shown(known)).not.toContain(WARNING);
  expect(isReadAgain(known)).toBe(false);
});

test("the steps of one proposal are never shown for another at the same address", () => {
  const key = (index: bigint) => asking({} as Market, { ...proposal, index }, state).queryKey;
  expect(key(8n)).not.toEqual(key(7n));
});

test("steps are read again when a rule changes, but not when a counter does", () => {
  const key = (owed: bigint, proposals: bigint, deposit: bigint) => {
    const now = { ...state, emission: { owed, nextHour: owed }, governance: { ...state.governance, proposals, deposits: proposals, deposit } };
    return asking({} as Market, proposal, now as unknown as State).queryKey;
  };
  expect(key(2n, 3n, 5n)).toEqual(key(1n, 2n, 5n));
  expect(key(1n, 2n, 6n)).not.toEqual(key(1n, 2n, 5n));
});
