import { expect, test } from "vitest";
import type { GpuModel, StakingConfig } from "../../generated/staking";
import { nextRaise, Offering, overflow, pending } from "./stake";

test("bonds stay locked, and so does half of the minimum while there is an offer", () => {
  const device = { ownStake: 1_000n, coStake: 300n, lockedBond: 0n, offering: Offering.Nothing, dues: 0 };
  expect(overflow({ ...device, lockedBond: 900n }, 400n)).toBe(100n);
  expect(overflow({ ...device, offering: Offering.Closed }, 401n)).toBe(799n);
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
