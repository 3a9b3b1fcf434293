import { expect, test } from "vitest";
import { collectable } from "./instructions";

test("hours are collected up to the first that is not settled, each for its part of its pool", () => {
  const device = { pendingScores: [7n, 5n, 3n, 9n], pendingHours: [12, 11, 14, 13], pendingPools: Uint8Array.of(1, 0, 1, 0) };
  const block = (hour: number, settled: boolean) => ({ hour: BigInt(hour * 3_600), settled, pools: [100n, 50n], scores: [10n, 700n] });
  const blocks = [block(11, true), block(12, true), block(13, false), block(14, true)];
  expect(collectable(device, blocks).map(({ hour, reward }) => [hour, reward])).toEqual([
    [11, 50n],
    // Too small a part of its pool for a base unit.
    [12, 0n],
  ]);
  expect(collectable(device, [])).toEqual([]);
});
