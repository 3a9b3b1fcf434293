// Where a job stands and what it waits for, by the deadlines in its account, and what anybody can do once they have passed.

import type { Job } from "../../generated/jobs";
import type { JobRow } from "../../lib/api";
import { span } from "../../lib/format";
import { Audit, Status } from "./accounts";

/** How anybody may end a job that is overdue. */
export type Ending = "expire" | "timeout";

/** Where a job stands. */
export interface Progress {
  /** As a sentence. */
  says: string;
  /** What its deadline has made possible. */
  ending: Ending | null;
}

/** The deadline of a replica that waits for the others. */
const NEVER = (1n << 63n) - 1n;
/** What the indexer calls the states that accounts have. */
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
 * Where a job stands at a moment of the chain's clock. Without its account, which is closed when it ends, nothing is known to be late. Before
 * anybody may end a job, the chain counts slots, too.
 */
export function progress(row: Row, account: Account | null, now: number): Progress {
  const end = account ? account.deadlineAt : (row.window_ends ?? NEVER);
  const late = account !== null && now >= end;
  const left = now >= end || end === NEVER ? null : span(Number(end) - now);
  const just = (says: string): Progress => ({ says, ending: null });
  const overdue = (what: string, ending: Ending): Progress => ({ says: `${what} Anybody may end it, which frees its money.`, ending });
  const state = account ? NAMES[account.status as Status] : row.status;
  switch (state) {
    case "open":
      if (late) return overdue("No device took it in time.", "expire");
      return just(`Waiting for a device to take it${left ? `, for ${left} more` : ""}.`);
    case "claimed":
      if (late) return overdue("The device is late with its result.", "timeout");
      return just(`A device is computing${left ? `; it has ${left} more` : ""}.`);
    case "committed":
      // Nobody waits for the device while an auditor is awaited or at work.
      if (account?.audit === Audit.Drawn || account?.audit === Audit.Taken) {
        return just(late ? "No audit came in time; the result is about to be shown." : "It is audited before the result is shown.");
      }
      if (account && end === NEVER) return just("The device has committed to its result; it is shown when all replicas are there.");
      if (late) return overdue("The device is late: it has not shown the result that it committed to.", "timeout");
      return just("The device has committed to its result; it is about to be shown.");
    case "revealed":
      if (left) return just(`Anybody may challenge the result for ${left} more; then it is paid.`);
      return just("Its time of challenge is over; it is about to be paid.");
    case "settled":
      return just(`Paid${row.latency === null ? "" : `; the result was there ${span(row.latency)} after the job was opened`}.`);
    case "convicted":
      return just("The result was proved wrong on the chain: nothing was paid for it, and the device lost its bond.");
    default:
      return just(`The job ended without a result (${state}); its money is free again.`);
  }
}
