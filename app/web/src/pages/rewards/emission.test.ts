import { expect, test } from "vitest";
import { block, emission, monthOf, MONTHS, monthStart } from "./emission";

test("the published curve, which adds up to 300 million", () => {
  const published: [number, bigint][] = [
    [1, 333_333_333_333_333n],
    [2, 329_949_650_987_449n],
    [3, 326_600_316_560_219n],
    [9, 307_206_336_669_554n],
    [12, 297_945_584_494_073n],
    [24, 263_611_340_770_333n],
    [120, 98_987_688_069_609n],
    [240, 29_097_290_165_076n],
  ];
  for (const [month, io] of published) expect(emission(month - 1)).toBe(io);
  const all = Array.from({ length: MONTHS + 2 }, (_, month) => emission(month - 1));
  expect(all.reduce((sum, io) => sum + io)).toBe(30_000_000_000_000_000n);
});

test("a published block: March, 744 hours, as ninth month", () => {
  const march = monthOf(Date.UTC(2025, 2, 1) / 1000);
  expect(block(march - 8, monthStart(march))).toBe(412_911_742_835n);
  expect(block(march - 8, monthStart(march + 1) - 1)).toBe(412_911_742_835n + (307_206_336_669_554n % 744n));
  expect(block(march + 1, monthStart(march))).toBe(0n);
});

test("months are calendar months in UTC", () => {
  expect(monthOf(0)).toBe(0);
  expect(monthOf(1_709_164_800)).toBe(54 * 12 + 1);
  expect(monthOf(1_798_675_200)).toBe(56 * 12 + 11);
  expect(monthStart(monthOf(1_709_164_800))).toBe(Date.UTC(2024, 1, 1) / 1000);
});
