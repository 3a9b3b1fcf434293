import { address } from "@solana/kit";
import { expect, test } from "vitest";
import { check, initial, payment, titleProblem, type Chosen } from "./form";
import { parse, encode } from "./payload";
import type { State } from "./settings";
import { describeSetting } from "./words";

const A = address("AMdJx3EceGTZb6SR5bhP6pXJEAbcE9mU3VSJNN9RLK5H");
const B = address("SysvarC1ock11111111111111111111111111111111");
const NOW = 1_000_000_000;
const state = {
  authority: A,
  staking: { address: B, slashProposer: A, slashApprover: B },
  costaking: { address: B, wait: 604_800, capacityBps: 5_000, minShareBps: 500 },
  governance: { address: B, mint: B, guardian: B, guardianUntil: BigInt(NOW + 1_000) },
  gpus: [],
  emission: null,
} as unknown as State;
const name = new TextEncoder().encode("RTX 4090".padEnd(32, "\0"));
const gpu = { address: B, id: 3, name, multiplierX100: 125, vramGb: 24, pool: 1, listed: true, workWidth: 10, workBytes: 20, workLayers: 6 };
const step = (what: string, texts: Record<string, string>): Chosen => ({ key: 1, what, gpu: "", texts });

test("a step becomes its instruction", () => {
  const chosen = step("costaking.parameters", { wait: "8 d", capacityBps: "50" });
  expect(initial(chosen, state, NOW)).toEqual({ wait: "7 d", capacityBps: "50", minShareBps: "5" });
  const checked = check(chosen, state, NOW);
  expect(checked).toMatchObject({ errors: {}, sentence: null, changes: { wait: 691_200 }, kind: 1 });
  const kept = parse(encode(checked.instruction ?? ({} as never)));
  expect(kept && describeSetting(kept, state)?.changes.map(({ name, before, after }) => [name, before, after])).toEqual([
    ["Notice period of exits", "7 d", "8 d"],
  ]);
});

test("values that the program would reject are refused with a reason", () => {
  const cases: [Chosen, string, string][] = [
    [step("costaking.parameters", { wait: "31 d" }), "wait", "at most 30 d"],
    [step("costaking.parameters", { capacityBps: "0" }), "capacityBps", "at least 0.01 %"],
    [step("costaking.parameters", { minShareBps: "all" }), "minShareBps", "not a number"],
    [step("governance.guardian", { until: "367" }), "until", "366 days"],
    [step("pay", { to: "me", amount: "1" }), "to", "not a valid address"],
    [step("pay", { to: A, amount: "0" }), "amount", "above zero"],
  ];
  for (const [chosen, key, sentence] of cases) {
    const { errors, instruction } = check(chosen, state, NOW);
    expect(errors[key]).toContain(sentence);
    expect(instruction).toBeNull();
  }
  expect(check(step("costaking.parameters", {}), state, NOW).sentence).toContain("change at least one value");
  expect(check(step("staking.gpu_model", {}), state, NOW).sentence).toContain("GPU model");
  expect(check(step("staking.rewards", {}), state, NOW).sentence).toContain("rewards have not started");
  expect(check(step("governance.guardian", { until: "366" }), state, NOW).sentence).toBeNull();
});

test("a row of the GPU table has work of a supported size and a printable name", () => {
  const row = (texts: Record<string, string>) => check({ ...step("staking.gpu_model", texts), gpu: B }, { ...state, gpus: [gpu] } as never, NOW);
  const sizes: [texts: Record<string, string>, isSize: boolean][] = [
    [{ workWidth: "8" }, true],
    [{ workWidth: "12", workBytes: "12", workLayers: "0" }, true],
    [{ workBytes: "36", workLayers: "7" }, true],
    [{ workWidth: "0", workBytes: "0", workLayers: "0" }, true],
    [{ workWidth: "9" }, false],
    [{ workBytes: "9" }, false],
    [{ workWidth: "0", workBytes: "0" }, false],
    [{ workWidth: "0", workLayers: "0" }, false],
    [{ workBytes: "0", workLayers: "0" }, false],
  ];
  for (const [texts, isSize] of sizes) {
    const { sentence, instruction } = row(texts);
    expect([sentence === null, instruction !== null], JSON.stringify(texts)).toEqual([isSize, isSize]);
    if (!isSize) expect(sentence).toContain("the smallest work");
  }
  for (const wrong of ["", "x".repeat(33), "RTX ü"]) expect(row({ name: wrong }).errors["name"]).toContain("1 to 32");
  expect(row({ name: "x".repeat(32) }).sentence).toBeNull();
});

test("the slashing keys must differ", () => {
  const judges = (texts: Record<string, string>) => check(step("staking.judges", texts), state, NOW);
  expect(judges({ proposer: B })).toMatchObject({ sentence: "the proposer and the approver of slashes must be different keys", instruction: null });
  expect(judges({ approver: A }).sentence).toContain("different keys");
  expect(judges({ proposer: B, approver: A }).sentence).toBeNull();
});

test("a payment has the amount that was entered", async () => {
  const { instruction } = await payment(step("pay", { to: A, amount: "2.5" }), state);
  expect(instruction.data).toEqual(Uint8Array.of(12, 0x80, 0xb2, 0xe6, 0x0e, 0, 0, 0, 0, 8));
  expect(instruction.accounts?.map(({ role }) => role)).toEqual([1, 0, 1, 2]);
});

test("titles are short and ASCII", () => {
  expect(titleProblem("Audit 7 %")).toBeNull();
  for (const title of ["", "x".repeat(65), "über", "a\nb"]) expect(titleProblem(title)).not.toBeNull();
});
