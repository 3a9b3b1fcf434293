import { generateKeyPairSigner, isSignerRole, type Instruction } from "@solana/kit";
import { expect, test } from "vitest";
import {
  findDeviceKeyPda,
  getAppealSlashInstructionDataDecoder,
  getSetPayoutInstructionDataDecoder,
  getSlashDecoder,
  getSlashSize,
} from "../../generated/staking";
import { appeal, collectable, rotate, setPayout } from "./instructions";

test("hours are collected up to the first that is not settled, each with its part of its pool", () => {
  const device = { pendingScores: [7n, 5n, 3n, 9n], pendingHours: [12, 11, 14, 13], pendingPools: Uint8Array.of(1, 0, 1, 0) };
  const block = (hour: number, settled: boolean) => ({ hour: BigInt(hour * 3_600), settled, pools: [100n, 50n], scores: [10n, 700n] });
  const blocks = [block(11, true), block(12, true), block(13, false), block(14, true)];
  expect(collectable(device, blocks).map(({ hour, reward }) => [hour, reward])).toEqual([
    [11, 50n],
    // Its part of the pool is less than a base unit.
    [12, 0n],
  ]);
  expect(collectable(device, [])).toEqual([]);
});

const someone = async () => (await generateKeyPairSigner()).address;
const [owner, device] = [await generateKeyPairSigner(), await someone()];
const names = (instruction: Instruction | undefined) => instruction?.accounts?.map(({ address }) => address);
const bytes = (instruction: Instruction | undefined) => instruction?.data ?? new Uint8Array();

test("a device's new key co-signs and is funded with SOL", async () => {
  const key = await generateKeyPairSigner();
  const [rotation, funding] = await rotate(owner, device, key);
  const [registration] = await findDeviceKeyPda({ key: key.address });
  expect(names(rotation)).toEqual(expect.arrayContaining([owner.address, key.address, device, registration]));
  const signers = rotation?.accounts?.filter(({ role }) => isSignerRole(role)).map(({ address }) => address);
  expect(signers).toEqual([owner.address, key.address]);
  expect(names(funding)).toEqual([owner.address, key.address]);
});

test("a payout wallet and an appeal carry what the owner entered", async () => {
  const [wallet, address] = [await someone(), await someone()];
  const [payout] = setPayout(owner, device, wallet);
  expect(names(payout)).toEqual([owner.address, device]);
  expect(getSetPayoutInstructionDataDecoder().decode(bytes(payout)).payout).toBe(wallet);
  const slash = { ...getSlashDecoder().decode(new Uint8Array(getSlashSize())), device, address };
  const [answer] = appeal(owner, slash, new Uint8Array(32).fill(7));
  expect(names(answer)).toEqual([owner.address, device, address]);
  expect(getAppealSlashInstructionDataDecoder().decode(bytes(answer)).answer).toEqual(new Uint8Array(32).fill(7));
});
