import { expect, test } from "vitest";
import { lastWeek, newcomer, rated, reward, score, weekly, weeklyOf, type Hour } from "./week";

const weights = { multiplierWeight: 200, tierWeight: 50, hiredWeight: 5 };
const hour = (start: number, sum: bigint, pool: bigint): Hour => ({ hour: BigInt(start), settled: true, scores: [0n, sum], pools: [0n, pool], ...weights });

test("published scores", () => {
  const table: [number, number, number, boolean, bigint][] = [
    [500, 1, 4, false, 100_200n],
    [40, 1, 4, false, 8_200n],
    [25, 6, 1, false, 30_050n],
    [40, 1, 3, false, 8_150n],
    [1_000, 8, 4, true, 1_600_205n],
    [100, 1, 2, false, 20_100n],
  ];
  for (const [multiplierX100, quantity, tier, hired, points] of table) {
    expect(score(weights, { ...newcomer({ pool: 0, multiplierX100 }, quantity), tier }, hired)).toBe(points);
  }
});

test("a published reward, and pools without devices", () => {
  const got = reward(455_962_000_000n, 100_200n, 519_965_481n);
  expect(got > 87_866_100n && got < 87_866_300n).toBe(true);
  expect([reward(9n, 7n, 7n), reward(9n, 0n, 0n), reward(9n, 5n, 0n), reward(9n, 8n, 7n)]).toEqual([9n, 0n, 0n, 0n]);
});

test("known hours are extrapolated to a week, with a newcomer's own score added", () => {
  const gpu = { pool: 1, multiplierX100: 100 };
  // 20,050 points, in the lowest tier, next to as many of others.
  expect(weekly([hour(0, 20_050n, 100n)], newcomer(gpu, 1))).toBe(50n * 168n);
  // A registered device gets the same from sums that include its score; the hour after exactly this much uptime is not paid yet.
  const device = { quantity: 1, tier: 1, streakHour: 0 };
  expect(weekly([hour(7_200, 40_100n, 100n)], rated(device, gpu, 3_600))).toBe(50n * 168n);
  expect(weekly([hour(3_600, 20_050n, 100n)], rated(device, gpu, 3_600))).toBe(50n * 168n);
  expect(weekly([], newcomer(gpu, 1))).toBe(0n);
  // Its tier alone would score points.
  expect(weekly([hour(0, 50n, 100n)], newcomer({ pool: 1, multiplierX100: 0 }, 1))).toBe(0n);
});

test("a device earns nothing while it is idle", () => {
  const gpu = { pool: 1, multiplierX100: 100 };
  const device = { quantity: 1, tier: 1, status: 0, ownStake: 10n, coStake: 0n, lockedBond: 0n, dues: 0, lastHour: 9, streakHour: 2 };
  const at = (change: Partial<typeof device>, now = 10 * 3_600) =>
    weeklyOf([hour(7_200, 20_050n, 100n)], { device: { ...device, ...change }, gpu, least: 10n, now }, 3_600);
  expect(at({})).toBe(50n * 168n);
  expect([at({ status: 1 }), at({ ownStake: 9n }), at({ lastHour: 0 }), at({}, 12 * 3_600)]).toEqual([0n, 0n, 0n, 0n]);
});

test("only settled hours of the last seven days count", () => {
  const now = 8 * 86_400;
  const hours = [{ ...hour(now - 3_600, 1n, 1n), settled: false }, hour(86_400, 1n, 1n), hour(86_399, 1n, 1n)];
  expect(lastWeek(hours, now).map((of) => of.hour)).toEqual([86_400n]);
});
