import { AccountRole, address } from "@solana/kit";
import { expect, test } from "vitest";
import { encode, PAYLOAD, parse, describe, stepsLeft } from "./payload";

const PROGRAM = address("AMdJx3EceGTZb6SR5bhP6pXJEAbcE9mU3VSJNN9RLK5H");
const OTHER = address("11111111111111111111111111111111");
const instruction = {
  programAddress: PROGRAM,
  accounts: [
    { address: OTHER, role: AccountRole.WRITABLE },
    { address: PROGRAM, role: AccountRole.READONLY_SIGNER },
  ],
  data: Uint8Array.of(7, 8),
};

test("instructions are encoded byte for byte", () => {
  const bytes = encode(instruction);
  expect(bytes.length).toBe(32 + 1 + 2 * 33 + 2);
  // The program's flags: 1 is writable, 2 is signer.
  expect([bytes[32], bytes[65], bytes[98]]).toEqual([2, 1, 2]);
  expect(parse(bytes)).toEqual(instruction);
  expect(parse(bytes.slice(0, 98))).toBeNull();
  expect(parse(new Uint8Array(20))).toBeNull();
  const flagged = bytes.slice();
  flagged[65] = 4;
  expect(parse(flagged)).toBeNull();
});

test("a payload account's bytes end at its length", () => {
  const account = new Uint8Array(200);
  const tail = new DataView(account.buffer);
  tail.setUint32(72, 3, true);
  account.set([1, 2, 3, 9], 76);
  expect(PAYLOAD.decoder.decode(account).bytes).toEqual(Uint8Array.of(1, 2, 3));
});

test("a draft continues where it was left", () => {
  const all = [new Uint8Array(10), new Uint8Array(1_500)];
  const kinds = (progress: Parameters<typeof stepsLeft>[1]) => stepsLeft(all, progress).map((step) => ("index" in step ? `${step.do} ${step.index}` : step.do));
  expect(kinds({ created: false, instructions: 0, payloads: 0, written: 0 })).toEqual([
    "create",
    "open 0",
    "write 0",
    "open 1",
    "write 1",
    "write 1",
    "write 1",
    "submit",
  ]);
  const left = stepsLeft(all, { created: true, instructions: 1, payloads: 2, written: 700 });
  expect(left.map((step) => (step.do === "write" ? [step.offset, step.bytes.length] : step.do))).toEqual([[700, 700], [1_400, 100], "submit"]);
  expect(kinds({ created: true, instructions: 1, payloads: 1, written: 0 })[0]).toBe("open 1");
  expect(kinds({ created: true, instructions: 2, payloads: 2, written: 0 })).toEqual(["submit"]);
  expect(describe(stepsLeft(all, { created: false, instructions: 0, payloads: 0, written: 0 }))).toBe(
    "create the proposal, write steps 1, 2, pay the deposit and open the vote",
  );
});
