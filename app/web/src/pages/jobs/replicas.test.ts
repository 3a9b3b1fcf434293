import { address } from "@solana/kit";
import { expect, test } from "vitest";
import { findJobPda } from "../../generated/jobs";
import { Status } from "./accounts";
import { places, explainCancelling, siblings, cancellable } from "./replicas";

const escrow = address("Sysvar1111111111111111111111111111111111111");
const at = async (id: bigint) => (await findJobPda({ escrow, id }))[0];

test("replicas have consecutive ids, whichever of them is asked for", async () => {
  const all = [await at(7n), await at(8n)];
  expect(await places({ escrow, id: 7n, replica: 0, replicas: 2 })).toEqual(all);
  expect(await places({ escrow, id: 8n, replica: 1, replicas: 2 })).toEqual(all);
  expect(await places({ escrow, id: 7n, replica: 0, replicas: 1 })).toEqual([all[0]]);
});

test("a job that took a replica's address, or was opened next to it, is not a replica", () => {
  const terms = { model: escrow, inputs: new Uint8Array(32), units: 4, replicas: 2, openSeconds: 60, runSeconds: 60, windowSeconds: 60 };
  const first = { ...terms, openedSlot: 5n };
  const others = [{ ...first, openedSlot: 9n }, { ...first, inputs: new Uint8Array(32).fill(1) }, { ...first, openSeconds: 61 }];
  const second = { ...first, inputs: new Uint8Array(32) };
  expect(siblings(first, [first, second, ...others])).toEqual([first, second]);
});

test("a consumer can cancel all replicas that no device has claimed", () => {
  const [open, other, claimed] = [{ status: Status.Open }, { status: Status.Open }, { status: Status.Assigned }];
  expect(cancellable([open, other], "me", "me")).toEqual([open, other]);
  expect(cancellable([claimed, open], "me", "me")).toEqual([open]);
  expect([cancellable([open], "you", "me"), cancellable([open], undefined, null), cancellable([claimed], "me", "me")]).toEqual([[], [], []]);
});

test("replicas that cannot be cancelled are mentioned", () => {
  expect(explainCancelling(1, 1)).toBe("No device has claimed it yet. The full amount locked for it returns to your escrow, and the rent to your wallet.");
  expect(explainCancelling(2, 2)).toContain("No device has claimed any of its 2 replicas yet. The full amount locked for them");
  expect(explainCancelling(1, 2)).toContain("1 of 2 replicas is claimed and cannot be cancelled. The full amount locked for the other returns");
  expect(explainCancelling(1, 3)).toContain("2 of 3 replicas are claimed and cannot be cancelled.");
});
