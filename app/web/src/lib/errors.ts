import { isSolanaError, SOLANA_ERROR__RPC__TRANSPORT_HTTP_ERROR } from "@solana/kit";
import { ERRORS } from "../generated/errors";
import { SYSTEM_PROGRAM, TOKEN_PROGRAM } from "./programs";

const POOR = "the wallet does not have enough SOL; top it up";

/** Common errors of Solana's own programs. */
const BUILTIN: Record<string, Record<number, string>> = {
  [SYSTEM_PROGRAM]: {
    0: "the account already exists; this may have been done before",
    1: POOR,
  },
  [TOKEN_PROGRAM]: {
    1: "the wallet does not have enough tokens",
    4: "the token account belongs to another wallet",
    17: "the token account is frozen by the mint's authority",
  },
};

/** For errors of Anchor itself, whose codes are below those of the programs. */
const MISMATCH = "an account is not the one that the program expects; reload the page and try again";

/** Shown when the transaction was not signed. */
export const UNSIGNED = "you did not sign, so nothing was sent";

/** Transaction errors that come from the runtime, by the names that nodes use. */
const GENERAL: Record<string, string> = {
  AccountNotFound: POOR,
  InsufficientFundsForFee: POOR,
  InsufficientFundsForRent: "the wallet does not have enough SOL for the rent; top it up",
  BlockhashNotFound: "the transaction expired; send it again",
  AlreadyProcessed: "this transaction has already landed and was not executed twice",
};

/** Describes a program's error. */
export function programError(program: string, code: number): string {
  const known = ERRORS[program]?.[code];
  if (known) return `${known[1]} (${known[0]}, ${code})`;
  const mismatch = program in ERRORS && code >= 2000 && code < 3000 ? MISMATCH : undefined;
  return BUILTIN[program]?.[code] ?? mismatch ?? `program ${program} failed with error ${code}`;
}

/** Why a transaction failed, by its logs: the error of the innermost program that failed. */
export function explainLogs(logs: readonly string[] | null | undefined): string | undefined {
  for (const line of logs ?? []) {
    const custom = /^Program (\w+) failed: custom program error: 0x([0-9a-f]+)$/.exec(line);
    if (custom) return programError(custom[1] ?? "", Number.parseInt(custom[2] ?? "", 16));
    const other = /^Program (\w+) failed: (.+)$/.exec(line);
    if (other) return `${other[2]} (program ${other[1]})`;
  }
  return undefined;
}

/** Describes a transaction error that has no logs: nodes report a name, or an object with the name as its key. */
export function explainRefusal(error: unknown): string {
  const name = typeof error === "string" ? error : Object.keys(error ?? {})[0];
  const text = () => JSON.stringify(error, (_, value: unknown) => (typeof value === "bigint" ? value.toString() : value));
  return GENERAL[name ?? ""] ?? `the chain rejected the transaction: ${text()}`;
}

/** Any error as a sentence for people. */
export function explain(error: unknown): string {
  if (isSolanaError(error, SOLANA_ERROR__RPC__TRANSPORT_HTTP_ERROR)) return "the Solana node refused the request; try again in a moment";
  if (error instanceof TypeError && /fetch|load failed/i.test(error.message)) return "the Solana node cannot be reached; try again in a moment";
  if (error instanceof DOMException && error.name === "TimeoutError") return "the Solana node does not respond; try again in a moment";
  if (error instanceof Error) {
    const { code } = error as { code?: unknown };
    const refused = /\b(user|request|signature|transaction)\b.*\b(rejected|denied|cancell?ed|declined)\b/i;
    if (code === 4001 || refused.test(error.message)) return UNSIGNED;
    return error.message;
  }
  return String(error);
}
