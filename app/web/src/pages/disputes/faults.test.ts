import { expect, test } from "vitest";
import { demandName, explainFault, Fault, faultName, fromCode, happened, inAll, loss, reasonName } from "./faults";

test("codes are offset-binary", () => {
  expect([0, 127, 128, 255].map(fromCode)).toEqual([-128, -1, 0, 127]);
});

test("every fault has its sentence", () => {
  const verdict = { fault: Fault.Element, unit: 3, op: 7, element: 42, expected: 130, claimed: 126 };
  expect(explainFault(verdict, "body1")).toBe("In unit 3, op 7 (body1), element 42: the op makes 2 of its inputs, and the device committed to -2.");
  const sentences = [0, 1, 2, 3, 4, 5].map((fault) => explainFault({ ...verdict, fault }));
  expect(new Set(sentences).size).toBe(6);
  expect(sentences[4]).toContain("did not answer in time");
  expect([0, 4, 9].map(faultName)).toEqual(["wrong element", "silence", "fault 9"]);
});

test("what the device lost adds up", () => {
  const money = { refund: 5n, reward: 30n, compensation: 20n, burned: 50n };
  expect(loss(money, 100n)).toEqual({ lost: 100n, returned: 0n });
  expect(loss({ ...money, burned: 0n }, 100n)).toEqual({ lost: 50n, returned: 50n });
  expect(loss(money, null)).toEqual({ lost: 100n, returned: 0n });
});

test("what the consumer has is added up in one mint alone", () => {
  const money = { refund: 5n, reward: 30n, compensation: 20n, burned: 50n };
  expect(inAll(money, { foreign_mint: 0 })).toBe(25n);
  expect(inAll(money, { foreign_mint: 1 })).toBeNull();
  expect(inAll(money, undefined)).toBeNull();
});

test("demands, events and reasons have words", () => {
  expect(demandName({ kind: 0, unit: 1024, op: 0, index: 0 })).toBe("hashes of a page of units (from unit 1024 on)");
  expect(demandName({ kind: 4, unit: 1, op: 2, index: 3 })).toBe("a chunk of an op's output (unit 1, op 2, chunk 3)");
  expect(happened("JobConvicted")).toContain("convicted");
  expect(happened("FeesSwept")).toBe("fees swept");
  expect(reasonName(1)).toBe("data compromise");
});
