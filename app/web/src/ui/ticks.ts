import { clock, day } from "../lib/format";

/** Steps between the ticks of an axis of amounts: there is nothing between two base units. */
export const AMOUNTS = Array.from({ length: 18 }, (_, power) => [1, 2, 5].map((digit) => digit * 10 ** power)).flat();

/** Steps between the ticks of an axis of seconds. */
export const SECONDS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 43_200, 86_400, 172_800, 604_800];

/** Seconds between the ticks of an axis of time: what is shown comes by the hour, or by the day for up to two years. */
export const HOURS = [1, 2, 3, 6, 12, 24, 48, 96, 168, 336, 672, 1_344, 2_688, 5_376].map((hours) => hours * 3_600);

/** Ticks of an axis of time in words: the hour, and below the first of each day its date; from a day apart on the date alone. */
export function timeTicks(moments: readonly number[], step: number): string[] {
  if (step >= 86_400) return moments.map(day);
  return moments.map((at, index) => {
    const before = moments[index - 1];
    return before !== undefined && day(before) === day(at) ? clock(at) : `${clock(at)}\n${day(at)}`;
  });
}
