import { expect, test } from "vitest";
import { ApiError, type JobRow } from "../../lib/api";
import { Status } from "./accounts";
import { committed, missing } from "./committed";

const root = (byte: number) => new Uint8Array(32).fill(byte);
const account = { status: Status.Revealed, inputs: root(1), units: 12, traces: root(2), outputs: root(3) };
const events = [{ name: "JobRevealed", data: { traces: "lie" } }];
// An indexer that contradicts the chain in everything.
const row = { status: "convicted", inputs: "lie", units: 99, outputs: "lie", events } as unknown as JobRow;

test("while a job's account exists, its roots come from the chain, whatever the indexer says", () => {
  expect(committed(account, row)).toEqual({
    inputs: "01".repeat(32),
    units: 12,
    traces: "02".repeat(32),
    outputs: "03".repeat(32),
    isWrong: false,
    isOpen: true,
    isOnChain: true,
  });
  expect(committed({ ...account, status: Status.Convicted }, { ...row, status: "settled" })).toMatchObject({ isWrong: true, isOpen: false });
  expect(committed({ ...account, status: Status.Committed }, row)).toBeNull();
});

test("the roots of a closed job come from the indexer, and are marked so", () => {
  expect(committed(null, row)).toEqual({ inputs: "lie", units: 99, traces: "lie", outputs: "lie", isWrong: true, isOpen: false, isOnChain: false });
  expect(committed(null, { ...row, outputs: null })).toBeNull();
  expect(committed(null, { ...row, events: [] })).toBeNull();
});

test("a job on the chain that the indexer does not know is still being recorded", () => {
  const unknown = new ApiError(404, "nothing is known of it");
  expect([missing(unknown, account), missing(unknown, null), missing(unknown, undefined)]).toEqual(["unrecorded", "unknown", null]);
  expect([missing(new ApiError(0, "no answer"), account), missing(null, account)]).toEqual([null, null]);
});
