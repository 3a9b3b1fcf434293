import { clock, day } from "../lib/format";

/** Distances between ticks on an axis of amounts, in base units, which are indivisible. */
export const AMOUNTS = Array.from({ length: 18 }, (_, power) => [1, 2, 5].map((digit) => digit * 10 ** power)).flat();

/** Distances between ticks on an axis of durations, in seconds. */
export const SECONDS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 43_200, 86_400, 172_800, 604_800];

/** Distances between ticks on a time axis, in seconds: values are hourly, or daily for up to two years. */
export const HOURS = [1, 2, 3, 6, 12, 24, 48, 96, 168, 336, 672, 1_344, 2_688, 5_376].map((hours) => hours * 3_600);

/** Labels of ticks on a time axis: the hour, with the date below the first of each day; only the date if they are a day or more apart. */
export function timeTicks(moments: readonly number[], step: number): string[] {
  if (step >= 86_400) return moments.map(day);
  return moments.map((at, index) => {
    const before = moments[index - 1];
    return before !== undefined && day(before) === day(at) ? clock(at) : `${clock(at)}\n${day(at)}`;
  });
}
