// What a job's device committed to, and whose word that is.

import type { Job } from "../../generated/jobs";
import { ApiError, type JobRow } from "../../lib/api";
import { hex } from "../../lib/format";
import { Status } from "./accounts";

/** A result as it was committed to: hashes are hexadecimal. */
export interface Committed {
  inputs: string;
  units: number;
  traces: string;
  outputs: string;
  /** Proved wrong. */
  isWrong: boolean;
  /** May still be challenged. */
  isOpen: boolean;
  /** Whether the chain says all this. It does while the job's account is there; afterwards the indexer alone remembers. */
  isOnChain: boolean;
}

type Account = Pick<Job, "status" | "inputs" | "units" | "traces" | "outputs">;

/** What a job's device committed to: by the job's account while it is there, by the indexer's row afterwards; `null` before it has shown its roots. */
export function committed(account: Account | null, row: JobRow): Committed | null {
  if (account) {
    const { status, units } = account;
    if (status < Status.Revealed) return null;
    const [inputs, traces, outputs] = [hex(account.inputs), hex(account.traces), hex(account.outputs)];
    return { inputs, units, traces, outputs, isWrong: status === Status.Convicted, isOpen: status === Status.Revealed, isOnChain: true };
  }
  const { inputs, units, outputs, status, events } = row;
  const traces = events?.findLast(({ name }) => name === "JobRevealed")?.data["traces"];
  if (!outputs || typeof traces !== "string") return null;
  return { inputs, units, traces, outputs, isWrong: status === "convicted", isOpen: false, isOnChain: false };
}

/** Who knows a job that the indexer answers about with an error: the chain alone, nobody, or nobody can say yet (`null`). */
export function missing(error: unknown, account: Account | null | undefined): "unrecorded" | "unknown" | null {
  if (!(error instanceof ApiError) || error.status !== 404 || account === undefined) return null;
  return account ? "unrecorded" : "unknown";
}
