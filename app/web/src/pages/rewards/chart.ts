import type { UseQueryResult } from "@tanstack/react-query";
import type { Position } from "../../generated/costaking";
import type { Page, ShareRow } from "../../lib/api";
import { decimal, IO } from "../../lib/format";
import { HOUR } from "./emission";

/** Seconds of a day. */
export const DAY = 86_400;
/** Most points of a chart, including the zeros that fill gaps. */
const MOST = 24 * 31;

/** Rewards of an hour (unix seconds), in base units. */
export interface Income {
  hour: number;
  reward: number;
}

/** Sums per time step without gaps, limited to the latest steps. */
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

/** Chart lines of the rewards of devices and co-stake per time step; a line without values is left out. */
export function incomeLines(ofDevices: readonly Income[], ofShares: readonly Income[], step: number) {
  const own = sums(ofDevices, step);
  const co = sums(ofShares, step);
  const times = [...new Set([...own.times, ...co.times])].sort((a, b) => a - b);
  const at = ({ times: of, values }: typeof own) => {
    const known = new Map(of.map((time, index) => [time, values[index] ?? 0]));
    return times.map((time) => known.get(time) ?? 0);
  };
  const lines = [
    ...(own.times.length > 0 ? [{ name: "Devices", values: at(own) }] : []),
    ...(co.times.length > 0 ? [{ name: "Co-stake", values: at(co) }] : []),
  ];
  return { times, lines };
}

/** The part of distributed rewards that went to the current positions. */
export function ofPositions(rows: readonly ShareRow[], positions: readonly Pick<Position, "offer" | "fromHour" | "shares">[]): Income[] {
  return rows.map(({ offer, hour, part, shares }) => {
    const held = positions.filter((position) => position.offer === offer && position.fromHour * HOUR <= hour);
    const own = held.reduce((sum, position) => sum + position.shares, 0n);
    const all = BigInt(shares);
    return { hour, reward: all === 0n ? 0 : Number((BigInt(part) * own) / all) };
  });
}

/** Combines the pages of several lists for `useQueries`, which keeps the result identical until a row changes. */
export const gathered = <Row>(answers: readonly Pick<UseQueryResult<Page<Row>>, "data" | "isPending" | "error">[]) => ({
  rows: answers.flatMap(({ data }) => data?.rows ?? []),
  isPending: answers.some(({ isPending }) => isPending),
  error: answers.find(({ error }) => error)?.error ?? null,
});

/** Chart line of hourly rewards. */
export function perHour(rows: readonly Income[]) {
  const { times, values } = sums(rows, HOUR);
  return { times, lines: [{ name: "Rewards", values }] };
}

/** Label for base units on an axis. */
export const io = (base: number): string => decimal(BigInt(Math.round(base)), IO);
