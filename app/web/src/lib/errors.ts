import { isSolanaError, SOLANA_ERROR__RPC__TRANSPORT_HTTP_ERROR } from "@solana/kit";
import { ERRORS } from "../generated/errors";

const SYSTEM_PROGRAM = "11111111111111111111111111111111";
const TOKEN_PROGRAM = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA";
const POOR = "the wallet has too little SOL; send it some";

/** Errors that people meet from the programs underneath. */
const BUILTIN: Record<string, Record<number, string>> = {
  [SYSTEM_PROGRAM]: {
    0: "the account to be created exists already; this may have been done before",
    1: POOR,
  },
  [TOKEN_PROGRAM]: {
    1: "the wallet has not enough tokens for this",
    4: "the token account belongs to somebody else",
    17: "the token account is frozen by the mint's authority",
  },
};

/** What the framework says that the market's programs are written with: its codes are below theirs. */
const MISMATCH = "an account is not the one that the program expects; reload the page and try again";

/** What is said when nobody signed. */
export const UNSIGNED = "you did not sign, so nothing happened";

/** Failures that no program reports itself, by the names that nodes have for them. */
const GENERAL: Record<string, string> = {
  AccountNotFound: POOR,
  InsufficientFundsForFee: POOR,
  InsufficientFundsForRent: "an account would be left with too little SOL to exist; send the wallet some SOL",
  BlockhashNotFound: "the transaction expired; send it again",
  AlreadyProcessed: "this very transaction has already landed; nothing was done twice",
};

/** Name and sentence of a program's error. */
export function programError(program: string, code: number): string {
  const known = ERRORS[program]?.[code];
  if (known) return `${known[1]} (${known[0]}, ${code})`;
  const mismatch = program in ERRORS && code >= 2000 && code < 3000 ? MISMATCH : undefined;
  return BUILTIN[program]?.[code] ?? mismatch ?? `program ${program} refuses this with error ${code}`;
}

/** What a failed transaction's logs say about why: the innermost program that failed knows best. */
export function explainLogs(logs: readonly string[] | null | undefined): string | undefined {
  for (const line of logs ?? []) {
    const custom = /^Program (\w+) failed: custom program error: 0x([0-9a-f]+)$/.exec(line);
    if (custom) return programError(custom[1] ?? "", Number.parseInt(custom[2] ?? "", 16));
    const other = /^Program (\w+) failed: (.+)$/.exec(line);
    if (other) return `${other[2]} (program ${other[1]})`;
  }
  return undefined;
}

/** A transaction's error as nodes tell it, where no log says more: a name, or an object that has its name as key. */
export function explainRefusal(error: unknown): string {
  const name = typeof error === "string" ? error : Object.keys(error ?? {})[0];
  const text = () => JSON.stringify(error, (_, value: unknown) => (typeof value === "bigint" ? value.toString() : value));
  return GENERAL[name ?? ""] ?? `the chain refuses this: ${text()}`;
}

/** Any error as a sentence for people. */
export function explain(error: unknown): string {
  if (isSolanaError(error, SOLANA_ERROR__RPC__TRANSPORT_HTTP_ERROR)) return "the chain's node refuses to answer; try again in a moment";
  if (error instanceof TypeError && /fetch/i.test(error.message)) return "the chain's node cannot be reached; try again in a moment";
  if (error instanceof DOMException && error.name === "TimeoutError") return "the chain's node does not answer; try again in a moment";
  if (error instanceof Error) {
    const { code } = error as { code?: unknown };
    const refused = /\b(user|request|signature|transaction)\b.*\b(rejected|denied|cancell?ed|declined)\b/i;
    if (code === 4001 || refused.test(error.message)) return UNSIGNED;
    return error.message;
  }
  return String(error);
}
