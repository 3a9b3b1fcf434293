// An instruction of a proposal in words: what it changes, from what to what.

import { address, getAddressDecoder, unwrapOptionRecursively, type Address, type Instruction } from "@solana/kit";
import * as costaking from "../../generated/costaking";
import * as governance from "../../generated/governance";
import * as jobs from "../../generated/jobs";
import * as referee from "../../generated/referee";
import * as staking from "../../generated/staking";
import { sha256 } from "../../lib/bytes";
import { hex, io, words } from "../../lib/format";
import type { Market } from "../../lib/market";
import { tokenAccount } from "../../lib/send";
import { rowAt } from "./accounts";
import type { Whole } from "./payload";
import { fieldName, flatten, instruct, isRow, settingName, settingOf, type State, type Values } from "./settings";
import { show } from "./units";

/** A value that changes, or that is given. */
export interface Change {
  key: string;
  name: string;
  before?: string;
  after: string;
}

/** What an instruction needs, as it is now. */
interface Standing {
  says: string;
  /** Whether it cannot be executed so. */
  isStuck: boolean;
  /** Whether the node did not tell it now. */
  isUnread: boolean;
}

/** An instruction in words. */
export interface Words {
  what: string;
  changes: Change[];
  /** Whether code is replaced. */
  replacesCode: boolean;
  /** Whether it could be executed as things are now, where that is not for the programs' settings to say. */
  standing: Standing | null;
  /** Whether it is a setting of nothing: all that it could name is left out. */
  isEmpty: boolean;
  /** Whether this page cannot tell what it does. */
  isUnknown: boolean;
}

const TOKEN_PROGRAM = address("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA");
/** The loader of programs that can be replaced. */
const LOADER = address("BPFLoaderUpgradeab1e11111111111111111111111");
/** A buffer of code that somebody may change: how it begins, and where it has its authority and the code. */
const OWNED_BUFFER = "0100000001";
const AUTHORITY_AT = 5;
const CODE_AT = 37;

type Parse = (instruction: never) => { instructionType: number; accounts?: object; data?: object };
const PROGRAMS: { name: string; address: Address; parse: Parse; methods: Record<number, string> }[] = [
  { name: "staking", address: staking.STAKING_PROGRAM_ADDRESS, parse: staking.parseStakingInstruction, methods: staking.StakingInstruction },
  { name: "co-staking", address: costaking.COSTAKING_PROGRAM_ADDRESS, parse: costaking.parseCostakingInstruction, methods: costaking.CostakingInstruction },
  { name: "jobs", address: jobs.JOBS_PROGRAM_ADDRESS, parse: jobs.parseJobsInstruction, methods: jobs.JobsInstruction },
  { name: "referee", address: referee.REFEREE_PROGRAM_ADDRESS, parse: referee.parseRefereeInstruction, methods: referee.RefereeInstruction },
  { name: "governance", address: governance.GOVERNANCE_PROGRAM_ADDRESS, parse: governance.parseGovernanceInstruction, methods: governance.GovernanceInstruction },
];

/** A program's name, if it is the market's. */
export const programName = (program: Address): string => PROGRAMS.find(({ address: at }) => at === program)?.name ?? program;

/** A call of one of the market's programs. */
interface Call {
  program: string;
  method: number;
  name: string;
  /** Names of its accounts, in their order. */
  accounts: string[];
  values: Values;
}

/** A call of one of the market's programs; `null` when it is none. */
export function decode(instruction: Instruction): Call | null {
  const program = PROGRAMS.find(({ address: at }) => at === instruction.programAddress);
  if (!program) return null;
  try {
    const { instructionType: method, accounts = {}, data = {} } = program.parse(instruction as never);
    const name = words(program.methods[method] ?? "");
    const values = flatten(unwrapOptionRecursively(data) as never);
    return { program: program.name, method, name, accounts: Object.keys(accounts), values };
  } catch {
    return null;
  }
}

/** What most words have in common. */
const READ = { replacesCode: false, standing: null, isEmpty: false, isUnknown: false };

/** Says what a setting is set to, now that things are as they are; `null` when the instruction sets none. */
export function saySetting(instruction: Whole, state: State): Words | null {
  const call = decode(instruction);
  const setting = call && settingOf(instruction.programAddress, call.method);
  if (!setting) return null;
  const row = isRow(setting) ? instruction.accounts[2]?.address : undefined;
  const gpu = rowAt(state, row);
  const current = setting.current(state, gpu);
  const changes = Object.entries(call.values).map(([key, after]) => ({ key, name: fieldName(key, setting), after: show(key, after) }));
  const read = { ...READ, isEmpty: changes.length === 0 };
  if (!current) {
    const unknown = row ? [{ key: "row", name: "Row of the GPU table", after: row }] : [];
    return { ...read, what: callName(call), changes: [...unknown, ...changes] };
  }
  const now = decode(instruct(setting, state, flatten(current), gpu))?.values ?? {};
  const before = (key: string) => (now[key] === undefined ? undefined : show(key, now[key]));
  return { ...read, what: `Set ${settingName(setting, gpu)}`, changes: changes.map((change) => ({ ...change, before: before(change.key) })) };
}

const callName = ({ name, program }: Call) => `Call “${name}” of ${program}`;

/** Accounts out of which and into which tokens move. */
const MOVED = ["from", "to"];

/** Says what any other call of the market's programs is given, and whom it is about: its accounts decide who is paid. */
async function sayCall(instruction: Whole, state: State): Promise<Words | null> {
  const call = decode(instruction);
  if (!call) return null;
  const treasury = await tokenAccount(state.authority, state.governance.mint);
  const moves = instruction.accounts.filter((_, place) => MOVED.includes(call.accounts[place] ?? ""));
  // Escrows are of any token, and their calls do not name it; what moves the treasury's $IO is of $IO.
  const isIo = call.program !== "jobs" || moves.some(({ address: at }) => at === treasury);
  const values = Object.entries(call.values).map(([key, value]) =>
    key === "amount" && !isIo
      ? { key, name: "Amount in base units of the escrow's token", after: show("", value) }
      : { key, name: fieldName(key), after: show(key, value) },
  );
  return { ...READ, what: callName(call), changes: [...values, ...sayAccounts(instruction, call.accounts)] };
}

/** Every account of an instruction; those that it has no name for by their places. */
const sayAccounts = ({ accounts }: Whole, names: string[] = []): Change[] =>
  accounts.map(({ address: after, role }, place) => {
    const name = names[place];
    return { key: `account ${place}`, name: `${name ? fieldName(name) : `Account ${place + 1}`}, ${ROLES[role]}`, after };
  });

/** Says a call of the market's programs; `null` also where that fails: whatever is in a step, it hides no other. */
async function sayOurs(instruction: Whole, state: State): Promise<Words | null> {
  try {
    return saySetting(instruction, state) ?? (await sayCall(instruction, state));
  } catch {
    return null;
  }
}

/** Says what an instruction does. What the node does not tell now is said to be unread: it hides neither the rest nor another step. */
export async function say(market: Market, instruction: Whole, state: State): Promise<Words> {
  const known =
    (await sayUpgrade(market, instruction, state)) ?? (await sayOurs(instruction, state)) ?? (await sayPayment(market, instruction, state));
  if (known) return known;
  return {
    ...READ,
    what: `Call program ${programName(instruction.programAddress)}, which this page cannot read`,
    changes: [...sayAccounts(instruction), { key: "data", name: "Data", after: hex(instruction.data) || "none" }],
    isUnknown: true,
  };
}

const ROLES = ["read", "written", "signs", "signs and is written"];

const TRANSFER = 3;
const TRANSFER_CHECKED = 12;

/** $IO that leave the treasury. */
async function sayPayment(market: Market, { programAddress, accounts, data }: Whole, state: State): Promise<Words | null> {
  if (programAddress !== TOKEN_PROGRAM || data.length < 9) return null;
  const { mint } = state.governance;
  const checked = data[0] === TRANSFER_CHECKED && accounts[1]?.address === mint;
  const to = checked ? accounts[2]?.address : data[0] === TRANSFER ? accounts[1]?.address : undefined;
  if (!to || accounts[0]?.address !== (await tokenAccount(state.authority, mint))) return null;
  const amount = new DataView(Uint8Array.from(data).buffer).getBigUint64(1, true);
  const holder = await readable(holderOf(market, to, mint));
  return {
    ...READ,
    what: `Pay ${io(amount)} out of the treasury`,
    changes: [{ key: "to", name: "To", after: holder ?? `token account ${to}, whose owner may change before it is paid` }],
    standing: holder === undefined ? unread("Whose account this is paid to") : null,
  };
}

/** What was asked for; `undefined` where the node does not tell. */
const readable = <T>(asked: Promise<T>): Promise<T | undefined> => asked.catch(() => undefined);

const unread = (what: string): Standing => ({ says: `${what} could not be read now.`, isStuck: false, isUnread: true });

interface Account {
  owner: Address;
  data: Uint8Array<ArrayBuffer>;
}

/** As much of an account as tells what it is, and whose. Whoever proposes names one as long as they like. */
const HEAD = { dataSlice: { offset: 0, length: 64 } };

/** An account as it is now, or a part of it. */
async function accountAt({ rpc }: Market, at: Address, part: Partial<typeof HEAD> = {}): Promise<Account | null> {
  const { value } = await rpc.getAccountInfo(at, { encoding: "base64", ...part }).send();
  return value && { owner: value.owner, data: Uint8Array.from(atob(value.data[0]), (char) => char.charCodeAt(0)) };
}

/** Whether there is a token account, and not lamports alone, which anybody can send to any address. */
export async function takesTokens(market: Market, at: Address): Promise<boolean> {
  return (await accountAt(market, at, HEAD))?.owner === TOKEN_PROGRAM;
}

/** Where an account of the token program's has its owner. */
const HOLDER_AT = 32;

/** Whose associated account for $IO this is, which nobody but its owner can give away; `null` for any other, which may be another's when it is paid. */
async function holderOf(market: Market, tokens: Address, mint: Address): Promise<Address | null> {
  const account = await accountAt(market, tokens, HEAD);
  if (account?.owner !== TOKEN_PROGRAM || account.data.length < HOLDER_AT + 32) return null;
  const holder = getAddressDecoder().decode(account.data, HOLDER_AT);
  return (await tokenAccount(holder, mint)) === tokens ? holder : null;
}

/** Code that replaces a program's. */
async function sayUpgrade(market: Market, instruction: Whole, state: State): Promise<Words | null> {
  const call = decode(instruction);
  if (call?.program !== "governance" || call.method !== governance.GovernanceInstruction.UpgradeProgram) return null;
  const { accounts, data } = governance.parseUpgradeProgramInstruction(instruction as never);
  const { program, buffer } = accounts as Record<"program" | "buffer", { address: Address }>;
  const hash = hex(data.sha256);
  return {
    ...READ,
    what: `Replace the code of ${programName(program.address)}`,
    changes: [
      { key: "hash", name: "SHA-256 of the new code", after: hash },
      { key: "buffer", name: "In buffer", after: buffer.address },
    ],
    replacesCode: true,
    standing: (await readable(standingOf(market, buffer.address, hash, state.authority))) ?? unread("Its buffer"),
  };
}

/** Whether a buffer holds the code that is voted on, and whose it is. */
async function standingOf(market: Market, at: Address, hash: string, authority: Address): Promise<Standing> {
  const head = bufferIn(await accountAt(market, at, HEAD));
  const held = head && bufferIn(await accountAt(market, at));
  if (!held) return { says: "Its buffer is gone.", isStuck: true, isUnread: false };
  const found = hex(await sha256(held.code));
  const [isSame, isOurs] = [found === hash, held.authority === authority];
  const code = isSame ? "this code" : `other code, with SHA-256 ${found},`;
  const whose = isOurs ? "governance's" : `${held.authority}'s, who may change it`;
  return { says: `Its buffer holds ${code} and is ${whose}.`, isStuck: !isSame || !isOurs, isUnread: false };
}

/** What is in a buffer of the loader's that somebody may change; `null` for any other account. */
function bufferIn(account: Account | null): { authority: Address; code: Uint8Array<ArrayBuffer> } | null {
  if (account?.owner !== LOADER) return null;
  const { data } = account;
  if (hex(data.slice(0, AUTHORITY_AT)) !== OWNED_BUFFER || data.length < CODE_AT) return null;
  return { authority: getAddressDecoder().decode(data, AUTHORITY_AT), code: data.slice(CODE_AT) };
}
