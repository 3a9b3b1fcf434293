// How values of settings are formatted and parsed, by the programs' names for them.

import { isAddress, type ReadonlyUint8Array } from "@solana/kit";
import { asTyped, decimal, hex, IO, moment, parseAmount, SOL } from "../../lib/format";

/** A value of an instruction. */
export type Value = bigint | number | boolean | string | ReadonlyUint8Array;

/** The unit or type of a value. */
export type Sense = "share" | "seconds" | "moment" | "io" | "lamports" | "hundredths" | "yes" | "address" | "text" | "plain";

const SECONDS = ["cooldown", "raiseGrace", "probation", "appeal", "wait", "minUptime", "voting", "timelock", "expiry"];
const ADDRESSES = ["authority", "authorityArg", "guardian", "treasury", "proposer", "approver", "verifier"];
const HUNDREDTHS = 100n;

/** The unit of a value, from its name or the programs' documentation. The last part of a key that is not a list index is the name. */
export function senseOf(name: string): Sense {
  const list = name.split(".").findLast((part) => Number.isNaN(Number(part))) ?? name;
  if (list.endsWith("Bps")) return "share";
  if (list.endsWith("Seconds") || SECONDS.includes(list)) return "seconds";
  if (list === "until") return "moment";
  if (["baseStake", "minBond", "deposit", "amount", "jackpot"].includes(list)) return "io";
  if (["bounty", "demandFee"].includes(list)) return "lamports";
  if (list === "multiplierX100") return "hundredths";
  if (["paused", "listed"].includes(list)) return "yes";
  if (ADDRESSES.includes(list)) return "address";
  return list === "name" ? "text" : "plain";
}

/** The unit shown next to a field. */
export const UNITS: Partial<Record<Sense, string>> = { share: "%", io: "$IO", lamports: "SOL", hundredths: "×", moment: "days from now" };

/** The ASCII text in bytes that are padded with zeros; `null` if they are not that. */
export function textIn(bytes: ReadonlyUint8Array): string | null {
  const end = bytes.indexOf(0);
  const text = bytes.slice(0, end < 0 ? bytes.length : end);
  const padded = end < 0 || bytes.slice(end).every((byte) => byte === 0);
  return padded && text.length > 0 && text.every((byte) => byte >= 32 && byte < 127) ? new TextDecoder().decode(Uint8Array.from(text)) : null;
}

/** Formats a value. */
export function show(name: string, value: Value): string {
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value === "string") return value;
  if (typeof value === "object") return textIn(value) ?? hex(value);
  const number = BigInt(value);
  switch (senseOf(name)) {
    case "share":
      return `${decimal(number, HUNDREDTHS)} %`;
    case "seconds":
      return exact(Number(number));
    case "moment":
      return moment(number);
    case "io":
      return `${decimal(number, IO)} $IO`;
    case "lamports":
      return `${decimal(number, SOL)} SOL`;
    case "hundredths":
      return `${decimal(number, HUNDREDTHS)} ×`;
    default:
      return decimal(number, 1n);
  }
}

const SIZES: Record<string, number> = { s: 1, min: 60, h: 3_600, d: 86_400 };

/** Parses a duration like “14 d” or “1 h 30 min” into seconds; a plain number is seconds. */
export function parseSpan(text: string): number {
  const parts = [...text.trim().matchAll(/(\d+)\s*(s|min|h|d)?\s*/g)];
  const whole = parts.map(([part]) => part).join("");
  if (parts.length === 0 || whole !== text.trim()) throw new Error(`“${text}” is not a duration; write it like 14 d, 12 h or 90 s`);
  return parts.reduce((sum, [, number = "0", unit = "s"]) => sum + Number(number) * (SIZES[unit] ?? 1), 0);
}

/** The text of a field for a value; the inverse of [`parse`]. */
export function written(name: string, value: Value, now: number): string {
  const sense = senseOf(name);
  if (typeof value === "object") return textIn(value) ?? "";
  if (typeof value === "string" || typeof value === "boolean") return String(value);
  const number = BigInt(value);
  if (sense === "share" || sense === "hundredths") return asTyped(number, HUNDREDTHS);
  if (sense === "seconds") return exact(Number(number));
  if (sense === "io") return asTyped(number, IO);
  if (sense === "lamports") return asTyped(number, SOL);
  if (sense === "moment") return String(Math.max(0, Math.round((Number(number) - now) / 86_400)));
  return String(number);
}

/** Formats seconds exactly. */
function exact(seconds: number): string {
  if (seconds === 0) return "0 s";
  const parts: string[] = [];
  let rest = seconds;
  for (const unit of ["d", "h", "min", "s"]) {
    const size = SIZES[unit] ?? 1;
    if (rest >= size) parts.push(`${Math.floor(rest / size)} ${unit}`);
    rest %= size;
  }
  return parts.join(" ");
}

/** Parses a field's text into a value of the same type as `before`; an error says what is wrong. */
export function parse(name: string, text: string, before: Value, now: number): Value {
  const sense = senseOf(name);
  if (typeof before === "boolean") return text === "true";
  if (typeof before === "string") {
    if (!isAddress(text.trim())) throw new Error(`“${text}” is not a valid address`);
    return text.trim();
  }
  if (typeof before === "object") {
    const bytes = new TextEncoder().encode(text.trim());
    if (bytes.length === 0 || bytes.length > before.length || !bytes.every((byte) => byte >= 32 && byte < 127)) {
      throw new Error(`enter 1 to ${before.length} ASCII characters`);
    }
    const padded = new Uint8Array(before.length);
    padded.set(bytes);
    return padded;
  }
  const number = integer(sense, text, now);
  return typeof before === "bigint" ? number : Number(number);
}

function integer(sense: Sense, text: string, now: number): bigint {
  if (sense === "share" || sense === "hundredths") return parseAmount(text, HUNDREDTHS);
  if (sense === "seconds") return BigInt(parseSpan(text));
  if (sense === "moment") return BigInt(now) + parseAmount(text, 1n) * 86_400n;
  if (sense === "io") return parseAmount(text, IO);
  if (sense === "lamports") return parseAmount(text, SOL);
  return parseAmount(text, 1n);
}
