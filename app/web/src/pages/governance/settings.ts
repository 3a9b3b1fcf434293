// What a proposal can set by name, what it is set to now, and the bounds that hold whoever governs: the programs' `validate`, in TypeScript.

import { createNoopSigner, type Address, type Instruction } from "@solana/kit";
import * as costaking from "../../generated/costaking";
import * as governance from "../../generated/governance";
import * as jobs from "../../generated/jobs";
import * as staking from "../../generated/staking";
import type { Found } from "../../lib/accounts";
import { IO } from "../../lib/format";
import { gpuName } from "../../lib/gpus";
import type { Value } from "./units";

/** What is in force. */
export interface State {
  /** The address that governs. */
  authority: Address;
  staking: Found<staking.StakingConfig>;
  emission: Found<staking.Emission> | null;
  costaking: Found<costaking.Config>;
  jobs: Found<jobs.Config>;
  governance: Found<governance.Config>;
  gpus: Found<staking.GpuModel>[];
}

/** Values by the programs' names; places of lists and parts of structures follow the name of the whole: `timelock.3`, `rules.callBps`. */
export type Values = Record<string, Value>;

/** Arguments of an instruction, lists within them. */
export type Arguments = Record<string, unknown>;

/** A value that can be set. */
export interface Field {
  key: string;
  name: string;
  /** Least and largest value; none for what is no number, or what 0 and its type bound. */
  least?: bigint;
  most?: bigint;
}

/** Something that can be set. */
export interface Setting {
  /** As `ionet gov create` has it in a file. */
  id: string;
  name: string;
  program: "staking" | "costaking" | "jobs" | "governance";
  /** Number of the method, as its client has it. */
  method: number;
  /** What a proposal of it asks for, as `protocol::ballot::Kind`. */
  kind: number;
  fields: readonly Field[];
  /** The arguments that are in force; `gpu` is the row, for a setting of rows. */
  current: (state: State, gpu?: Found<staking.GpuModel>) => Arguments | null | undefined;
  /** Whether its arguments are set together; of others, what is left out stays as it is. */
  isWhole?: true;
  /** Keys of values that are one thing: who names one of them names all. */
  together?: readonly string[];
  /** What is wrong with values beside each other, each of which is within its bounds, as a sentence; `null` when nothing is. */
  conflict?: (values: Values) => string | null;
  /** The client's builder; see [`instruct`]. */
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
  field("baseStake", "Stake for each GPU at multiplier 1 (a raise waits)", 1n, 1_000_000n * IO),
  field("cooldown", "From unstaking to withdrawal", 0n, 30n * DAY),
  field("raiseGrace", "Before a raised multiplier or stake for each GPU raises what is required", 0n, 90n * DAY),
  field("probation", "Before a new device may take jobs", 0n, 90n * DAY),
  field("appeal", "In which a judgement may be overturned", 14n * DAY, 90n * DAY),
];

const REWARDS = [
  field("minUptime", "Presence before an hour that is paid", 0n, 7n * DAY),
  field("answerSeconds", "Time to answer a call", 1n, 300n),
  field("callBps", "Share of devices that a beacon calls", 0n, WHOLE),
  field("enterpriseBps", "The enterprise pool's share", 0n, WHOLE),
  field("multiplierWeight", "Weight of the multiplier", 1n, U16),
  field("tierWeight", "Weight of the tier", 0n, U16),
  field("hiredWeight", "Weight of being hired", 0n, U16),
  field("shards", "Tallies of an hour", 1n, 64n),
];

const GPU = [
  field("multiplierX100", "Earning multiplier", 0n, U16),
  field("name", "Name"),
  field("vramGb", "Memory in GiB", 0n, U16),
  field("pool", "Pool (0 enterprise, 1 community)", 0n, 1n),
  field("listed", "New devices may register"),
  field("workWidth", "Work of a call: log2 of a line's elements (8, 10 or 12)", 0n, 12n),
  field("workBytes", "Work of a call: log2 of a tensor's bytes", 0n, 36n),
  field("workLayers", "Work of a call: log2 of the layers", 0n, 7n),
];
const WORK = ["workWidth", "workBytes", "workLayers"];

/** Work of a size that there is; all zeros stand for the least. */
function workConflict(values: Values): string | null {
  const [width = 0, bytes = 0, layers = 0] = WORK.map((key) => Number(values[key]));
  const isSize = [8, 10, 12].includes(width) && bytes >= width;
  return isSize || (width === 0 && bytes === 0 && layers === 0)
    ? null
    : "the work of a call has lines of 8, 10 or 12 and tensors of at least a line, or 0 in all three fields for the least work";
}

const COSTAKING = [
  field("wait", "Co-stake on its way out still counts for", DAY, 30n * DAY),
  field("capacityBps", "Largest part of the minimum that may be co-staked", 1n, 5_000n),
  field("minShareBps", "Least share of the rewards that may be offered", 1n, WHOLE),
];

const JOBS = [
  field("minBond", "Smallest bond of a job", 1n, 100_000n * IO),
  field("bounty", "Bounty for whoever ends a job", 0n, 10_000_000n),
  field("revealSeconds", "From commit to reveal", 1n, DAY),
  field("sortitionSlots", "Slots over which a job's door opens", 0n, 400n),
  field("feeBps", "Fee of each side", 0n, 1_000n),
  field("surchargeBps", "On top, when paid in another mint than $IO", 0n, 2_000n),
  field("burnBps", "Share of the fees that is burned", 5_000n, WHOLE),
  field("penaltyBps", "Share of the bond that a missed deadline costs", 0n, 2_000n),
  field("watchBps", "Presumed chance that somebody recomputes a job", 1n, WHOLE),
  field("prioritySeconds", "In which an earlier seal takes a reward over", 1n, HOUR),
  field("demandFee", "Fee of a demand", 1_000_000n, 100_000_000n),
  field("answerSeconds", "Time for an answer to a demand", 30n, HOUR),
  field("questionSeconds", "Time for the next question", 1n, HOUR),
  field("auditJobs", "First jobs of a device that are all audited", 0n, 1_000n),
  field("auditFloorBps", "Share of results that is audited at least", 0n, WHOLE),
  field("auditShareBps", "What an auditor gets of the device's pay", 0n, WHOLE),
  field("auditSeconds", "A drawn audit waits for an auditor", 1n, HOUR),
];

const KIND_NAMES = ["guardian", "parameters", "treasury", "upgrades"];
const LEAST_TIMELOCK = [0n, DAY, DAY, 14n * DAY];
const RULES = [
  ...KIND_NAMES.map((kind, place) => field(`quorumBps.${place}`, `Quorum, ${kind}`, 100n, 2_000n)),
  ...KIND_NAMES.map((kind, place) => field(`approvalBps.${place}`, `Approval, ${kind}`, 5_000n, 8_000n)),
  ...KIND_NAMES.map((kind, place) => field(`timelock.${place}`, `Timelock, ${kind}`, LEAST_TIMELOCK[place], 30n * DAY)),
  field("voting", "Length of the vote", DAY, 30n * DAY),
  field("expiry", "Time to execute", DAY, 30n * DAY),
  field("vetoBps", "Vetoes that end a proposal", 2_500n, 5_000n),
  field("deposit", "Deposit", 0n, 100_000n * IO),
];

const PAUSED = [field("paused", "Paused")];
const AUTHORITIES = [field("authorityArg", "Authority"), field("guardian", "Guardian")];

/** The fields of a setting out of an account that has them by the same names. */
function pick(account: object, fields: readonly Field[]): Arguments {
  const keys = new Set(fields.map(({ key }) => key.split(".")[0] ?? key));
  return Object.fromEntries(Object.entries(account).filter(([key]) => keys.has(key)));
}

/** Programs that can be set, by name. */
const PROGRAMS = {
  staking: staking.STAKING_PROGRAM_ADDRESS,
  costaking: costaking.COSTAKING_PROGRAM_ADDRESS,
  jobs: jobs.JOBS_PROGRAM_ADDRESS,
  governance: governance.GOVERNANCE_PROGRAM_ADDRESS,
};

/** Every setting, what changes most first. */
export const SETTINGS: readonly Setting[] = [
  {
    id: "jobs.parameters",
    name: "parameters of jobs",
    program: "jobs",
    method: jobs.JobsInstruction.SetParameters,
    kind: PARAMETER,
    fields: JOBS,
    current: (state) => pick(state.jobs, JOBS),
    instruct: jobs.getSetParametersInstruction,
  },
  {
    id: "jobs.paused",
    name: "pause of jobs",
    program: "jobs",
    method: jobs.JobsInstruction.SetPaused,
    kind: PARAMETER,
    fields: PAUSED,
    current: (state) => pick(state.jobs, PAUSED),
    isWhole: true,
    instruct: jobs.getSetPausedInstruction,
  },
  {
    id: "staking.gpu_model",
    name: "GPU model",
    program: "staking",
    method: staking.StakingInstruction.UpdateGpuModel,
    kind: PARAMETER,
    fields: GPU,
    current: (_, gpu) => gpu && pick(gpu, GPU),
    together: WORK,
    conflict: workConflict,
    instruct: staking.getUpdateGpuModelInstruction,
  },
  {
    id: "staking.parameters",
    name: "parameters of staking",
    program: "staking",
    method: staking.StakingInstruction.SetParameters,
    kind: PARAMETER,
    fields: STAKING,
    current: (state) => pick(state.staking, STAKING),
    instruct: staking.getSetParametersInstruction,
  },
  {
    id: "staking.rewards",
    name: "rules of rewards",
    program: "staking",
    method: staking.StakingInstruction.SetRewardRules,
    kind: PARAMETER,
    fields: [...REWARDS, field("verifier", "Verifier of connections")],
    current: ({ emission }) => emission && { ...pick(emission, REWARDS), verifier: emission.verifier },
    instruct: staking.getSetRewardRulesInstruction,
  },
  {
    id: "staking.paused",
    name: "pause of staking",
    program: "staking",
    method: staking.StakingInstruction.SetPaused,
    kind: PARAMETER,
    fields: PAUSED,
    current: (state) => pick(state.staking, PAUSED),
    isWhole: true,
    instruct: staking.getSetPausedInstruction,
  },
  {
    id: "costaking.parameters",
    name: "parameters of co-staking",
    program: "costaking",
    method: costaking.CostakingInstruction.SetParameters,
    kind: PARAMETER,
    fields: COSTAKING,
    current: (state) => pick(state.costaking, COSTAKING),
    instruct: costaking.getSetParametersInstruction,
  },
  {
    id: "costaking.paused",
    name: "pause of co-staking",
    program: "costaking",
    method: costaking.CostakingInstruction.SetPaused,
    kind: PARAMETER,
    fields: PAUSED,
    current: (state) => pick(state.costaking, PAUSED),
    isWhole: true,
    instruct: costaking.getSetPausedInstruction,
  },
  {
    id: "governance.guardian",
    name: "guardian",
    program: "governance",
    method: governance.GovernanceInstruction.SetGuardian,
    kind: GUARDIAN,
    fields: [field("guardian", "Guardian"), field("until", "Its term ends")],
    current: ({ governance: { guardian, guardianUntil } }) => ({ guardian, until: guardianUntil }),
    isWhole: true,
    instruct: governance.getSetGuardianInstruction,
  },
  {
    id: "governance.rules",
    name: "rules of voting",
    program: "governance",
    method: governance.GovernanceInstruction.SetRules,
    kind: UPGRADE,
    fields: RULES,
    current: (state) => pick(state.governance, RULES),
    instruct: governance.getSetRulesInstruction,
  },
  {
    id: "staking.judges",
    name: "who may slash",
    program: "staking",
    method: staking.StakingInstruction.SetJudges,
    kind: UPGRADE,
    fields: [field("proposer", "Proposer"), field("approver", "Approver")],
    current: ({ staking: { slashProposer, slashApprover } }) => ({ proposer: slashProposer, approver: slashApprover }),
    conflict: ({ proposer, approver }) => (proposer === approver ? "who proposes slashes and who approves them must be two keys" : null),
    instruct: staking.getSetJudgesInstruction,
  },
  {
    id: "staking.authorities",
    name: "authorities of staking",
    program: "staking",
    method: staking.StakingInstruction.SetAuthorities,
    kind: UPGRADE,
    fields: AUTHORITIES,
    current: ({ staking: { authority, guardian } }) => ({ authorityArg: authority, guardian }),
    instruct: staking.getSetAuthoritiesInstruction,
  },
  {
    id: "costaking.authorities",
    name: "authorities of co-staking",
    program: "costaking",
    method: costaking.CostakingInstruction.SetAuthorities,
    kind: UPGRADE,
    fields: AUTHORITIES,
    current: ({ costaking: { authority, guardian } }) => ({ authorityArg: authority, guardian }),
    instruct: costaking.getSetAuthoritiesInstruction,
  },
  {
    id: "jobs.authorities",
    name: "authorities of jobs",
    program: "jobs",
    method: jobs.JobsInstruction.SetAuthorities,
    kind: UPGRADE,
    fields: [...AUTHORITIES, field("treasury", "Treasury")],
    current: ({ jobs: { authority, guardian, treasury } }) => ({ authorityArg: authority, guardian, treasury }),
    instruct: jobs.getSetAuthoritiesInstruction,
  },
];

/** The setting that a method of a program sets. */
export const settingOf = (program: Address, method: number): Setting | undefined =>
  SETTINGS.find((setting) => PROGRAMS[setting.program] === program && setting.method === method);

/** The instruction that makes these changes, signed by who governs. */
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
  // A pause is signed in the guardian's place; where a guardian is named it is among the arguments.
  return setting.instruct({ authority: signer, guardian: signer, ...accounts, ...Object.fromEntries(given) } as never);
}

/** The setting that is a row for each GPU model. */
export const isRow = (setting: Setting): boolean => setting.fields === GPU;

/** Values of arguments, lists and structures taken apart; none for what is left out. */
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

/** What is wrong with a value, as a sentence; `null` when nothing is. `limit` shows a bound. */
export function problem({ least = 0n, most }: Field, value: Value, limit: (bound: bigint) => string): string | null {
  if (typeof value !== "number" && typeof value !== "bigint") return null;
  const number = BigInt(value);
  if (number < least) return `at least ${limit(least)}, whoever governs`;
  if (most !== undefined && number > most) return `at most ${limit(most)}, whoever governs`;
  return null;
}

/** Name of a value, of a setting or of any instruction's. */
export function fieldName(key: string, setting?: Setting): string {
  const known = setting?.fields.find((field) => field.key === key);
  return known?.name ?? key.replaceAll(".", ", ").replace(/([A-Z])/g, " $1").replace(/^./, (letter) => letter.toUpperCase());
}

/** Name of a setting with its row. */
export const settingName = (setting: Setting, gpu: Found<staking.GpuModel> | undefined): string =>
  isRow(setting) && gpu ? `${setting.name} ${gpuName([gpu], gpu.id)}` : setting.name;
