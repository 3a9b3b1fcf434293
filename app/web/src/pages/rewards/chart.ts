import type { UseQueryResult } from "@tanstack/react-query";
import type { Position } from "../../generated/costaking";
import type { Page, ShareRow } from "../../lib/api";
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

/** Lines of what devices and co-stake brought by time steps, each where there is any. */
export function incomeLines(ofDevices: readonly Income[], ofShares: readonly Income[], step: number) {
  const own = sums(ofDevices, step);
  const co = sums(ofShares, step);
  const times = [...new Set([...own.times, ...co.times])].sort((a, b) => a - b);
  const at = ({ times: of, values }: typeof own) => {
    const known = new Map(of.map((time, index) => [time, values[index] ?? 0]));
    return times.map((time) => known.get(time) ?? 0);
  };
  const lines = [
    ...(own.times.length > 0 ? [{ name: "devices", values: at(own) }] : []),
    ...(co.times.length > 0 ? [{ name: "co-stake", values: at(co) }] : []),
  ];
  return { times, lines };
}

/** Of hours that offers shared, what the positions that are held now got. */
export function ofPositions(rows: readonly ShareRow[], positions: readonly Pick<Position, "offer" | "fromHour" | "shares">[]): Income[] {
  return rows.map(({ offer, hour, part, shares }) => {
    const held = positions.filter((position) => position.offer === offer && position.fromHour * HOUR <= hour);
    const own = held.reduce((sum, position) => sum + position.shares, 0n);
    const all = BigInt(shares);
    return { hour, reward: all === 0n ? 0 : Number((BigInt(part) * own) / all) };
  });
}

/** Pages of several lists as one list, for `useQueries`: it stays the same one until a row is another, however many there are. */
export const gathered = <Row>(answers: readonly Pick<UseQueryResult<Page<Row>>, "data" | "isPending" | "error">[]) => ({
  rows: answers.flatMap(({ data }) => data?.rows ?? []),
  isPending: answers.some(({ isPending }) => isPending),
  error: answers.find(({ error }) => error)?.error ?? null,
});

/** A chart's line of rewards by hour. */
export function perHour(rows: readonly Income[]) {
  const { times, values } = sums(rows, HOUR);
  return { times, lines: [{ name: "rewards", values }] };
}

/** Base units on an axis. */
export const io = (base: number): string => decimal(BigInt(Math.round(base)), IO);
