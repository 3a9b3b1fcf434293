import { AccountRole, address, unwrapOptionRecursively } from "@solana/kit";
import { expect, test } from "vitest";
import { parseGovernanceInstruction } from "../../generated/governance";
import { parseJobsInstruction } from "../../generated/jobs";
import { parseStakingInstruction } from "../../generated/staking";
import { fieldName, flatten, instruct, problem, SETTINGS, settingOf, type State, type Values } from "./settings";

const someone = (text: string) => address(text);
const A = someone("AMdJx3EceGTZb6SR5bhP6pXJEAbcE9mU3VSJNN9RLK5H");
const B = someone("SysvarC1ock11111111111111111111111111111111");
const JOBS = {
  minBond: 100_000_000n,
  bounty: 10_000,
  revealSeconds: 60,
  sortitionSlots: 20,
  feeBps: 25,
  surchargeBps: 200,
  burnBps: 5_000,
  penaltyBps: 500,
  watchBps: 500,
  prioritySeconds: 30,
  demandFee: 3_000_000,
  answerSeconds: 300,
  questionSeconds: 120,
  auditJobs: 20,
  auditFloorBps: 500,
  auditShareBps: 8_000,
  auditSeconds: 60,
};
const RULES = {
  quorumBps: [500, 1_000, 1_000, 1_000],
  approvalBps: [5_000, 5_000, 5_000, 6_667],
  timelock: [0, 172_800, 172_800, 1_209_600],
  voting: 604_800,
  expiry: 1_209_600,
  vetoBps: 3_334,
  deposit: 100_000_000_000n,
};
const state = {
  authority: A,
  staking: { address: B },
  jobs: { ...JOBS, address: B, authority: A, guardian: B, treasury: A, paused: true },
  governance: { ...RULES, address: B, guardian: B, guardianUntil: 5n },
  emission: null,
} as unknown as State;

const named = (id: string) => SETTINGS.find((setting) => setting.id === id) as (typeof SETTINGS)[number];

test("an instruction changes the given values and leaves the others", () => {
  const setting = named("jobs.parameters");
  const made = instruct(setting, state, { auditFloorBps: 700 });
  expect(made.accounts?.map(({ address: at, role }) => [at, role])).toEqual([
    [A, AccountRole.READONLY_SIGNER],
    [B, AccountRole.WRITABLE],
  ]);
  const parsed = parseJobsInstruction(made as never);
  expect(settingOf(made.programAddress, parsed.instructionType)).toBe(setting);
  const values = flatten(unwrapOptionRecursively((parsed as { data: object }).data) as never);
  expect(values).toEqual({ auditFloorBps: 700 });
});

test("the three values of the work are given together or not at all", () => {
  const row = { address: B, name: new Uint8Array(32), multiplierX100: 125, vramGb: 24, pool: 1, listed: true };
  const gpu = { ...row, workWidth: 12, workBytes: 32, workLayers: 6 } as never;
  const values = (changes: Values) => {
    const { data } = parseStakingInstruction(instruct(named("staking.gpu_model"), state, changes, gpu) as never) as { data: object };
    return flatten(unwrapOptionRecursively(data) as never);
  };
  expect(values({ workLayers: 5 })).toEqual({ workWidth: 12, workBytes: 32, workLayers: 5 });
  expect(values({ workWidth: 0, workBytes: 0, workLayers: 0 })).toEqual({ workWidth: 0, workBytes: 0, workLayers: 0 });
  expect(values({ multiplierX100: 150 })).toEqual({ multiplierX100: 150 });
});

test("lists are changed item by item", () => {
  const setting = named("governance.rules");
  expect(flatten(setting.current(state) ?? {})["timelock.3"]).toBe(1_209_600);
  const made = instruct(setting, state, { "timelock.3": 1_300_000 });
  const { data } = parseGovernanceInstruction(made as never) as { data: object };
  const none = [null, null, null, null];
  const untouched = { quorumBps: none, approvalBps: none, voting: null, expiry: null, vetoBps: null, deposit: null };
  expect(unwrapOptionRecursively(data)).toMatchObject({ ...untouched, timelock: [null, null, null, 1_300_000] });
});

test("a pause is signed in the guardian's place; naming a guardian is not", () => {
  const paused = instruct(named("jobs.paused"), state, { paused: false });
  expect(paused.accounts?.[0]).toMatchObject({ address: A, role: AccountRole.READONLY_SIGNER });
  expect((parseJobsInstruction(paused as never) as { data: { paused: boolean } }).data.paused).toBe(false);
  const authorities = instruct(named("jobs.authorities"), state, { guardian: A });
  expect(authorities.accounts?.[0]).toMatchObject({ address: A, role: AccountRole.READONLY_SIGNER });
  const { data } = parseJobsInstruction(authorities as never) as { data: object };
  expect(unwrapOptionRecursively(data)).toMatchObject({ authority: null, guardian: A, treasury: null });
  const guardian = parseGovernanceInstruction(instruct(named("governance.guardian"), state, { guardian: A }) as never);
  expect((guardian as { data: object }).data).toMatchObject({ guardian: A, until: 5n });
});

test("values are within the bounds of the programs", () => {
  const at = (id: string, key: string, value: bigint | number | boolean) => {
    const field = named(id).fields.find((field) => field.key === key);
    return field ? problem(field, value, String) : "there is no such value";
  };
  const bounds: [string, string, bigint, bigint][] = [
    ["jobs.parameters", "feeBps", 0n, 1_000n],
    ["jobs.parameters", "demandFee", 1_000_000n, 100_000_000n],
    ["jobs.parameters", "answerSeconds", 30n, 3_600n],
    ["jobs.parameters", "questionSeconds", 60n, 3_600n],
    ["jobs.parameters", "minBond", 1n, 10_000_000_000_000n],
    ["staking.parameters", "appeal", 1_209_600n, 7_776_000n],
    ["staking.parameters", "baseStake", 1n, 100_000_000_000_000n],
    ["staking.rewards", "minUptime", 0n, 604_800n],
    ["staking.rewards", "answerSeconds", 1n, 300n],
    ["staking.gpu_model", "multiplierX100", 0n, 65_535n],
    ["staking.gpu_model", "pool", 0n, 1n],
    ["staking.gpu_model", "workWidth", 0n, 12n],
    ["staking.gpu_model", "workBytes", 0n, 36n],
    ["staking.gpu_model", "workLayers", 0n, 7n],
    ["costaking.parameters", "wait", 86_400n, 2_592_000n],
    ["costaking.parameters", "capacityBps", 1n, 5_000n],
    ["governance.rules", "quorumBps.0", 100n, 2_000n],
    ["governance.rules", "timelock.1", 86_400n, 2_592_000n],
    ["governance.rules", "timelock.3", 1_209_600n, 2_592_000n],
    ["governance.rules", "vetoBps", 2_500n, 5_000n],
  ];
  for (const [id, key, least, most] of bounds) {
    const found = [least - 1n, least, most, most + 1n].map((value) => at(id, key, value) === null);
    expect(found, `${id} ${key}`).toEqual([false, true, true, false]);
  }
  expect(at("jobs.paused", "paused", true)).toBeNull();
});

test("values have names", () => {
  expect(fieldName("feeBps", named("jobs.parameters"))).toBe("Fee per side");
  expect(fieldName("sealedSlot")).toBe("Sealed Slot");
});
