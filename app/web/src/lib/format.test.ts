import { describe, expect, test } from "vitest";
import { ago, asTyped, decimal, hex, IO, parseAmount, span, unhex, roughly } from "./format";

describe("amounts", () => {
  test("are exact to the base unit, both ways", () => {
    for (const [amount, text] of [
      [0n, "0"],
      [1n, "0.00000001"],
      [150_000_000n, "1.5"],
      [123_456_700_000_000n, "1,234,567"],
      [-1n, "−0.00000001"],
      [(1n << 63n) - 1n, "92,233,720,368.54775807"],
    ] as const) {
      expect(decimal(amount, IO)).toBe(text);
      if (amount >= 0n) expect(parseAmount(asTyped(amount, IO), IO)).toBe(amount);
    }
  });

  test("that are none are refused with a sentence", () => {
    for (const text of ["", "-1", "1e3", "1.", "abc", "0x10", "12,5", "0,002", "1,200", "1,2,3"]) expect(() => parseAmount(text, IO)).toThrow("is not a number");
    expect(() => parseAmount("0.000000001", IO)).toThrow("at most 8 digits");
    expect(() => parseAmount("999999999999", IO)).toThrow("more than can exist");
  });
});

test("a span names its two largest units", () => {
  expect([0, 59, 60, 3_661, 86_400, 90_061, 86_460].map(span)).toEqual(["0 s", "59 s", "1 min", "1 h 1 min", "1 d", "1 d 1 h", "1 d"]);
  expect(ago(100, 160)).toBe("1 min ago");
  expect(ago(160, 100)).toBe("in 1 min");
});

test("hexadecimal digits and bytes are the same thing", () => {
  expect(hex(unhex("00ff10"))).toBe("00ff10");
});

test("an estimate is told to the hundredth, unless it is smaller", () => {
  expect(roughly(77_777_777_777n)).toBe("777.78 $IO");
  expect(roughly(999_999n)).toBe("0.00999999 $IO");
  expect(roughly(1_499_999n)).toBe("0.01 $IO");
});
