import { expect, test } from "vitest";
import { DAY, perHour, sums } from "./chart";

test("income of a step is one sum, and steps without any are zero", () => {
  const rows = [
    { hour: 3 * 3_600, reward: 5 },
    { hour: 3_600, reward: 1 },
    { hour: 3_600, reward: 2 },
  ];
  expect(perHour(rows)).toEqual({ times: [3_600, 7_200, 10_800], lines: [{ name: "rewards", values: [3, 0, 5] }] });
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
