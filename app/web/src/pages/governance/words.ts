// Describes the instructions of a proposal in words: what they change, with old and new values.

import { address, getAddressDecoder, unwrapOptionRecursively, type Address, type Instruction } from "@solana/kit";
import * as costaking from "../../generated/costaking";
import * as governance from "../../generated/governance";
import * as jobs from "../../generated/jobs";
import * as referee from "../../generated/referee";
import * as staking from "../../generated/staking";
import { sha256, unbase64 } from "../../lib/bytes";
import { hex, io, words } from "../../lib/format";
import type { Market } from "../../lib/market";
import { TOKEN_PROGRAM } from "../../lib/programs";
import { tokenAccount } from "../../lib/send";
import { rowAt } from "./accounts";
import type { Whole } from "./payload";
import { fieldName, flatten, instruct, isRow, settingName, settingOf, type State, type Values } from "./settings";
import { show } from "./units";

/** A changed value, or an argument. */
export interface Change {
  key: string;
  name: string;
  before?: string;
  after: string;
}

/** Whether an instruction can be executed now. */
interface Standing {
  sentence: string;
  /** Whether it cannot be executed as things are. */
  isStuck: boolean;
  /** Whether the node's answer is missing. */
  isUnread: boolean;
}

/** An instruction in words. */
export interface Words {
  what: string;
  changes: Change[];
  /** Whether code is replaced. */
  replacesCode: boolean;
  /** Whether it can be executed now, for instructions that depend on more than the programs' settings. */
  standing: Standing | null;
  /** Whether it is a setting that leaves out all values, and changes nothing. */
  isEmpty: boolean;
  /** Whether this page cannot tell what it does. */
  isUnknown: boolean;
}

/** The loader of upgradeable programs. */
const LOADER = address("BPFLoaderUpgradeab1e11111111111111111111111");
/** Layout of a buffer account with an authority: its first bytes, and the offsets of the authority and the code. */
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

/** Name of one of the market's programs, or the address of another. */
export const programName = (program: Address): string => PROGRAMS.find(({ address: at }) => at === program)?.name ?? program;

/** A call of one of the market's programs. */
interface Call {
  program: string;
  method: number;
  name: string;
  /** Names of its accounts, in order. */
  accounts: string[];
  values: Values;
}

/** Decodes a call of one of the market's programs; `null` if it is not one. */
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

/** Defaults of most descriptions. */
const READ = { replacesCode: false, standing: null, isEmpty: false, isUnknown: false };

/** Describes a change of a setting, compared with the current values; `null` for other instructions. */
export function describeSetting(instruction: Whole, state: State): Words | null {
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

/** Names of accounts that tokens move between. */
const MOVED = ["from", "to"];

/** Describes any other call of the market's programs with all arguments and accounts: the accounts decide who is paid. */
async function describeCall(instruction: Whole, state: State): Promise<Words | null> {
  const call = decode(instruction);
  if (!call) return null;
  const treasury = await tokenAccount(state.authority, state.governance.mint);
  const moves = instruction.accounts.filter((_, place) => MOVED.includes(call.accounts[place] ?? ""));
  // An escrow can be of any token, and calls do not name its mint; one that involves the treasury's $IO account is in $IO.
  const isIo = call.program !== "jobs" || moves.some(({ address: at }) => at === treasury);
  const values = Object.entries(call.values).map(([key, value]) =>
    key === "amount" && !isIo
      ? { key, name: "Amount in base units of the escrow's token", after: show("", value) }
      : { key, name: fieldName(key), after: show(key, value) },
  );
  return { ...READ, what: callName(call), changes: [...values, ...describeAccounts(instruction, call.accounts)] };
}

/** Every account of an instruction; an account without a name gets its number. */
const describeAccounts = ({ accounts }: Whole, names: string[] = []): Change[] =>
  accounts.map(({ address: after, role }, place) => {
    const name = names[place];
    return { key: `account ${place}`, name: `${name ? fieldName(name) : `Account ${place + 1}`}, ${ROLES[role]}`, after };
  });

/** Describes a call of the market's programs; `null` if that fails, so that a malformed step cannot hide others. */
async function describeOurs(instruction: Whole, state: State): Promise<Words | null> {
  try {
    return describeSetting(instruction, state) ?? (await describeCall(instruction, state));
  } catch {
    return null;
  }
}

/** Describes an instruction. Data that the node does not return is marked as unread, so that it hides neither the rest nor other steps. */
export async function describe(market: Market, instruction: Whole, state: State): Promise<Words> {
  const known =
    (await describeUpgrade(market, instruction, state)) ?? (await describeOurs(instruction, state)) ?? (await describePayment(market, instruction, state));
  if (known) return known;
  return {
    ...READ,
    what: `Call program ${programName(instruction.programAddress)} (this page cannot decode it)`,
    changes: [...describeAccounts(instruction), { key: "data", name: "Data", after: hex(instruction.data) || "none" }],
    isUnknown: true,
  };
}

const ROLES = ["read", "written", "signs", "signs and is written"];

const TRANSFER = 3;
const TRANSFER_CHECKED = 12;

/** Describes a payment of $IO from the treasury. */
async function describePayment(market: Market, { programAddress, accounts, data }: Whole, state: State): Promise<Words | null> {
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
    changes: [{ key: "to", name: "To", after: holder ?? `token account ${to}, whose owner may change before the payment` }],
    standing: holder === undefined ? unread("The owner of the recipient's account") : null,
  };
}

/** The answer of a query, or `undefined` if it fails. */
const readable = <T>(asked: Promise<T>): Promise<T | undefined> => asked.catch(() => undefined);

const unread = (what: string): Standing => ({ sentence: `${what} could not be read.`, isStuck: false, isUnread: true });

interface Account {
  owner: Address;
  data: Uint8Array<ArrayBuffer>;
}

/** The first bytes of an account, which tell its kind and owner. A proposer may name an account of any size. */
const HEAD = { dataSlice: { offset: 0, length: 64 } };

/** Fetches an account, or part of it. */
async function accountAt({ rpc }: Market, at: Address, part: Partial<typeof HEAD> = {}): Promise<Account | null> {
  const { value } = await rpc.getAccountInfo(at, { encoding: "base64", ...part }).send();
  return value && { owner: value.owner, data: unbase64(value.data[0]) };
}

/** Whether there is a token account at an address, and not just lamports, which anyone can send to any address. */
export async function takesTokens(market: Market, at: Address): Promise<boolean> {
  return (await accountAt(market, at, HEAD))?.owner === TOKEN_PROGRAM;
}

/** Offset of a token account's owner. */
const HOLDER_AT = 32;

/** The owner of an associated token account for $IO; `null` for any other account, whose owner may change before the payment. */
async function holderOf(market: Market, tokens: Address, mint: Address): Promise<Address | null> {
  const account = await accountAt(market, tokens, HEAD);
  if (account?.owner !== TOKEN_PROGRAM || account.data.length < HOLDER_AT + 32) return null;
  const holder = getAddressDecoder().decode(account.data, HOLDER_AT);
  return (await tokenAccount(holder, mint)) === tokens ? holder : null;
}

/** Describes an upgrade of a program. */
async function describeUpgrade(market: Market, instruction: Whole, state: State): Promise<Words | null> {
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
    standing: (await readable(standingOf(market, buffer.address, hash, state.authority))) ?? unread("The buffer"),
  };
}

/** Whether a buffer holds the code that is voted on, and who can change it. */
async function standingOf(market: Market, at: Address, hash: string, authority: Address): Promise<Standing> {
  const head = bufferIn(await accountAt(market, at, HEAD));
  const held = head && bufferIn(await accountAt(market, at));
  if (!held) return { sentence: "The buffer no longer exists.", isStuck: true, isUnread: false };
  const found = hex(await sha256(held.code));
  const [isSame, isOurs] = [found === hash, held.authority === authority];
  const code = isSame ? "this code" : `different code, with SHA-256 ${found},`;
  const whose = isOurs ? "belongs to governance" : `belongs to ${held.authority}, who can change it`;
  return { sentence: `The buffer holds ${code} and ${whose}.`, isStuck: !isSame || !isOurs, isUnread: false };
}

/** Authority and code of a buffer account with an authority; `null` for any other account. */
function bufferIn(account: Account | null): { authority: Address; code: Uint8Array<ArrayBuffer> } | null {
  if (account?.owner !== LOADER) return null;
  const { data } = account;
  if (hex(data.slice(0, AUTHORITY_AT)) !== OWNED_BUFFER || data.length < CODE_AT) return null;
  return { authority: getAddressDecoder().decode(data, AUTHORITY_AT), code: data.slice(CODE_AT) };
}
