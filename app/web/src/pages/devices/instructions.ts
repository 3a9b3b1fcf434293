import { type Address, type Instruction, type TransactionSigner } from "@solana/kit";
import {
  findBlockPda,
  findClaimRewardsVaultPda,
  findConfigPda,
  findEmissionPda,
  findGpuModelPda,
  getAppealSlashInstruction,
  getClaimRewardsInstructionAsync,
  getCloseDeviceInstructionAsync,
  getCollectRewardInstruction,
  getRegisterDeviceInstructionAsync,
  getRotateDeviceKeyInstructionAsync,
  getSetPayoutInstruction,
  getStakeInstructionAsync,
  getTerminateDeviceInstruction,
  getUnstakeInstruction,
  getWithdrawInstructionAsync,
  getWithdrawOverflowInstructionAsync,
  STAKING_PROGRAM_ADDRESS,
  type Device,
  type RewardBlock,
  type Slash,
} from "../../generated/staking";
import { getAddressEncoder, getI64Encoder, getProgramDerivedAddress, getU8Encoder, getUtf8Encoder } from "@solana/kit";
import type { Found } from "../../lib/accounts";
import { createTokenAccount, transferSol } from "../../lib/instructions";
import { tokenAccount } from "../../lib/send";
import { HOUR } from "../rewards/emission";
import { reward } from "../rewards/week";
import { Offering, pending } from "./stake";

type Owner = TransactionSigner;

/** Lamports for a new device key, the worker's `FUND`: enough for eight results in flight and an hour's evidence. */
export const FUND = 150_000_000n;

/** Addresses of the staking program. */
export const stakingConfig = async () => (await findConfigPda())[0];
export const gpuModel = async (id: number) => (await findGpuModelPda({ id }))[0];
export const emission = async () => (await findEmissionPda())[0];
export const emissionVault = async () => (await findClaimRewardsVaultPda({ emission: await emission() }))[0];
export const block = async (hour: number) => (await findBlockPda({ hour: hour * HOUR }))[0];

/** Address of a tally of an hour; hours are counted from 1970. */
export async function tally(hour: number, shard: number): Promise<Address> {
  const seeds = [getUtf8Encoder().encode("tally"), getI64Encoder().encode(hour * HOUR), getU8Encoder().encode(shard)];
  return (await getProgramDerivedAddress({ programAddress: STAKING_PROGRAM_ADDRESS, seeds }))[0];
}

/** The tally that a device belongs to. */
export const shardOf = (device: Address, { shards }: Pick<RewardBlock, "shards">): number =>
  (getAddressEncoder().encode(device)[0] ?? 0) % Math.max(shards, 1);

/** Registers GPUs under a device key, which co-signs, and funds the key for its own transactions. */
export async function register(owner: Owner, key: TransactionSigner, mint: Address, gpu: number, quantity: number): Promise<Instruction[]> {
  const accounts = { owner, key, config: await stakingConfig(), gpuModel: await gpuModel(gpu), mint };
  return [await getRegisterDeviceInstructionAsync({ ...accounts, quantity }), transferSol(owner, key.address, FUND)];
}

/** Replaces a device's key, and funds the new key for its own transactions. */
export const rotate = async (owner: Owner, device: Address, newKey: TransactionSigner): Promise<Instruction[]> => [
  await getRotateDeviceKeyInstructionAsync({ owner, newKey, device }),
  transferSol(owner, newKey.address, FUND),
];

/** Sets the wallet that receives a device's job payments. */
export const setPayout = (owner: Owner, device: Address, payout: Address): Instruction[] => [
  getSetPayoutInstruction({ owner, device, payout }),
];

/** Appeals a slash with the hash of an answer. */
export const appeal = (owner: Owner, { device, address: slash }: Found<Slash>, answer: Uint8Array): Instruction[] => [
  getAppealSlashInstruction({ owner, device, slash, answer }),
];

/** Stakes on a device. */
export async function stake(owner: Owner, device: Address, mint: Address, amount: bigint): Promise<Instruction[]> {
  const from = await tokenAccount(owner.address, mint);
  return [await getStakeInstructionAsync({ owner, config: await stakingConfig(), device, from, amount })];
}

/** Withdraws stake above the minimum. */
export async function withdrawOverflow(owner: Owner, device: Found<Device>, mint: Address, amount: bigint): Promise<Instruction[]> {
  const to = await tokenAccount(owner.address, mint);
  const accounts = { owner, config: await stakingConfig(), gpuModel: await gpuModel(device.gpuModel), device: device.address, to };
  return [await createTokenAccount(owner, mint), await getWithdrawOverflowInstructionAsync({ ...accounts, amount })];
}

/** Starts the cooldown of the whole stake. */
export const unstake = async (owner: Owner, device: Address): Promise<Instruction[]> => [
  getUnstakeInstruction({ owner, config: await stakingConfig(), device }),
];

/** Withdraws stake that has cooled down. */
export async function withdraw(owner: Owner, device: Address, mint: Address): Promise<Instruction[]> {
  const to = await tokenAccount(owner.address, mint);
  return [await createTokenAccount(owner, mint), await getWithdrawInstructionAsync({ owner, device, to })];
}

/** Retires a device. */
export const terminate = (owner: Owner, device: Address): Instruction[] => [getTerminateDeviceInstruction({ owner, device })];

/** Closes a retired, empty device. */
export async function close(owner: Owner, device: Address, mint: Address): Promise<Instruction[]> {
  const to = await tokenAccount(owner.address, mint);
  return [await createTokenAccount(owner, mint), await getCloseDeviceInstructionAsync({ owner, device, to })];
}

/**
 * Pending hours whose rewards can be collected now, the earliest first, with the reward of each. Hours are collected in order, so it stops
 * at the first that is not settled.
 */
export function collectable<Block extends Pick<RewardBlock, "hour" | "settled" | "pools" | "scores">>(
  device: Pick<Device, "pendingScores" | "pendingHours" | "pendingPools">,
  blocks: readonly Block[],
) {
  const settled = new Map(blocks.filter((block) => block.settled).map((block) => [Number(block.hour) / HOUR, block]));
  const hours = [];
  for (const { hour, pool, score } of pending(device)) {
    const found = settled.get(hour);
    if (!found) break;
    hours.push({ hour, block: found, reward: reward(found.pools[pool] ?? 0n, score, found.scores[pool] ?? 0n) });
  }
  return hours;
}

/** Collects the rewards of a device without an offer. */
export async function collect(device: Found<Device>, blocks: readonly RewardBlock[]): Promise<Instruction[]> {
  if (device.offering !== Offering.Nothing) return [];
  const hours = collectable(device, blocks).map(async ({ hour, block: of }) =>
    getCollectRewardInstruction({ device: device.address, block: await block(hour), tally: await tally(hour, shardOf(device.address, of)) }),
  );
  return Promise.all(hours);
}

/** Claims all rewards that a device has collected. */
export async function claim(owner: Owner, device: Address, mint: Address): Promise<Instruction[]> {
  const to = await tokenAccount(owner.address, mint);
  const accounts = { owner, device, emission: await emission(), vault: await emissionVault(), to };
  return [await createTokenAccount(owner, mint), await getClaimRewardsInstructionAsync(accounts)];
}
