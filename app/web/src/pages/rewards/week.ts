// What a week of rewards brings, by the hours of the last seven days: `protocol::score` and the command line's `week`, in TypeScript.

import type { Device, GpuModel, RewardBlock } from "../../generated/staking";
import { HOUR } from "./emission";

/** Seconds of a week. */
export const WEEK = 7 * 86_400;

/** What is needed of an hour's block. */
export type Hour = Pick<RewardBlock, "hour" | "settled" | "scores" | "pools" | "multiplierWeight" | "tierWeight" | "hiredWeight">;

/** GPUs as a score counts them. */
export interface Rated {
  /** 0 enterprise, 1 community. */
  pool: number;
  multiplierX100: number;
  quantity: number;
  /** Connectivity, 1 to 4. */
  tier: number;
  /** Hours that begin after this hold its score in their sums already, unix seconds; of a newcomer none do. */
  countedAfter: number;
}

/** GPUs that are not on the market yet. */
export const newcomer = (gpu: Pick<GpuModel, "pool" | "multiplierX100">, quantity: number): Rated => ({
  pool: gpu.pool,
  multiplierX100: gpu.multiplierX100,
  quantity,
  tier: 1,
  countedAfter: Number.POSITIVE_INFINITY,
});

/** A device that is there; an hour is paid after more than `minUptime` seconds of presence. */
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

/** Base units that a score gets of its pool, rounded down; nothing of an empty pool. */
export const reward = (pool: bigint, points: bigint, sum: bigint): bigint => (sum === 0n || points > sum ? 0n : (pool * points) / sum);

/** Settled hours of the last seven days, which the chain keeps for that long. */
export const lastWeek = <Block extends Pick<Hour, "hour" | "settled">>(blocks: readonly Block[], now: number): Block[] =>
  blocks.filter(({ hour, settled }) => settled && hour >= now - WEEK);

/** Base units that GPUs would have got, there in each hour and not hired, put up to a whole week; nothing when no hour is known, nor of a multiplier of 0. */
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
