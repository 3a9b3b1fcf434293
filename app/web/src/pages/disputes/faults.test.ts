import { expect, test } from "vitest";
import type { Event } from "../../lib/api";
import { demandName, explainFault, Fault, faultName, fromCode, happened, heldUntil, inAll, loss, reasonName, returnedBy, silentOn } from "./faults";

const event = (name: string, data: Record<string, unknown>): Event => ({ id: 1, signature: "", slot: 1, time: null, name, data });

test("codes are offset-binary", () => {
  expect([0, 127, 128, 255].map(fromCode)).toEqual([-128, -1, 0, 127]);
});

test("every fault has its own sentence", () => {
  const verdict = { fault: Fault.Element, unit: 3, op: 7, element: 42, expected: 130, claimed: 126 };
  expect(explainFault(verdict, "body1")).toBe("In unit 3, op 7 (body1), element 42: the op's inputs give 2, but the device committed to -2.");
  const sentences = [0, 1, 2, 3, 4, 5].map((fault) => explainFault({ ...verdict, fault }));
  expect(new Set(sentences).size).toBe(6);
  expect(sentences[4]).toContain("did not answer a demand");
  expect([0, 4, 9].map(faultName)).toEqual(["wrong element", "no answer", "fault 9"]);
});

test("the device's loss comes from its bond and excludes the jackpot", () => {
  expect(loss({ refund: 5n, reward: 30n, compensation: 20n, burned: 0n, jackpot: 7n })).toBe(50n);
  expect(returnedBy([event("JobConvicted", {}), event("PermitOpened", { returned: 50, jackpot: 7 })])).toBe(50n);
  expect(returnedBy([event("JobConvicted", {})])).toBeNull();
});

test("permits delay the reward if one may excuse the error", () => {
  const job = { replicas: 1, foreign_mint: 0 };
  const claimed = event("JobClaimed", { price: 5 });
  const opened = (value_at_risk: number, window_seconds = 60) => event("JobOpened", { terms: { units: 2, value_at_risk, window_seconds } });
  expect(heldUntil(100, job, [opened(0), claimed])).toBe(3_700);
  expect(heldUntil(100, job, [opened(10), claimed])).toBe(3_700);
  expect(heldUntil(100, { ...job, replicas: 2 }, [opened(0), claimed])).toBeNull();
  expect(heldUntil(100, { ...job, foreign_mint: 1 }, [opened(0), claimed])).toBeNull();
  expect(heldUntil(100, job, [opened(11), claimed])).toBeNull();
  expect(heldUntil(100, job, [opened(0, 59), claimed])).toBeNull();
  expect(heldUntil(100, job, [])).toBeNull();
  expect(heldUntil(100, job, [opened(0), claimed, event("PermitOpened", { returned: 1, jackpot: 1 })])).toBeNull();
});

test("a silent device failed to answer the one demand that is still open", () => {
  const verdict = { fault: Fault.Silence, unit: 0, op: 0, element: 2, expected: 128, claimed: 128 };
  const demand = (name: string, address: string, kind: number, index: number, challenger = "c") =>
    event(name, { demand: address, challenger, item: { kind, unit: 0, op: 0, index } });
  const events = [
    demand("DemandOpened", "x", 3, 2),
    demand("DemandAnswered", "x", 3, 2),
    demand("DemandOpened", "y", 0, 2),
    demand("DemandOpened", "z", 1, 1),
    demand("DemandOpened", "v", 1, 2, "another"),
  ];
  const asked = silentOn(verdict, "c", events);
  expect(asked).toEqual({ kind: 0, unit: 0, op: 0, index: 2 });
  expect(explainFault(verdict, undefined, asked)).toContain("did not answer a demand on the chain for hashes of a page of units (starting at unit 2048) in time");
  expect(silentOn(verdict, "c", [...events, demand("DemandOpened", "x", 3, 2)]), "either of two").toBeNull();
  expect(silentOn({ ...verdict, unit: 1 }, "c", events)).toBeNull();
  expect(silentOn({ ...verdict, op: 1 }, "c", events)).toBeNull();
  expect(silentOn(verdict, "c", [])).toBeNull();
});

test("the consumer's total is shown only if it is all in one token", () => {
  const money = { refund: 5n, reward: 30n, compensation: 20n, burned: 50n, jackpot: 0n };
  expect(inAll(money, { foreign_mint: 0 })).toBe(25n);
  expect(inAll(money, { foreign_mint: 1 })).toBeNull();
  expect(inAll(money, undefined)).toBeNull();
});

test("demands, events and reasons are described in words", () => {
  expect(demandName({ kind: 0, unit: 0, op: 0, index: 1 })).toBe("hashes of a page of units (starting at unit 1024)");
  expect(demandName({ kind: 1, unit: 0, op: 0, index: 0 })).toBe("hashes of a page of delivered outputs (starting at unit 0)");
  expect(demandName({ kind: 3, unit: 1, op: 2, index: 3 })).toBe("chunk hashes of an op's output (unit 1, op 2, page 3)");
  expect(demandName({ kind: 4, unit: 1, op: 2, index: 3 })).toBe("a chunk of an op's output (unit 1, op 2, chunk 3)");
  expect(happened("JobConvicted")).toContain("convicted");
  expect(happened("FeesSwept")).toBe("fees swept");
  expect(reasonName(1)).toBe("data compromise");
});
