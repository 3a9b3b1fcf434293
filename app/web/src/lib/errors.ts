import { isSolanaError, SOLANA_ERROR__RPC__TRANSPORT_HTTP_ERROR } from "@solana/kit";
import { ERRORS } from "../generated/errors";

/** The token program's errors that people meet. */
const TOKEN: Record<number, string> = {
  1: "the wallet has not enough tokens for this",
  4: "the token account belongs to somebody else",
};
const TOKEN_PROGRAM = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA";

/** Name and sentence of a program's error. */
export function programError(program: string, code: number): string {
  const known = ERRORS[program]?.[code];
  if (known) return `${known[1]} (${known[0]}, ${code})`;
  const token = program === TOKEN_PROGRAM ? TOKEN[code] : undefined;
  return token ?? `program ${program} refuses this with error ${code}`;
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

/** A transaction's error as nodes tell it, where no log says more. */
export const asText = (error: unknown): string => JSON.stringify(error, (_, value: unknown) => (typeof value === "bigint" ? value.toString() : value));

/** Any error as a sentence for people. */
export function explain(error: unknown): string {
  if (isSolanaError(error, SOLANA_ERROR__RPC__TRANSPORT_HTTP_ERROR)) return "the chain's node refuses to answer; try again in a moment";
  if (error instanceof TypeError && /fetch/i.test(error.message)) return "the chain's node cannot be reached; try again in a moment";
  if (error instanceof Error) {
    const { code } = error as { code?: unknown };
    if (code === 4001 || /\b(user|request|signature|transaction)\b.*\b(rejected|denied|cancell?ed|declined)\b/i.test(error.message)) return "you did not sign, so nothing happened";
    return error.message;
  }
  return String(error);
}
