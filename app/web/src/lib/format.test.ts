import { describe, expect, test } from "vitest";
import { ago, asTyped, clock, day, decimal, hex, IO, iso, many, moment, parseAmount, roughly, span, unhex } from "./format";

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

  test("are refused with a sentence if they are not numbers", () => {
    for (const text of ["", "-1", "1e3", "1.", "abc", "0x10", "12,5", "0,002", "1,200", "1,2,3"]) expect(() => parseAmount(text, IO)).toThrow("is not a number");
    expect(() => parseAmount("0.000000001", IO)).toThrow("at most 8 decimal places");
    expect(() => parseAmount("999999999999", IO)).toThrow("the amount is too large");
  });
});

test("a span names its two largest units", () => {
  expect([0, 59, 60, 3_661, 86_400, 90_061, 86_460].map(span)).toEqual(["0 s", "59 s", "1 min", "1 h 1 min", "1 d", "1 d 1 h", "1 d"]);
  expect(ago(100, 160)).toBe("1 min ago");
  expect(ago(160, 100)).toBe("in 1 min");
});

test("one of a thing is in the singular, and a part of one is not", () => {
  expect([many(1, "day"), many(1n, "job"), many(2_000n, "job"), many(0, "vote"), many(22.5, "day")]).toEqual([
    "1 day",
    "1 job",
    "2,000 jobs",
    "0 votes",
    "22.5 days",
  ]);
});

test("bytes become hexadecimal digits and back", () => {
  expect(hex(unhex("00ff10"))).toBe("00ff10");
});

test("a rounded amount has two decimals, or three significant digits", () => {
  expect(roughly(77_777_777_777n)).toBe("777.78 $IO");
  expect(roughly(100_499_999n)).toBe("1 $IO");
  expect(roughly(2_802_967n)).toBe("0.028 $IO");
  expect(roughly(106_666n)).toBe("0.00107 $IO");
  expect([0n, 7n, 999n].map(roughly)).toEqual(["0 $IO", "0.00000007 $IO", "0.00000999 $IO"]);
});

test("a moment has the same format for everybody, with a 24-hour clock", () => {
  const at = new Date(2026, 11, 16, 15, 5).getTime() / 1000;
  expect(moment(at)).toBe("16 Dec 2026, 15:05");
  expect(moment(0)).toBe("–");
});

test("a moment beyond the calendar is its bare number", () => {
  const last = 8_640_000_000_000;
  expect(iso(last)).toBe("+275760-09-13T00:00:00.000Z");
  expect(moment(last)).toContain("275760");
  for (const beyond of [last + 1, -last - 1]) {
    expect([moment, day, clock].map((say) => say(beyond))).toEqual(Array(3).fill(String(beyond)));
    expect(iso(beyond)).toBeUndefined();
  }
  expect(moment((1n << 63n) - 1n)).toBe("9223372036854775807");
});
