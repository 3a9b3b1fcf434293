import { generateKeyPairSigner, getBase58Encoder, getBase64Decoder, type Address, type ReadonlyUint8Array } from "@solana/kit";
import { renderToStaticMarkup } from "react-dom/server";
import { expect, test } from "vitest";
import { getDelegationEncoder } from "../../generated/governance";
import { getDeviceDecoder, getDeviceEncoder, getDeviceSize, STAKING_PROGRAM_ADDRESS } from "../../generated/staking";
import type { Market } from "../../lib/market";
import { ofOthers, ofSelf } from "./sources";
import { OthersUnknown } from "./voter";

const addresses = (count: number) => Promise.all(Array.from({ length: count }, async () => (await generateKeyPairSigner()).address));
const [owners, devices] = [await addresses(60), await addresses(60)];
const [representative, own] = (await addresses(2)) as [Address, Address];

interface Question {
  filters: { memcmp: { offset: bigint; bytes: string } }[];
  dataSlice?: { offset: number; length: number };
}

/**
 * A market with a device of the representative and one of each owner that it represents, with the given stakes. `told` are the accounts
 * that were fetched in full.
 */
function having(stake: (place: number) => bigint): { market: Market; told: Set<Address> } {
  const empty = getDeviceDecoder().decode(new Uint8Array(getDeviceSize()));
  const delegation = { representative, bump: 0, version: 1, reserved: new Uint8Array(14) };
  const accounts = new Map<Address, ReadonlyUint8Array>([[own, getDeviceEncoder().encode({ ...empty, owner: representative, ownStake: 1n })]]);
  for (const [place, owner] of owners.entries()) {
    accounts.set(devices[place] as Address, getDeviceEncoder().encode({ ...empty, owner, ownStake: stake(place) }));
    accounts.set(owner, getDelegationEncoder().encode({ ...delegation, owner }));
  }
  const told = new Set<Address>();
  const tell = (at: Address, { offset, length }: Question["dataSlice"] = { offset: 0, length: Infinity }) => {
    if (length > 32) told.add(at);
    const bytes = accounts.get(at)?.slice(offset, offset + length) ?? new Uint8Array();
    return { owner: STAKING_PROGRAM_ADDRESS, data: [getBase64Decoder().decode(bytes), "base64"] };
  };
  const has = (bytes: ReadonlyUint8Array, { memcmp }: Question["filters"][number]) =>
    getBase58Encoder().encode(memcmp.bytes).every((byte, place) => bytes[Number(memcmp.offset) + place] === byte);
  const answer = <Value>(value: Value) => ({ send: async () => value });
  const rpc = {
    getProgramAccounts: (_: Address, { filters, dataSlice }: Question) => {
      const found = [...accounts].filter(([, bytes]) => filters.every((filter) => has(bytes, filter)));
      return answer(found.map(([at]) => ({ pubkey: at, account: tell(at, dataSlice) })));
    },
    getMultipleAccounts: (some: Address[]) => answer({ value: some.map((at) => tell(at)) }),
    getAccountInfo: () => answer({ value: null }),
  };
  return { market: { rpc } as unknown as Market, told };
}

test("owners without stake displace nobody, and small stakes do not displace larger ones", async () => {
  const one = await ofOthers(having((place) => (place === 54 ? 5n : 0n)).market, representative);
  expect([one.sources.map(({ owner }) => owner), one.leftOut]).toEqual([[owners[54]], 0]);
  const all = await ofOthers(having((place) => BigInt(place + 1)).market, representative);
  expect(all.sources.map(({ address }) => address)).toEqual(devices.slice(10).reverse());
  expect(all.leftOut).toBe(10);
});

test("a wallet's own stake loads without that of others, and theirs without that of wallets it does not represent", async () => {
  const self = having(() => 1n);
  expect((await ofSelf(self.market, representative)).sources.map(({ address }) => address)).toEqual([own]);
  expect([...self.told]).toEqual([own]);
  const others = having(() => 1n);
  await ofOthers(others.market, representative);
  expect(others.told).toEqual(new Set([...owners, ...devices]));
});

test("stake of others that could not be loaded is reported", () => {
  const shown = (of: Parameters<typeof OthersUnknown>[0]["of"]) => renderToStaticMarkup(OthersUnknown({ of }));
  expect(shown({ data: undefined, error: new Error("the node is away") })).toContain("could not be loaded: the node is away.");
  expect(shown({ data: undefined, error: null })).toContain("Looking for");
  expect(shown({ data: [], error: null })).toBe("");
});
