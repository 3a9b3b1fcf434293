// The minimum stake of a device and what is free above it: `protocol::stake` and the staking program's `Device`, in TypeScript.

import type { Device, GpuModel, StakingConfig } from "../../generated/staking";
import { larger, smaller, WHOLE_BPS } from "../../lib/math";

/** Most GPUs behind one device. */
export const MAX_QUANTITY = 8;
/** `status` of a retired device. */
export const TERMINATED = 1;

/** A slash's `status`. */
export enum SlashStatus {
  Proposed,
  Approved,
  Appealed,
}

/** A device's `offering`: whether its rewards are shared with co-stakers. */
export enum Offering {
  Nothing,
  Open,
  Closed,
}

/** Minimum stake of GPUs in base units: `base · max(100, multiplier·100) · quantity / 100`, rounded up. */
export function minimum(base: bigint, multiplierX100: number, quantity: number): bigint {
  return (base * BigInt(Math.max(multiplierX100, 100) * quantity) + 99n) / 100n;
}

/** How much of a minimum of `least` co-stakers may fund, in base units, rounded down. */
export const coStakeLimit = (least: bigint, { capacityBps }: { capacityBps: number }): bigint => (least * BigInt(capacityBps)) / WHOLE_BPS;

/** The value in force: a raise applies from `raiseAt`, a cut at once. */
const required = <N extends number | bigint>(set: N, before: N, raiseAt: bigint, now: number): N => (now < raiseAt && before < set ? before : set);

/** The multiplier that sets the minimum now. */
export function requiredMultiplier(gpu: Pick<GpuModel, "multiplierX100" | "previousX100" | "raiseAt">, now: number): number {
  return required(gpu.multiplierX100, gpu.previousX100, gpu.raiseAt, now);
}

/** The base stake that sets the minimum now. */
export function requiredBase({ baseStake, baseBefore, baseRaiseAt }: Pick<StakingConfig, "baseStake" | "baseBefore" | "baseRaiseAt">, now: number): bigint {
  return required(baseStake, baseBefore, baseRaiseAt, now);
}

/** The current minimum stake of a device, in base units. */
export function minimumOf(device: Pick<Device, "quantity">, gpu: GpuModel, config: StakingConfig, now: number): bigint {
  return minimum(requiredBase(config, now), requiredMultiplier(gpu, now), device.quantity);
}

/**
 * When a device's minimum stake rises next, and to how many base units; `null` if no raise is scheduled. The base stake and the multiplier
 * are raised independently, and a cut sets `raiseAt` too.
 */
export function nextRaise(device: Pick<Device, "quantity">, gpu: GpuModel, config: StakingConfig, now: number): { at: bigint; least: bigint } | null {
  const least = minimumOf(device, gpu, config, now);
  const moments = [gpu.raiseAt, config.baseRaiseAt].sort((a, b) => Number(a - b));
  const raises = moments.map((at) => ({ at, least: minimumOf(device, gpu, config, Number(at)) }));
  return raises.find((raise) => raise.least > least) ?? null;
}

/**
 * Base units of own stake that can be withdrawn at once: above the minimum, not locked in bonds, and leaving the owner's half of the
 * minimum while there is an offer. None while a slash is owed stake.
 */
export function overflow(device: Pick<Device, "ownStake" | "coStake" | "lockedBond" | "offering" | "dues">, least: bigint): bigint {
  if (device.dues > 0) return 0n;
  const { ownStake: own, coStake, lockedBond, offering } = device;
  const kept = offering === Offering.Nothing ? 0n : (least + 1n) / 2n;
  const bounds = [own + coStake - least, own - lockedBond, own - kept];
  return larger(bounds.reduce(smaller), 0n);
}

/** Own stake that counts for hours and votes: without bonds while a slash is due stake in them. */
export const counting = ({ ownStake, lockedBond, dues }: Pick<Device, "ownStake" | "lockedBond" | "dues">): bigint =>
  ownStake - (dues > 0 ? lockedBond : 0n);

/** Hours whose rewards are still to be collected, the earliest first; hours are counted from 1970. */
export function pending(device: Pick<Device, "pendingScores" | "pendingHours" | "pendingPools">): { hour: number; pool: number; score: bigint }[] {
  return device.pendingScores
    .map((score, index) => ({ hour: device.pendingHours[index] ?? 0, pool: device.pendingPools[index] ?? 0, score }))
    .filter(({ score }) => score > 0n)
    .sort((a, b) => a.hour - b.hour);
}
