import { decimal, IO } from "../../lib/format";
import { HOUR } from "./emission";

/** Seconds of a day. */
export const DAY = 86_400;
/** Most points of a chart; a gap is filled with zeros up to there. */
const MOST = 24 * 31;

/** What came in at a time, unix seconds and base units. */
export interface Income {
  hour: number;
  reward: number;
}

/** Sums by time steps, without a gap from the first to the last; at most the latest month of hours. */
export function sums(rows: readonly Income[], step: number): { times: number[]; values: number[] } {
  const by = new Map<number, number>();
  for (const { hour, reward } of rows) {
    const at = hour - (hour % step);
    by.set(at, (by.get(at) ?? 0) + reward);
  }
  if (by.size === 0) return { times: [], values: [] };
  const last = Math.max(...by.keys());
  const first = Math.max(Math.min(...by.keys()), last - (MOST - 1) * step);
  const times = Array.from({ length: (last - first) / step + 1 }, (_, at) => first + at * step);
  return { times, values: times.map((time) => by.get(time) ?? 0) };
}

/** A chart's line of rewards by hour. */
export function perHour(rows: readonly Income[]) {
  const { times, values } = sums(rows, HOUR);
  return { times, lines: [{ name: "rewards", values }] };
}

/** Base units on an axis. */
export const io = (base: number): string => decimal(BigInt(Math.round(base)), IO);
