// A step of a proposal in the form, and the instruction that it becomes.

import { AccountRole, isAddress, type Address, type Instruction } from "@solana/kit";
import { explain } from "../../lib/errors";
import { IO, parseAmount } from "../../lib/format";
import { TOKEN_PROGRAM } from "../../lib/programs";
import { tokenAccount } from "../../lib/send";
import { encode, MAX_BYTES } from "./payload";
import { flatten, instruct, isRow, problem, SETTINGS, type Setting, type State, type Values } from "./settings";
import { parse, show, written } from "./units";

/** Longest term of a guardian in seconds: a year. */
const MAX_TERM = 366 * 86_400;
/** Decimal places of $IO. */
const DECIMALS = 8;
/** Kind of a proposal that pays out of the treasury. */
const TREASURY = 2;

/** A step in the form. */
export interface Chosen {
  /** Identifies it among the steps. */
  key: number;
  /** A setting's id, or “pay”. */
  what: string;
  /** Address of the GPU model, for a setting that has one. */
  gpu: string;
  /** Texts of the fields, by the names of the values. */
  texts: Record<string, string>;
}

/** A step after validation. */
export interface Checked {
  /** Errors by the names of the values. */
  errors: Record<string, string>;
  /** What is missing or wrong in the step. */
  sentence: string | null;
  /** The values that change. */
  changes: Values;
  kind: number;
  instruction: Instruction | null;
}

/** The setting of a step; `undefined` for a payment. */
export const settingIn = ({ what }: Chosen): Setting | undefined => SETTINGS.find(({ id }) => id === what);

/** Initial texts of a step's fields. */
export function initial(step: Chosen, state: State, now: number): Record<string, string> {
  const setting = settingIn(step);
  const current = setting?.current(state, state.gpus.find(({ address }) => address === step.gpu));
  return current ? Object.fromEntries(Object.entries(flatten(current)).map(([key, value]) => [key, written(key, value, now)])) : {};
}

/** Validates a step by the rules of the programs. */
export function check(step: Chosen, state: State, now: number): Checked {
  const setting = settingIn(step);
  if (!setting) return { ...checkPayment(step), instruction: null };
  const gpu = state.gpus.find(({ address }) => address === step.gpu);
  const result: Checked = { errors: {}, sentence: null, changes: {}, kind: setting.kind, instruction: null };
  const current = setting.current(state, gpu);
  if (!current) return { ...result, sentence: isRow(setting) ? "choose a GPU model" : "rewards have not started on this cluster" };
  const before = initial(step, state, now);
  for (const [key, value] of Object.entries(flatten(current))) {
    const text = step.texts[key] ?? before[key] ?? "";
    if (text === before[key]) continue;
    try {
      const parsed = parse(key, text, value, now);
      const field = setting.fields.find((field) => field.key === key);
      const wrong = field && problem(field, parsed, (bound) => show(key, bound));
      if (wrong) throw new Error(wrong);
      if (key === "until" && Number(parsed) > now + MAX_TERM) throw new Error("at most 366 days (fixed limit)");
      result.changes[key] = parsed;
    } catch (error) {
      result.errors[key] = explain(error);
    }
  }
  if (Object.keys(result.errors).length > 0) return { ...result, sentence: "correct the marked values" };
  if (Object.keys(result.changes).length === 0) return { ...result, sentence: "change at least one value" };
  const conflict = setting.conflict?.({ ...flatten(current), ...result.changes });
  if (conflict) return { ...result, sentence: conflict };
  const instruction = instruct(setting, state, result.changes, gpu);
  if (encode(instruction).length > MAX_BYTES) return { ...result, sentence: "this step is too large for one proposal; split it" };
  return { ...result, instruction };
}

function checkPayment({ texts }: Chosen): Omit<Checked, "instruction"> {
  const errors: Record<string, string> = {};
  const { to = "", amount = "" } = texts;
  if (to !== "" && !isAddress(to.trim())) errors["to"] = `“${to}” is not a valid address`;
  try {
    if (amount !== "" && parseAmount(amount, IO) === 0n) errors["amount"] = "enter an amount above zero";
  } catch (error) {
    errors["amount"] = explain(error);
  }
  const wrong = Object.keys(errors).length > 0;
  return { errors, changes: {}, kind: TREASURY, sentence: wrong ? "correct the marked values" : to && amount ? null : "enter the recipient and the amount" };
}

/** The instruction that pays out of the treasury, for a valid step. */
export async function payment({ texts }: Chosen, state: State): Promise<{ instruction: Instruction; to: Address }> {
  const { mint } = state.governance;
  const to = await tokenAccount((texts["to"] ?? "").trim() as Address, mint);
  const data = new DataView(new ArrayBuffer(10));
  data.setUint8(0, 12);
  data.setBigUint64(1, parseAmount(texts["amount"] ?? "", IO), true);
  data.setUint8(9, DECIMALS);
  const accounts = [
    { address: await tokenAccount(state.authority, mint), role: AccountRole.WRITABLE },
    { address: mint, role: AccountRole.READONLY },
    { address: to, role: AccountRole.WRITABLE },
    { address: state.authority, role: AccountRole.READONLY_SIGNER },
  ];
  return { to, instruction: { programAddress: TOKEN_PROGRAM, accounts, data: new Uint8Array(data.buffer) } };
}

/** Why a title is invalid, as a sentence; `null` if it is valid. */
export function titleProblem(title: string): string | null {
  return /^[ -~]{1,64}$/.test(title) ? null : "enter a title of 1 to 64 ASCII characters";
}
