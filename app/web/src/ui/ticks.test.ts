import { expect, test } from "vitest";
import { AMOUNTS, HOURS, timeTicks } from "./ticks";

test("ticks of amounts are whole base units", () => {
  expect(AMOUNTS.slice(0, 4)).toEqual([1, 2, 5, 10]);
  expect(AMOUNTS.at(-1)).toBe(5e17);
});

test("even the longest chart on the narrowest screen has a tick distance", () => {
  const [days, ticks] = [24 * 31, 5];
  expect(HOURS.at(-1)).toBeGreaterThanOrEqual((days * 86_400) / ticks);
});

test("ticks of time show each day once", () => {
  const at = (days: number, hours: number) => new Date(2026, 11, days, hours).getTime() / 1000;
  expect(timeTicks([at(15, 18), at(15, 21), at(16, 0), at(16, 3)], 10_800)).toEqual(["18:00\n15 Dec", "21:00", "00:00\n16 Dec", "03:00"]);
  expect(timeTicks([at(15, 0), at(16, 0)], 86_400)).toEqual(["15 Dec", "16 Dec"]);
});
