import { expect, test } from "vitest";
import { IO } from "../../lib/format";
import { detection, ofJob, required } from "./bond";

const MOST = (1n << 64n) - 1n;

// The tables of `protocol::bond`.
test("chances of detection", () => {
  const table: [watch: number, replicas: number, chance: bigint][] = [
    [500, 1, 500n],
    [0, 1, 0n],
    [10_000, 1, 10_000n],
    [0, 2, 8_000n],
    [0, 3, 9_600n],
    [500, 2, 8_100n],
  ];
  for (const [watch, replicas, chance] of table) expect(detection(watch, replicas)).toBe(chance);
});

test("bonds of a price alone", () => {
  const table: [chance: bigint, bond: bigint][] = [
    [10_000n, 0n],
    [5_000n, 88_023_089n],
    [2_000n, 434_343_435n],
    [1_000n, 1_011_544_012n],
    [500n, 2_165_945_166n],
    [200n, 5_629_148_630n],
    [100n, 11_401_154_402n],
  ];
  for (const [chance, bond] of table) expect(required(IO, 0n, chance)).toBe(bond);
});

test("edges", () => {
  expect(required(0n, 0n, 500n)).toBe(1n);
  expect(required(0n, 693n, 10_000n)).toBe(11n);
  expect(required(1n, 0n, 10_000n)).toBe(0n);
  expect(required(1n, 1n, 0n)).toBeNull();
  for (const huge of [MOST, MOST / 4n, MOST / 5n, MOST / 50n]) expect(required(huge, huge, 500n)).toBeNull();
  expect(required(MOST, 0n, 10_000n)).toBeNull();
  expect(required(0n, MOST, 10_000n)).toBeNull();
});

test("a value at risk as large as the price takes more than twice the bond", () => {
  expect(required(IO, IO, 500n)).toBe(4_909_090_910n);
});

test("replicas are sized by each other", () => {
  expect(ofJob(IO, 0n, 500, 1)).toBe(2_165_945_166n);
  expect(ofJob(IO, 0n, 500, 2)).toBe(5n * IO);
  expect(ofJob(IO, 0n, 0, 2)).toBe(5n * IO);
  for (const watch of [0, 500, 10_000]) expect(ofJob(IO, 100n * IO, watch, 2)).toBe(3_753_246_754n);
  expect(ofJob(IO, 0n, 0, 1)).toBeNull();
  expect(ofJob(MOST / 4n, 0n, 10_000, 3)).toBeNull();
});
