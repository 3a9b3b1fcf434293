import { replaceEqualDeep } from "@tanstack/react-query";
import { expect, test } from "vitest";
import type { Position } from "../../generated/costaking";
import type { RewardRow, ShareRow } from "../../lib/api";
import { DAY, gathered, incomeLines, ofPositions, perHour, sums } from "./chart";

test("the income of a time step is summed, and steps without any are zero", () => {
  const rows = [
    { hour: 3 * 3_600, reward: 5 },
    { hour: 3_600, reward: 1 },
    { hour: 3_600, reward: 2 },
  ];
  expect(perHour(rows)).toEqual({ times: [3_600, 7_200, 10_800], lines: [{ name: "Rewards", values: [3, 0, 5] }] });
  expect(sums([...rows, { hour: DAY, reward: 7 }], DAY)).toEqual({ times: [0, DAY], values: [8, 7] });
  expect(sums([], DAY)).toEqual({ times: [], values: [] });
});

test("a long gap does not make a chart endless", () => {
  const { times } = sums(
    [
      { hour: 0, reward: 1 },
      { hour: 10_000 * DAY, reward: 1 },
    ],
    3_600,
  );
  expect(times.length).toBe(744);
  expect(times.at(-1)).toBe(10_000 * DAY);
});

test("devices and co-stake share a chart's times", () => {
  const lines = incomeLines([{ hour: 3_600, reward: 5 }], [{ hour: 7_200, reward: 2 }], 3_600);
  expect(lines).toEqual({
    times: [3_600, 7_200],
    lines: [
      { name: "Devices", values: [5, 0] },
      { name: "Co-stake", values: [0, 2] },
    ],
  });
  expect(incomeLines([{ hour: 3_600, reward: 5 }], [], 3_600).lines.map(({ name }) => name)).toEqual(["Devices"]);
});

test("positions get their part of an hour by the shares at the time", () => {
  const row = { offer: "a", hour: 7_200, part: 100, shares: "40" } as ShareRow;
  const position = (offer: string, fromHour: number, shares: bigint) => ({ offer, fromHour, shares }) as Position;
  const held = [position("a", 2, 10n), position("a", 3, 20n), position("b", 1, 30n)];
  expect(ofPositions([row, { ...row, shares: 0 }], held)).toEqual([
    { hour: 7_200, reward: 25 },
    { hour: 7_200, reward: 0 },
  ]);
});

test("a new hour makes a new list; the same hours fetched again do not", () => {
  const answer = (newest: number) => {
    const rows = [newest, newest - 1].map((id): RewardRow => ({ id, device: "d", hour: id * 3_600, reward: 1, time: null }));
    return gathered([{ data: { rows, next: 1 }, isPending: false, error: null }]);
  };
  // How useQueries merges an answer with the previous one.
  const first = answer(2);
  expect(replaceEqualDeep(first, answer(2)).rows).toBe(first.rows);
  const next = replaceEqualDeep(first, answer(3));
  expect(next.rows).not.toBe(first.rows);
  expect(next.rows.map(({ id }) => id)).toEqual([3, 2]);
});
