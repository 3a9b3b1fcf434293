import { generateKeyPairSigner, getBase58Decoder, getBase64Decoder, type Address } from "@solana/kit";
import { expect, test } from "vitest";
import { getDelegationEncoder } from "../../generated/governance";
import { getDeviceDecoder, getDeviceEncoder, getDeviceSize } from "../../generated/staking";
import type { Market } from "../../lib/market";
import { DEVICE } from "../devices/accounts";
import { DELEGATION } from "./accounts";
import { ofOthers } from "./sources";

const addresses = (count: number) => Promise.all(Array.from({ length: count }, async () => (await generateKeyPairSigner()).address));

const name = ({ discriminator }: { discriminator: typeof DEVICE.discriminator }) => getBase58Decoder().decode(discriminator);

/** A market in which each of these owners lets `representative` vote for it, and has a device with so much at stake. */
function market(representative: Address, owners: { owner: Address; device: Address; stake: bigint }[]): Market {
  const empty = getDeviceDecoder().decode(new Uint8Array(getDeviceSize()));
  const accounts = {
    [name(DELEGATION)]: owners.map(({ owner }) => {
      const delegation = { owner, representative, bump: 0, version: 1, reserved: new Uint8Array(14) };
      return { at: owner, bytes: getDelegationEncoder().encode(delegation) };
    }),
    [name(DEVICE)]: owners.map(({ owner, device, stake }) => {
      return { at: device, bytes: getDeviceEncoder().encode({ ...empty, owner, ownStake: stake }) };
    }),
  };
  const getProgramAccounts = (_: Address, { filters }: { filters: { memcmp: { bytes: string } }[] }) => ({
    send: async () => {
      const found = accounts[filters[0]?.memcmp.bytes ?? ""] ?? [];
      return found.map(({ at, bytes }) => ({ pubkey: at, account: { data: [getBase64Decoder().decode(bytes), "base64"] } }));
    },
  });
  return { rpc: { getProgramAccounts } } as unknown as Market;
}

test("owners without stake take nobody's place, however many there are, nor do small stakes a larger one's", async () => {
  const [representative, owners, devices] = [(await addresses(1))[0] as Address, await addresses(60), await addresses(60)];
  const having = (stake: (place: number) => bigint) =>
    market(representative, owners.map((owner, place) => ({ owner, device: devices[place] as Address, stake: stake(place) })));
  const one = await ofOthers(having((place) => (place === 54 ? 5n : 0n)), representative);
  expect([one.sources.map(({ owner }) => owner), one.leftOut]).toEqual([[owners[54]], 0]);
  const all = await ofOthers(having((place) => BigInt(place + 1)), representative);
  expect(all.sources.map(({ address }) => address)).toEqual(devices.slice(10).reverse());
  expect(all.leftOut).toBe(10);
});
