import { expect, test } from "vitest";
import { IO } from "../../lib/format";
import { detection, ofJob, required } from "./bond";

const MOST = (1n << 64n) - 1n;

// The tables of `protocol::bond`.
test("probability that other replicas expose a wrong result", () => {
  expect([1, 2, 3].map(detection)).toEqual([0n, 8_000n, 9_600n]);
});

test("bonds without a value at risk", () => {
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

test("edge cases", () => {
  expect(required(0n, 0n, 500n)).toBe(1n);
  expect(required(0n, 693n, 10_000n)).toBe(11n);
  expect(required(1n, 0n, 10_000n)).toBe(0n);
  expect(required(1n, 1n, 0n)).toBeNull();
  for (const huge of [MOST, MOST / 4n, MOST / 5n, MOST / 50n]) expect(required(huge, huge, 500n)).toBeNull();
  expect(required(MOST, 0n, 10_000n)).toBeNull();
  expect(required(0n, MOST, 10_000n)).toBeNull();
});

test("a value at risk as large as the price more than doubles the bond", () => {
  expect(required(IO, IO, 500n)).toBe(4_909_090_910n);
});

test("replicas are bonded both against being the only one left and against being believed at once", () => {
  expect(ofJob(IO, 0n, 500, 1)).toBe(2_165_945_166n);
  expect(ofJob(IO, 0n, 500, 2), "left alone").toBe(2_165_945_166n);
  expect(ofJob(IO, 0n, 10_000, 1)).toBe(0n);
  expect(ofJob(IO, 0n, 10_000, 2), "another run").toBe(5n * IO);
  // The other replica exposes a wrong result eight times out of ten.
  expect(ofJob(IO, 100n * IO, 10_000, 2)).toBe(3_753_246_754n);
  for (const replicas of [1, 2, 3]) expect(ofJob(IO, 0n, 0, replicas), "nobody watches").toBeNull();
  expect(ofJob(MOST / 4n, 0n, 10_000, 3)).toBeNull();
});
