// A job's progress: what it is waiting for, by the deadlines in its account, and what anyone can do once they have passed.

import type { Job } from "../../generated/jobs";
import type { JobRow } from "../../lib/api";
import { span } from "../../lib/format";
import { Audit, Status } from "./accounts";

/** How anyone may end an overdue job. */
export type Ending = "expire" | "timeout";

/** A job's progress. */
export interface Progress {
  /** As a sentence. */
  sentence: string;
  /** How it can be ended, now that its deadline has passed. */
  ending: Ending | null;
}

/** Deadline of a replica that is waiting for the others. */
const NEVER = (1n << 63n) - 1n;
/** The indexer's names for account states. */
const NAMES: Record<Status, JobRow["status"]> = {
  [Status.Open]: "open",
  [Status.Assigned]: "claimed",
  [Status.Committed]: "committed",
  [Status.Revealed]: "revealed",
  [Status.Convicted]: "convicted",
};

type Account = Pick<Job, "status" | "deadlineAt" | "audit">;
type Row = Pick<JobRow, "status" | "window_ends" | "latency">;

/**
 * A job's progress at `now`, by the chain's clock. Without an account, which is closed when the job ends, no job counts as late. The chain
 * also requires a number of slots to pass before it lets anyone end a job.
 */
export function progress(row: Row, account: Account | null, now: number): Progress {
  const end = account ? account.deadlineAt : (row.window_ends ?? NEVER);
  const late = account !== null && now >= end;
  const left = now >= end || end === NEVER ? null : span(Number(end) - now);
  const just = (sentence: string): Progress => ({ sentence, ending: null });
  const overdue = (what: string, ending: Ending): Progress => ({ sentence: `${what} Anyone may end the job, which returns the locked amount to the escrow.`, ending });
  const state = account ? NAMES[account.status as Status] : row.status;
  switch (state) {
    case "open":
      if (late) return overdue("No device claimed it in time.", "expire");
      return just(`Waiting for a device to claim it${left ? `; ${left} left` : ""}.`);
    case "claimed":
      if (late) return overdue("The device has missed the deadline for its result.", "timeout");
      return just(`A device is computing${left ? `; ${left} left` : ""}.`);
    case "committed":
      // The device need not reveal while an audit is pending.
      if (account?.audit === Audit.Drawn || account?.audit === Audit.Taken) {
        return just(late ? "No audit was completed in time; waiting for the device to reveal the result." : "The result is being audited before it is revealed.");
      }
      if (account && end === NEVER) return just("The device has committed to its result and reveals it once all replicas have committed.");
      if (late) return overdue("The device has missed the deadline for revealing its result.", "timeout");
      return just("The device has committed to its result; waiting for the reveal.");
    case "revealed":
      if (left) return just(`In the challenge window: anyone may challenge the result for ${left} more, then it is paid.`);
      return just("The challenge window is over; waiting for the payment.");
    case "settled":
      return just(`Paid${row.latency === null ? "" : `; the result arrived ${span(row.latency)} after the job was opened`}.`);
    case "convicted":
      return just("The result was proven wrong on the chain: the device was not paid and lost its bond.");
    default:
      return just(`The job ended without a result (${state}); the locked amount is back in the escrow.`);
  }
}
