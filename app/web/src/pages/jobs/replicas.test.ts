import { address } from "@solana/kit";
import { expect, test } from "vitest";
import { findJobPda } from "../../generated/jobs";
import { Status } from "./accounts";
import { places, sayTaking, siblings, takeable } from "./replicas";

const escrow = address("Sysvar1111111111111111111111111111111111111");
const at = async (id: bigint) => (await findJobPda({ escrow, id }))[0];

test("replicas live under ids that follow each other, whichever of them is looked at", async () => {
  const all = [await at(7n), await at(8n)];
  expect(await places({ escrow, id: 7n, replica: 0, replicas: 2 })).toEqual(all);
  expect(await places({ escrow, id: 8n, replica: 1, replicas: 2 })).toEqual(all);
  expect(await places({ escrow, id: 7n, replica: 0, replicas: 1 })).toEqual([all[0]]);
});

test("what has replaced a replica at its address, or was opened as something else, is none", () => {
  const terms = { model: escrow, inputs: new Uint8Array(32), units: 4, replicas: 2, openSeconds: 60, runSeconds: 60, windowSeconds: 60 };
  const first = { ...terms, openedSlot: 5n };
  const others = [{ ...first, openedSlot: 9n }, { ...first, inputs: new Uint8Array(32).fill(1) }, { ...first, openSeconds: 61 }];
  const second = { ...first, inputs: new Uint8Array(32) };
  expect(siblings(first, [first, second, ...others])).toEqual([first, second]);
});

test("all replicas that nobody has taken are their own consumer's to take back", () => {
  const [open, other, taken] = [{ status: Status.Open }, { status: Status.Open }, { status: Status.Assigned }];
  expect(takeable([open, other], "me", "me")).toEqual([open, other]);
  expect(takeable([taken, open], "me", "me")).toEqual([open]);
  expect([takeable([open], "you", "me"), takeable([open], undefined, null), takeable([taken], "me", "me")]).toEqual([[], [], []]);
});

test("what cannot be taken back is said", () => {
  expect(sayTaking(1, 1)).toBe("No device has taken it yet. All that was set aside for it is free again, and its rent returns.");
  expect(sayTaking(2, 2)).toContain("No device has taken any of its 2 replicas yet. All that was set aside for them");
  expect(sayTaking(1, 2)).toContain("1 of 2 replicas is taken and cannot be taken back. All that was set aside for the other is free");
  expect(sayTaking(1, 3)).toContain("2 of 3 replicas are taken and cannot be taken back.");
});
