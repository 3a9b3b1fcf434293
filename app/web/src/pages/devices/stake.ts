// What a device must stake, and what of it is free: `protocol::stake` and the staking program's `Device`, in TypeScript.

import type { Device, GpuModel, StakingConfig } from "../../generated/staking";

/** Most GPUs behind one device. */
export const MAX_QUANTITY = 8;
/** A device's `status` when it is retired. */
export const TERMINATED = 1;

/** Where a slash that people decide stands, as its `status` has it. */
export enum SlashStatus {
  Proposed,
  Approved,
  Appealed,
}

/** Whether a device's owner shares its rewards, as `offering` has it. */
export enum Offering {
  Nothing,
  Open,
  Closed,
}

/** Base units that GPUs need as stake: `base · max(100, multiplier·100) · quantity / 100`, rounded up. */
export function minimum(base: bigint, multiplierX100: number, quantity: number): bigint {
  return (base * BigInt(Math.max(multiplierX100, 100) * quantity) + 99n) / 100n;
}

/** What is required now of a value that was set: a raise waits until `raiseAt`, a cut counts at once. */
const required = <N extends number | bigint>(set: N, before: N, raiseAt: bigint, now: number): N => (now < raiseAt && before < set ? before : set);

/** The multiplier that sets the minimum now. */
export function requiredMultiplier(gpu: Pick<GpuModel, "multiplierX100" | "previousX100" | "raiseAt">, now: number): number {
  return required(gpu.multiplierX100, gpu.previousX100, gpu.raiseAt, now);
}

/** The base stake that sets the minimum now. */
export function requiredBase({ baseStake, baseBefore, baseRaiseAt }: Pick<StakingConfig, "baseStake" | "baseBefore" | "baseRaiseAt">, now: number): bigint {
  return required(baseStake, baseBefore, baseRaiseAt, now);
}

/** Base units that a device needs as stake now. */
export function minimumOf(device: Pick<Device, "quantity">, gpu: GpuModel, config: StakingConfig, now: number): bigint {
  return minimum(requiredBase(config, now), requiredMultiplier(gpu, now), device.quantity);
}

/**
 * When a device needs a larger stake next, and how many base units then; `null` while no raise waits. The base stake and the multiplier are
 * raised independently, and a cut sets its moment, too.
 */
export function nextRaise(device: Pick<Device, "quantity">, gpu: GpuModel, config: StakingConfig, now: number): { at: bigint; least: bigint } | null {
  const least = minimumOf(device, gpu, config, now);
  const moments = [gpu.raiseAt, config.baseRaiseAt].sort((a, b) => Number(a - b));
  const raises = moments.map((at) => ({ at, least: minimumOf(device, gpu, config, Number(at)) }));
  return raises.find((raise) => raise.least > least) ?? null;
}

/**
 * Base units of own stake that may leave at once: above the minimum, outside bonds, and never the owner's half while the rewards are shared. None
 * while a slash waits for bonds.
 */
export function overflow(device: Pick<Device, "ownStake" | "coStake" | "lockedBond" | "offering" | "dues">, least: bigint): bigint {
  if (device.dues > 0) return 0n;
  const { ownStake: own, coStake, lockedBond, offering } = device;
  const kept = offering === Offering.Nothing ? 0n : (least + 1n) / 2n;
  const bounds = [own + coStake - least, own, own - lockedBond, own - kept];
  const smallest = bounds.reduce((a, b) => (a < b ? a : b));
  return smallest > 0n ? smallest : 0n;
}

/** Rewards of hours that wait to be collected, the earliest first. Hours are numbered from 1970. */
export function pending(device: Pick<Device, "pendingScores" | "pendingHours" | "pendingPools">): { hour: number; pool: number; score: bigint }[] {
  return device.pendingScores
    .map((score, index) => ({ hour: device.pendingHours[index] ?? 0, pool: device.pendingPools[index] ?? 0, score }))
    .filter(({ score }) => score > 0n)
    .sort((a, b) => a.hour - b.hour);
}
