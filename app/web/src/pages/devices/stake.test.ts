import { expect, test } from "vitest";
import type { GpuModel, StakingConfig } from "../../generated/staking";
import { IO } from "../../lib/format";
import { minimum, nextRaise, Offering, overflow, pending, requiredBase, requiredMultiplier } from "./stake";

test("published minimums", () => {
  const cases: [number, number, bigint][] = [
    [1000, 8, 16_000n],
    [25, 4, 800n],
    [250, 8, 4_000n],
    [250, 1, 500n],
    [75, 6, 1_200n],
    [200, 1, 400n],
    [125, 1, 250n],
  ];
  for (const [multiplier, quantity, io] of cases) expect(minimum(200n * IO, multiplier, quantity)).toBe(io * IO);
  expect(minimum(1n, 101, 1)).toBe(2n);
});

test("the overflow is own stake above the minimum", () => {
  const cases: [bigint, bigint, bigint, bigint][] = [
    [444n, 0n, 400n, 44n],
    [1_600n, 640n, 1_600n, 640n],
    [400n, 0n, 400n, 0n],
    [399n, 0n, 400n, 0n],
    [100n, 900n, 400n, 100n],
  ];
  const device = { lockedBond: 0n, offering: Offering.Nothing, dues: 0 };
  for (const [ownStake, coStake, least, free] of cases) expect(overflow({ ...device, ownStake, coStake }, least)).toBe(free);
});

test("bonds stay locked, and so does half of the minimum while there is an offer", () => {
  const device = { ownStake: 1_000n, coStake: 300n, lockedBond: 0n, offering: Offering.Nothing, dues: 0 };
  expect(overflow({ ...device, lockedBond: 900n }, 400n)).toBe(100n);
  expect(overflow({ ...device, offering: Offering.Closed }, 401n)).toBe(799n);
});

test("a raise is delayed, a cut is not", () => {
  const cases: [number, number, number, number][] = [
    [500, 200, 99, 200],
    [500, 200, 100, 500],
    [200, 500, 99, 200],
    [200, 500, 100, 200],
  ];
  for (const [multiplierX100, previousX100, now, required] of cases) {
    expect(requiredMultiplier({ multiplierX100, previousX100, raiseAt: 100n }, now)).toBe(required);
    const [baseStake, baseBefore] = [BigInt(multiplierX100), BigInt(previousX100)];
    expect(requiredBase({ baseStake, baseBefore, baseRaiseAt: 100n }, now)).toBe(BigInt(required));
  }
});

test("the earlier of two raises is reported, and a cut is not a raise", () => {
  const next = (multiplier: [number, number, bigint], base: [bigint, bigint, bigint], now: number) => {
    const [gpu, config] = [
      { previousX100: multiplier[0], multiplierX100: multiplier[1], raiseAt: multiplier[2] },
      { baseBefore: base[0], baseStake: base[1], baseRaiseAt: base[2] },
    ];
    const raise = nextRaise({ quantity: 2 }, gpu as GpuModel, config as StakingConfig, now);
    return raise && [raise.at, raise.least];
  };
  const [raised, cut] = [[100, 200, 50n] as [number, number, bigint], [200, 100, 50n] as [number, number, bigint]];
  const [baseRaised, baseCut] = [[10n, 30n, 90n] as [bigint, bigint, bigint], [30n, 10n, 90n] as [bigint, bigint, bigint]];
  expect(next(raised, baseRaised, 49)).toEqual([50n, 40n]);
  expect(next(raised, baseRaised, 50)).toEqual([90n, 120n]);
  expect(next(raised, baseRaised, 90)).toBeNull();
  expect(next(raised, baseCut, 49)).toEqual([50n, 40n]);
  expect(next(cut, baseRaised, 49)).toEqual([90n, 60n]);
  expect(next(cut, baseCut, 49)).toBeNull();
});

test("pending rewards come in the order of their hours", () => {
  const device = { pendingScores: [7n, 0n, 5n, 0n], pendingHours: [12, 9, 11, 0], pendingPools: Uint8Array.of(1, 0, 0, 0) };
  expect(pending(device)).toEqual([
    { hour: 11, pool: 0, score: 5n },
    { hour: 12, pool: 1, score: 7n },
  ]);
});
