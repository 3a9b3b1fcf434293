import { expect, test } from "vitest";
import { parse, parseSpan, show, textIn, written, type Value } from "./units";

const name = (text: string) => {
  const bytes = new Uint8Array(32);
  bytes.set(new TextEncoder().encode(text));
  return bytes;
};

// The cases of the CLI's units.
test("values survive formatting and parsing", () => {
  const cases: [string, string, Value, Value, string][] = [
    ["auditFloorBps", "7", 0, 700, "7 %"],
    ["cooldown", "14 d", 0, 1_209_600, "14 d"],
    ["baseStake", "200", 0n, 20_000_000_000n, "200 $IO"],
    ["bounty", "0.000005", 0, 5_000, "0.000005 SOL"],
    ["multiplierX100", "2.5", 0, 250, "2.5 ×"],
    ["paused", "true", false, true, "yes"],
    ["timelock.1", "2 d", 0, 172_800, "2 d"],
    ["sortitionSlots", "1200", 0, 1_200, "1,200"],
    ["name", "RTX 4090", name(""), name("RTX 4090"), "RTX 4090"],
  ];
  for (const [field, text, before, value, shown] of cases) {
    const parsed = parse(field, text, before, 100);
    expect(parsed, field).toEqual(value);
    expect(show(field, parsed), field).toBe(shown);
    expect(parse(field, written(field, parsed, 100), before, 100), field).toEqual(value);
  }
  expect(parse("until", "180", 0n, 100)).toBe(15_552_100n);
  expect(written("until", 15_552_100n, 100)).toBe("180");
});

test("invalid values are refused with a sentence", () => {
  const cases: [string, string, Value, string][] = [
    ["auditFloorBps", "7.123", 0, "at most 2 decimal places"],
    ["cooldown", "soon", 0, "not a duration"],
    ["cooldown", "1.5 d", 0, "not a duration"],
    ["baseStake", "-1", 0n, "not a number"],
    ["sortitionSlots", "1,200", 0, "not a number"],
    ["verifier", "me", "11111111111111111111111111111111", "not a valid address"],
    ["name", "RTX ü", name("RTX 4090"), "ASCII"],
  ];
  for (const [field, text, before, sentence] of cases) expect(() => parse(field, text, before, 0), field).toThrow(sentence);
});

test("durations keep all their parts", () => {
  expect(parseSpan("1 h 30 min")).toBe(5_400);
  expect(parseSpan("90")).toBe(90);
  expect(written("cooldown", 90_061, 0)).toBe("1 d 1 h 1 min 1 s");
  expect(() => parseSpan("")).toThrow();
  expect(() => parseSpan("5 weeks")).toThrow();
});

test("text in bytes is told from other data", () => {
  expect(textIn(name("RTX 4090"))).toBe("RTX 4090");
  expect(textIn(Uint8Array.of(0, 0))).toBeNull();
  expect(textIn(Uint8Array.of(65, 0, 65))).toBeNull();
  expect(textIn(Uint8Array.of(7, 65))).toBeNull();
  expect(show("evidence", Uint8Array.of(0, 255))).toBe("00ff");
  expect(show("cooldown", 90_061)).toBe("1 d 1 h 1 min 1 s");
});
