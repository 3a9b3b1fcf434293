// The settings that a proposal can change, their current values, and their fixed bounds: the programs' `validate`, in TypeScript.

import { createNoopSigner, type Address, type Instruction } from "@solana/kit";
import * as costaking from "../../generated/costaking";
import * as governance from "../../generated/governance";
import * as jobs from "../../generated/jobs";
import * as staking from "../../generated/staking";
import type { Found } from "../../lib/accounts";
import { IO } from "../../lib/format";
import { nameOf } from "../../lib/gpus";
import type { Value } from "./units";

/** The current configuration. */
export interface State {
  /** The authority that signs what governance executes. */
  authority: Address;
  staking: Found<staking.StakingConfig>;
  emission: Found<staking.Emission> | null;
  costaking: Found<costaking.Config>;
  jobs: Found<jobs.Config>;
  governance: Found<governance.Config>;
  gpus: Found<staking.GpuModel>[];
}

/** Values by the programs' names; items of lists and fields of structures are appended: `timelock.3`, `rules.callBps`. */
export type Values = Record<string, Value>;

/** Arguments of an instruction, with nested lists. */
export type Arguments = Record<string, unknown>;

/** A value of a setting. */
export interface Field {
  key: string;
  name: string;
  /** Smallest and largest value; `undefined` for values that are not numbers, or bounded by 0 and their type. */
  least?: bigint;
  most?: bigint;
}

/** A setting: values that one instruction changes. */
export interface Setting {
  /** Its name in files for `ionet gov create`. */
  id: string;
  name: string;
  program: "staking" | "costaking" | "jobs" | "governance";
  /** Number of the instruction in the program's client. */
  method: number;
  /** Kind of a proposal that changes it: `protocol::ballot::Kind`. */
  kind: number;
  fields: readonly Field[];
  /** The current values; `gpu` is the row of the GPU table, for a setting that has one. */
  current: (state: State, gpu?: Found<staking.GpuModel>) => Arguments | null | undefined;
  /** Whether all its values must be given; otherwise, values left out stay unchanged. */
  isWhole?: true;
  /** Keys of values that must be given together. */
  together?: readonly string[];
  /** Why values contradict each other although each is within its bounds, as a sentence; `null` if they do not. */
  conflict?: (values: Values) => string | null;
  /** The client's instruction builder; see [`instruct`]. */
  instruct: (input: never) => Instruction;
}

const GUARDIAN = 0;
const PARAMETER = 1;
const UPGRADE = 3;
const HOUR = 3_600n;
const DAY = 24n * HOUR;
const WHOLE = 10_000n;

const field = (key: string, name: string, least?: bigint, most?: bigint): Field => ({ key, name, least, most });
const U16 = 65_535n;

const STAKING = [
  field("baseStake", "Base stake per GPU (a raise takes effect later)", 1n, 1_000_000n * IO),
  field("cooldown", "Cooldown after unstaking", 0n, 30n * DAY),
  field("raiseGrace", "Delay before raised minimum stakes apply", 0n, 90n * DAY),
  field("probation", "Probation of new devices", 0n, 90n * DAY),
  field("appeal", "Appeal period of slashes", 14n * DAY, 90n * DAY),
];

const REWARDS = [
  field("minUptime", "Uptime before rewards start", 0n, 7n * DAY),
  field("answerSeconds", "Time to answer a call", 1n, 300n),
  field("callBps", "Share of devices called by a beacon", 0n, WHOLE),
  field("enterpriseBps", "Share of the enterprise pool", 0n, WHOLE),
  field("multiplierWeight", "Weight of the multiplier", 1n, U16),
  field("tierWeight", "Weight of the tier", 0n, U16),
  field("hiredWeight", "Weight of being hired", 0n, U16),
  field("shards", "Tallies per hour", 1n, 64n),
  field("verifier", "Verifier of connections"),
];

const GPU = [
  field("multiplierX100", "Earning multiplier", 0n, U16),
  field("name", "Name"),
  field("vramGb", "Memory in GiB", 0n, U16),
  field("pool", "Pool (0 enterprise, 1 community)", 0n, 1n),
  field("listed", "Open to new devices"),
  field("workWidth", "Work of a call: log2 of the elements of a line (8, 10 or 12)", 0n, 12n),
  field("workBytes", "Work of a call: log2 of the bytes of a tensor", 0n, 36n),
  field("workLayers", "Work of a call: log2 of the number of layers", 0n, 7n),
];
const WORK = ["workWidth", "workBytes", "workLayers"];

/** Whether the work of a call has a supported size; all zeros stand for the smallest. */
function workConflict(values: Values): string | null {
  const [width = 0, bytes = 0, layers = 0] = WORK.map((key) => Number(values[key]));
  const isSize = [8, 10, 12].includes(width) && bytes >= width;
  return isSize || (width === 0 && bytes === 0 && layers === 0)
    ? null
    : "set the line to 8, 10 or 12 and the tensor to at least as much, or all three fields of the work to 0 for the smallest work";
}

const COSTAKING = [
  field("wait", "Notice period of exits", DAY, 30n * DAY),
  field("capacityBps", "Maximum co-stake, share of the minimum stake", 1n, 5_000n),
  field("minShareBps", "Minimum share of rewards in an offer", 1n, WHOLE),
];

const JOBS = [
  field("minBond", "Minimum bond of a job", 1n, 100_000n * IO),
  field("bounty", "Bounty for ending a job", 0n, 10_000_000n),
  field("revealSeconds", "Time from commit to reveal", 1n, DAY),
  field("sortitionSlots", "Slots over which a job opens to all devices", 0n, 400n),
  field("feeBps", "Fee per side", 0n, 1_000n),
  field("surchargeBps", "Extra fee if not paid in $IO", 0n, 2_000n),
  field("burnBps", "Share of fees burned", 5_000n, WHOLE),
  field("penaltyBps", "Share of the bond lost for a missed deadline", 0n, 2_000n),
  field("watchBps", "Assumed chance that a job is recomputed", 1n, WHOLE),
  field("prioritySeconds", "Priority period for earlier sealed evidence", 1n, HOUR),
  field("demandFee", "Fee per demand", 1_000_000n, 100_000_000n),
  field("answerSeconds", "Time to answer a demand", 30n, HOUR),
  field("questionSeconds", "Time to make the next demand", 60n, HOUR),
  field("auditJobs", "First jobs of a device, all audited", 0n, 1_000n),
  field("auditFloorBps", "Minimum share of results audited", 0n, WHOLE),
  field("auditShareBps", "Auditor's share of the device's pay", 0n, WHOLE),
  field("auditSeconds", "Time for an auditor to take an audit", 1n, HOUR),
];

const KIND_NAMES = ["guardian", "parameters", "treasury", "upgrades"];
const LEAST_TIMELOCK = [0n, DAY, DAY, 14n * DAY];
const RULES = [
  ...KIND_NAMES.map((kind, place) => field(`quorumBps.${place}`, `Quorum, ${kind}`, 100n, 2_000n)),
  ...KIND_NAMES.map((kind, place) => field(`approvalBps.${place}`, `Approval, ${kind}`, 5_000n, 8_000n)),
  ...KIND_NAMES.map((kind, place) => field(`timelock.${place}`, `Timelock, ${kind}`, LEAST_TIMELOCK[place], 30n * DAY)),
  field("voting", "Voting period", DAY, 30n * DAY),
  field("expiry", "Time to execute", DAY, 30n * DAY),
  field("vetoBps", "Veto threshold", 2_500n, 5_000n),
  field("deposit", "Deposit", 0n, 100_000n * IO),
];

const PAUSED = [field("paused", "Paused")];
const TERM = [field("guardian", "Guardian"), field("until", "End of term")];
const JUDGES = [field("proposer", "Proposer"), field("approver", "Approver")];
const AUTHORITIES = [field("authorityArg", "Authority"), field("guardian", "Guardian")];

/** A setting's values from an account that has fields of the same names. Clients rename an argument that is called like an account. */
function pick(account: object, fields: readonly Field[]): Arguments {
  const keys = new Set(fields.map(({ key }) => key.split(".")[0] ?? key));
  const named = Object.entries(account).map(([key, value]): [string, unknown] => [keys.has(`${key}Arg`) ? `${key}Arg` : key, value]);
  return Object.fromEntries(named.filter(([key]) => keys.has(key)));
}

/** Programs with settings, by name. */
const PROGRAMS = {
  staking: staking.STAKING_PROGRAM_ADDRESS,
  costaking: costaking.COSTAKING_PROGRAM_ADDRESS,
  jobs: jobs.JOBS_PROGRAM_ADDRESS,
  governance: governance.GOVERNANCE_PROGRAM_ADDRESS,
};

/**
 * A setting that an instruction of a program changes: `method` is its number, `instruct` builds it. Its values are in the program's config,
 * unless `more` differs.
 */
const setting = (
  program: Setting["program"],
  key: string,
  name: string,
  kind: number,
  fields: readonly Field[],
  [method, instruct]: [Setting["method"], Setting["instruct"]],
  more: Partial<Setting> = {},
): Setting => ({ id: `${program}.${key}`, name, program, method, kind, fields, instruct, current: (state) => pick(state[program], fields), ...more });

const { JobsInstruction } = jobs;
const { StakingInstruction } = staking;
const { CostakingInstruction } = costaking;
const { GovernanceInstruction } = governance;

/** Every setting, the most frequently changed first. */
export const SETTINGS: readonly Setting[] = [
  setting("jobs", "parameters", "job parameters", PARAMETER, JOBS, [JobsInstruction.SetParameters, jobs.getSetParametersInstruction]),
  setting("jobs", "paused", "job pause", PARAMETER, PAUSED, [JobsInstruction.SetPaused, jobs.getSetPausedInstruction], { isWhole: true }),
  setting("staking", "gpu_model", "GPU model", PARAMETER, GPU, [StakingInstruction.UpdateGpuModel, staking.getUpdateGpuModelInstruction], {
    current: (_, gpu) => gpu && pick(gpu, GPU),
    together: WORK,
    conflict: workConflict,
  }),
  setting("staking", "parameters", "staking parameters", PARAMETER, STAKING, [StakingInstruction.SetParameters, staking.getSetParametersInstruction]),
  setting("staking", "rewards", "reward rules", PARAMETER, REWARDS, [StakingInstruction.SetRewardRules, staking.getSetRewardRulesInstruction], {
    current: ({ emission }) => emission && pick(emission, REWARDS),
  }),
  setting("staking", "paused", "staking pause", PARAMETER, PAUSED, [StakingInstruction.SetPaused, staking.getSetPausedInstruction], { isWhole: true }),
  setting("costaking", "parameters", "co-staking parameters", PARAMETER, COSTAKING, [
    CostakingInstruction.SetParameters,
    costaking.getSetParametersInstruction,
  ]),
  setting("costaking", "paused", "co-staking pause", PARAMETER, PAUSED, [CostakingInstruction.SetPaused, costaking.getSetPausedInstruction], { isWhole: true }),
  setting("governance", "guardian", "guardian", GUARDIAN, TERM, [GovernanceInstruction.SetGuardian, governance.getSetGuardianInstruction], {
    current: ({ governance: { guardian, guardianUntil } }) => ({ guardian, until: guardianUntil }),
    isWhole: true,
  }),
  setting("governance", "rules", "voting rules", UPGRADE, RULES, [GovernanceInstruction.SetRules, governance.getSetRulesInstruction]),
  setting("staking", "judges", "slashing keys", UPGRADE, JUDGES, [StakingInstruction.SetJudges, staking.getSetJudgesInstruction], {
    current: ({ staking: { slashProposer, slashApprover } }) => ({ proposer: slashProposer, approver: slashApprover }),
    conflict: ({ proposer, approver }) => (proposer === approver ? "the proposer and the approver of slashes must be different keys" : null),
  }),
  setting("staking", "authorities", "staking authorities", UPGRADE, AUTHORITIES, [StakingInstruction.SetAuthorities, staking.getSetAuthoritiesInstruction]),
  setting("costaking", "authorities", "co-staking authorities", UPGRADE, AUTHORITIES, [
    CostakingInstruction.SetAuthorities,
    costaking.getSetAuthoritiesInstruction,
  ]),
  setting("jobs", "authorities", "job authorities", UPGRADE, [...AUTHORITIES, field("treasury", "Treasury")], [
    JobsInstruction.SetAuthorities,
    jobs.getSetAuthoritiesInstruction,
  ]),
];

/** The setting that an instruction of a program changes. */
export const settingOf = (program: Address, method: number): Setting | undefined =>
  SETTINGS.find((setting) => PROGRAMS[setting.program] === program && setting.method === method);

/** The instruction that makes these changes, signed by the governance authority. */
export function instruct(setting: Setting, state: State, changes: Values, gpu?: Found<staking.GpuModel>): Instruction {
  const signer = createNoopSigner(state.authority);
  const accounts = { config: state[setting.program].address, emission: state.emission?.address, gpuModel: gpu?.address };
  const { together = [] } = setting;
  const named = together.some((key) => key in changes) ? together : [];
  const put = (key: string, now: unknown): unknown => {
    if (Array.isArray(now)) return now.map((place, number) => put(`${key}.${number}`, place));
    return changes[key] ?? (setting.isWhole || named.includes(key) ? now : null);
  };
  const given = Object.entries(setting.current(state, gpu) ?? {}).map(([key, now]) => [key, put(key, now)]);
  // Pauses are signed in the guardian's place; an instruction that names a guardian has it among its arguments, which override this.
  return setting.instruct({ authority: signer, guardian: signer, ...accounts, ...Object.fromEntries(given) } as never);
}

/** Whether a setting has a row for each GPU model. */
export const isRow = (setting: Setting): boolean => setting.fields === GPU;

/** Flattens arguments into values, leaving out those that are not given. */
export function flatten(given: Arguments): Values {
  const values: Values = {};
  const put = (key: string, value: unknown) => {
    if (value === null || value === undefined) return;
    if (typeof value === "object" && !ArrayBuffer.isView(value)) Object.entries(value).forEach(([part, of]) => put(`${key}.${part}`, of));
    else values[key] = value as Value;
  };
  for (const [key, value] of Object.entries(given)) if (key !== "discriminator") put(key, value);
  return values;
}

/** Why a value is out of bounds, as a sentence; `null` if it is not. `limit` formats a bound. */
export function problem({ least = 0n, most }: Field, value: Value, limit: (bound: bigint) => string): string | null {
  if (typeof value !== "number" && typeof value !== "bigint") return null;
  const number = BigInt(value);
  if (number < least) return `at least ${limit(least)} (fixed limit)`;
  if (most !== undefined && number > most) return `at most ${limit(most)} (fixed limit)`;
  return null;
}

/** Display name of a value of a setting, or of any instruction's argument or account. */
export function fieldName(key: string, setting?: Setting): string {
  const known = setting?.fields.find((field) => field.key === key);
  return known?.name ?? key.replaceAll(".", ", ").replace(/([A-Z])/g, " $1").replace(/^./, (letter) => letter.toUpperCase());
}

/** Name of a setting, with its GPU model if it has one. */
export const settingName = (setting: Setting, gpu: Found<staking.GpuModel> | undefined): string =>
  isRow(setting) && gpu ? `${setting.name} ${nameOf(gpu)}` : setting.name;
