// Estimated weekly rewards, from the hours of the last seven days: `protocol::score` and the CLI's `week`, in TypeScript.

import type { Device, GpuModel, RewardBlock } from "../../generated/staking";
import { idle } from "../devices/presence";
import { HOUR } from "./emission";

/** Seconds in a week. */
export const WEEK = 7 * 86_400;

/** The fields of a reward block that are used here. */
export type Hour = Pick<RewardBlock, "hour" | "settled" | "scores" | "pools" | "multiplierWeight" | "tierWeight" | "hiredWeight">;

/** What decides the score of GPUs. */
export interface Rated {
  /** 0 enterprise, 1 community. */
  pool: number;
  multiplierX100: number;
  quantity: number;
  /** Connectivity, 1 to 4. */
  tier: number;
  /** The sums of hours that start after this already include its score; unix seconds. Never, for a new device. */
  countedAfter: number;
}

/** GPUs that are not registered yet. */
export const newcomer = (gpu: Pick<GpuModel, "pool" | "multiplierX100">, quantity: number): Rated => ({
  pool: gpu.pool,
  multiplierX100: gpu.multiplierX100,
  quantity,
  tier: 1,
  countedAfter: Number.POSITIVE_INFINITY,
});

/** A registered device; it earns hours after more than `minUptime` seconds of uptime. */
export const rated = (device: Pick<Device, "quantity" | "tier" | "streakHour">, gpu: Pick<GpuModel, "pool" | "multiplierX100">, minUptime: number): Rated => ({
  ...newcomer(gpu, device.quantity),
  tier: device.tier,
  countedAfter: device.streakHour * HOUR + minUptime,
});

/** Score of GPUs in an hour. */
export function score(hour: Pick<Hour, "multiplierWeight" | "tierWeight" | "hiredWeight">, of: Rated, hired: boolean): bigint {
  const compute = BigInt(hour.multiplierWeight) * BigInt(of.multiplierX100) * BigInt(of.quantity);
  return compute + BigInt(hour.tierWeight * of.tier) + (hired ? BigInt(hour.hiredWeight) : 0n);
}

/** A score's part of its pool in base units, rounded down; 0 of an empty pool. */
export const reward = (pool: bigint, points: bigint, sum: bigint): bigint => (sum === 0n || points > sum ? 0n : (pool * points) / sum);

/** Settled hours of the last seven days, which is how long the chain keeps them. */
export const lastWeek = <Block extends Pick<Hour, "hour" | "settled">>(blocks: readonly Block[], now: number): Block[] =>
  blocks.filter(({ hour, settled }) => settled && hour >= now - WEEK);

/**
 * Base units that GPUs would have earned, online but not hired in each hour, extrapolated
 * to a week; 0 without hours or with a multiplier of 0.
 */
export function weekly(hours: readonly Hour[], of: Rated): bigint {
  if (hours.length === 0 || of.multiplierX100 === 0) return 0n;
  const all = hours.reduce((total, hour) => {
    const points = score(hour, of, false);
    const others = hour.scores[of.pool] ?? 0n;
    const sum = Number(hour.hour) > of.countedAfter ? others : others + points;
    return total + reward(hour.pools[of.pool] ?? 0n, points, sum);
  }, 0n);
  return (all * BigInt(WEEK / HOUR)) / BigInt(hours.length);
}

/** A registered device at a moment, with its minimum stake. */
interface Registered {
  device: Parameters<typeof rated>[0] & Parameters<typeof idle>[0];
  gpu: Parameters<typeof rated>[1];
  least: bigint;
  now: number;
}

/** [`weekly`] of a registered device; 0 while it is idle. */
export const weeklyOf = (hours: readonly Hour[], { device, gpu, least, now }: Registered, minUptime: number): bigint =>
  idle(device, least, now) === null ? weekly(hours, rated(device, gpu, minUptime)) : 0n;
