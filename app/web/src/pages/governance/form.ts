// A step of a proposal as it is chosen in the form, and the instruction that it becomes.

import { AccountRole, isAddress, type Address, type Instruction } from "@solana/kit";
import { explain } from "../../lib/errors";
import { IO, parseAmount } from "../../lib/format";
import { tokenAccount } from "../../lib/send";
import { encode, MAX_BYTES } from "./payload";
import { flatten, instruct, isRow, problem, SETTINGS, type Setting, type State, type Values } from "./settings";
import { parse, show, written } from "./units";

/** Longest term of a guardian, seconds: a year. */
const MAX_TERM = 366 * 86_400;
const TOKEN_PROGRAM = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA" as Address;
/** Places behind the point of $IO. */
const DECIMALS = 8;
/** What pays out of the treasury counts as. */
const TREASURY = 2;

/** A step as it was chosen. */
export interface Chosen {
  /** Tells it from others. */
  key: number;
  /** A setting's id, or “pay”. */
  what: string;
  /** Address of the row, for a setting of rows. */
  gpu: string;
  /** What was typed, by the names of the values. */
  texts: Record<string, string>;
}

/** What became of a step. */
export interface Checked {
  /** What is wrong with each value. */
  errors: Record<string, string>;
  /** What is wrong with all of it. */
  sentence: string | null;
  /** Values that change. */
  changes: Values;
  kind: number;
  instruction: Instruction | null;
}

/** The setting of a step; none for a payment. */
export const settingIn = ({ what }: Chosen): Setting | undefined => SETTINGS.find(({ id }) => id === what);

/** What the fields of a step hold before anybody types. */
export function initial(step: Chosen, state: State, now: number): Record<string, string> {
  const setting = settingIn(step);
  const current = setting?.current(state, state.gpus.find(({ address }) => address === step.gpu));
  return current ? Object.fromEntries(Object.entries(flatten(current)).map(([key, value]) => [key, written(key, value, now)])) : {};
}

/** Reads a step; what the program would refuse is refused here. */
export function check(step: Chosen, state: State, now: number): Checked {
  const setting = settingIn(step);
  if (!setting) return { ...checkPayment(step), instruction: null };
  const gpu = state.gpus.find(({ address }) => address === step.gpu);
  const result: Checked = { errors: {}, sentence: null, changes: {}, kind: setting.kind, instruction: null };
  const current = setting.current(state, gpu);
  if (!current) return { ...result, sentence: isRow(setting) ? "choose a GPU model" : "rewards have not been started here" };
  const before = initial(step, state, now);
  for (const [key, value] of Object.entries(flatten(current))) {
    const text = step.texts[key] ?? before[key] ?? "";
    if (text === before[key]) continue;
    try {
      const parsed = parse(key, text, value, now);
      const field = setting.fields.find((field) => field.key === key);
      const wrong = field && problem(field, parsed, (bound) => show(key, bound));
      if (wrong) throw new Error(wrong);
      if (key === "until" && Number(parsed) > now + MAX_TERM) throw new Error("at most 366 days, whoever governs");
      result.changes[key] = parsed;
    } catch (error) {
      result.errors[key] = explain(error);
    }
  }
  if (Object.keys(result.errors).length > 0) return { ...result, sentence: "correct the values that are marked" };
  if (Object.keys(result.changes).length === 0) return { ...result, sentence: "nothing changes yet; change a value" };
  const conflict = setting.conflict?.({ ...flatten(current), ...result.changes });
  if (conflict) return { ...result, sentence: conflict };
  const instruction = instruct(setting, state, result.changes, gpu);
  if (encode(instruction).length > MAX_BYTES) return { ...result, sentence: "it is too long for a proposal; split it" };
  return { ...result, instruction };
}

function checkPayment({ texts }: Chosen): Omit<Checked, "instruction"> {
  const errors: Record<string, string> = {};
  const { to = "", amount = "" } = texts;
  if (to !== "" && !isAddress(to.trim())) errors["to"] = `“${to}” is not an address`;
  try {
    if (amount !== "" && parseAmount(amount, IO) === 0n) errors["amount"] = "write more than nothing";
  } catch (error) {
    errors["amount"] = explain(error);
  }
  const wrong = Object.keys(errors).length > 0;
  return { errors, changes: {}, kind: TREASURY, sentence: wrong ? "correct the values that are marked" : to && amount ? null : "say who gets how much" };
}

/** Pays out of the treasury; the step has been checked. */
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

/** What is wrong with a title, as a sentence; `null` when nothing is. */
export function titleProblem(title: string): string | null {
  return /^[ -~]{1,64}$/.test(title) ? null : "a title has 1 to 64 letters, digits and signs of ASCII";
}
