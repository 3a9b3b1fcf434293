import { expect, test } from "vitest";
import { deviceWeight, MIN_AGE, positionWeight } from "./weight";

const day = 86_400;

// The history of `protocol::ballot`: 0 until day 100, 50 until day 101, 60 until day 102, 80 since.
const device = (ownStake: bigint) => ({
  ownStake,
  lockedBond: 0n,
  dues: 0,
  cooling: 0n,
  ownAside: 0n,
  raisedAt: [100n, 101n, 102n, 0n].map((days) => days * BigInt(day)),
  aged: [0n, 50n, 60n, 0n],
});

test("stake counts once it is a week old", () => {
  const weights = [107 * day, 107 * day + 1, 109 * day, 109 * day + 1].map((opened) => deviceWeight(device(80n), opened).weight);
  expect(weights).toEqual([0n, 50n, 60n, 80n]);
  // Stake that has left since no longer counts.
  expect(deviceWeight(device(55n), 109 * day).weight).toBe(55n);
  expect(deviceWeight(device(80n), 107 * day).countsAt).toBe(109 * day + 1);
  expect(deviceWeight(device(80n), 109 * day + 1).countsAt).toBeNull();
  // Stake that a slash has set aside counts, unless it would return to a cooldown.
  const slashed = { ...device(10n), ownAside: 70n };
  expect(deviceWeight(slashed, 109 * day + 1).weight).toBe(80n);
  expect(deviceWeight({ ...slashed, ownStake: 0n, cooling: 10n }, 109 * day + 1).weight).toBe(0n);
});

test("a position counts a week after its first hour, not before", () => {
  const position = { fromHour: 1_000, shares: 30n };
  const at = 1_000 * 3_600 + MIN_AGE;
  const weigh = (now: number) => positionWeight(position, { shares: 40n }, { coStake: 1_000n, coAside: 1n }, now);
  expect(weigh(at - 1)).toEqual({ weight: 0n, stake: 750n, countsAt: at });
  expect(weigh(at)).toEqual({ weight: 750n, stake: 750n, countsAt: null });
  expect(positionWeight({ fromHour: 1_000, shares: 0n }, { shares: 0n }, { coStake: 5n, coAside: 0n }, 0)).toEqual({ weight: 0n, stake: 0n, countsAt: null });
});
