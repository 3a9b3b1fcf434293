import { expect, test } from "vitest";
import { endOf, levelsOf } from "./levels";

test("a value holds until the next, the last to the end", () => {
  expect(levelsOf([null, 3, null, 5, null])).toEqual([null, 3, 3, 5, 5, 5]);
  expect(levelsOf([null])).toEqual([null, null]);
});

test("the last level is as wide as the narrowest before it", () => {
  expect(endOf([3_600, 7_200, 18_000])).toBe(21_600);
});
