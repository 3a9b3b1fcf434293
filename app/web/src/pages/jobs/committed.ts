// What a job's device committed to, and whether the chain or the indexer says so.

import type { Job } from "../../generated/jobs";
import { ApiError, type JobRow } from "../../lib/api";
import { hex } from "../../lib/format";
import { Status } from "./accounts";

/** The commitment to a result; hashes are hexadecimal. */
export interface Committed {
  inputs: string;
  units: number;
  traces: string;
  outputs: string;
  /** Whether it was proven wrong. */
  isWrong: boolean;
  /** Whether it may still be challenged. */
  isOpen: boolean;
  /** Whether all this is from the job's account. Once that is closed, only the indexer has it. */
  isOnChain: boolean;
}

type Account = Pick<Job, "status" | "inputs" | "units" | "traces" | "outputs">;

/** What a job's device committed to: from the job's account while it exists, then from the indexer's row; `null` before the reveal. */
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

/** Why the indexer has no row for a job: it has not recorded it yet, or the job is unknown; `null` if that is not known yet. */
export function missing(error: unknown, account: Account | null | undefined): "unrecorded" | "unknown" | null {
  if (!(error instanceof ApiError) || error.status !== 404 || account === undefined) return null;
  return account ? "unrecorded" : "unknown";
}
