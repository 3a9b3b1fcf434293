import { expect, test } from "vitest";
import type { JobRow } from "../../lib/api";
import { Audit, Status } from "./accounts";
import { progress } from "./progress";

const NEVER = (1n << 63n) - 1n;
const row = (status: JobRow["status"], window_ends: number | null = null) => ({ status, window_ends, latency: null });
/** Progress of a job with a deadline at 1,000 s. */
const at = (status: Status, now: number, change: { deadlineAt?: bigint; audit?: Audit } = {}) =>
  progress(row("open"), { status, deadlineAt: 1_000n, audit: Audit.Undrawn, ...change }, now);

test("past its deadline a job is late, and anyone can end it", () => {
  expect(at(Status.Open, 999)).toEqual({ sentence: "Waiting for a device to claim it; 1 s left.", ending: null });
  expect(at(Status.Open, 1_000)).toMatchObject({ sentence: expect.stringContaining("No device claimed it in time."), ending: "expire" });
  expect(at(Status.Assigned, 940)).toEqual({ sentence: "A device is computing; 1 min left.", ending: null });
  expect(at(Status.Assigned, 1_000)).toMatchObject({ sentence: expect.stringContaining("The device has missed the deadline"), ending: "timeout" });
  expect(at(Status.Committed, 999)).toMatchObject({ sentence: expect.stringContaining("waiting for the reveal"), ending: null });
  expect(at(Status.Committed, 1_000)).toMatchObject({ sentence: expect.stringContaining("The device has missed the deadline"), ending: "timeout" });
});

test("a device is not late while it waits for an audit or other replicas", () => {
  for (const audit of [Audit.Drawn, Audit.Taken]) {
    expect(at(Status.Committed, 999, { audit })).toMatchObject({ sentence: expect.stringContaining("audited"), ending: null });
    expect(at(Status.Committed, 1_000, { audit })).toMatchObject({ sentence: expect.stringContaining("No audit was completed in time"), ending: null });
  }
  expect(at(Status.Committed, 1_000, { audit: Audit.Sealed }).ending).toBe("timeout");
  const others = at(Status.Committed, 1e12, { deadlineAt: NEVER });
  expect(others).toMatchObject({ sentence: expect.stringContaining("all replicas"), ending: null });
});

test("the challenge window ends at the deadline in the account", () => {
  expect(at(Status.Revealed, 990)).toMatchObject({ sentence: expect.stringContaining("for 10 s more"), ending: null });
  expect(at(Status.Revealed, 1_000)).toMatchObject({ sentence: expect.stringContaining("waiting for the payment"), ending: null });
});

test("without an account the state comes from the indexer, and nothing is late", () => {
  expect(progress(row("open"), null, 5_000)).toEqual({ sentence: "Waiting for a device to claim it.", ending: null });
  expect(progress(row("claimed"), null, 5_000)).toEqual({ sentence: "A device is computing.", ending: null });
  expect(progress(row("revealed", 5_010), null, 5_000).sentence).toContain("for 10 s more");
  expect(progress(row("revealed", 5_000), null, 5_000).sentence).toContain("waiting for the payment");
  expect(progress(row("expired"), null, 5_000).sentence).toContain("without a result (expired)");
});

test("a conviction is shown once it is on the chain, a payment once the indexer has it", () => {
  expect(at(Status.Convicted, 2_000)).toMatchObject({ sentence: expect.stringContaining("proven wrong"), ending: null });
  expect(progress({ ...row("settled"), latency: 75 }, null, 2_000).sentence).toBe("Paid; the result arrived 1 min 15 s after the job was opened.");
});
