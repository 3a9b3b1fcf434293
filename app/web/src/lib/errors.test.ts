import { expect, test } from "vitest";
import { JOBS_PROGRAM_ADDRESS } from "../generated/jobs";
import { STAKING_PROGRAM_ADDRESS } from "../generated/staking";
import { explain, explainLogs, explainRefusal, programError } from "./errors";

test("every program's error codes have sentences", () => {
  expect(programError(STAKING_PROGRAM_ADDRESS, 6001)).toBe("Only the config's authority may do this (NotAuthority, 6001)");
  expect(programError(JOBS_PROGRAM_ADDRESS, 1)).toContain("error 1");
});

test("the errors that new users meet first have sentences", () => {
  const [system, token] = ["11111111111111111111111111111111", "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA"];
  expect(programError(system, 1)).toContain("not have enough SOL");
  expect(programError(system, 0)).toContain("already exists");
  expect([programError(token, 1), programError(token, 17)]).toEqual([expect.stringContaining("not have enough tokens"), expect.stringContaining("frozen")]);
  expect(programError(JOBS_PROGRAM_ADDRESS, 2012)).toContain("not the one that the program expects");
  expect(programError(token, 2012)).toContain("error 2012");
  // What nodes report if no program ran.
  for (const error of ["AccountNotFound", "InsufficientFundsForFee", { InsufficientFundsForRent: { account_index: 0n } }]) {
    expect(explainRefusal(error)).toContain("not have enough SOL");
  }
  expect(explainRefusal({ InstructionError: [0, { Custom: 1n }] })).toBe('the chain rejected the transaction: {"InstructionError":[0,{"Custom":"1"}]}');
});

test("the innermost program that failed is named", () => {
  const logs = [
    `Program ${JOBS_PROGRAM_ADDRESS} invoke [1]`,
    `Program ${STAKING_PROGRAM_ADDRESS} invoke [2]`,
    `Program ${STAKING_PROGRAM_ADDRESS} failed: custom program error: 0x1771`,
    `Program ${JOBS_PROGRAM_ADDRESS} failed: custom program error: 0x1771`,
  ];
  expect(explainLogs(logs)).toContain("NotAuthority");
  expect(explainLogs(["Program abc failed: exceeded CUs meter"])).toContain("exceeded CUs meter");
  expect(explainLogs(["Program abc success"])).toBeUndefined();
});

test("a node that does not respond is told from one that is unreachable", () => {
  expect(explain(new DOMException("signal timed out", "TimeoutError"))).toBe("the Solana node does not respond; try again in a moment");
  expect(explain(new TypeError("Failed to fetch"))).toBe("the Solana node cannot be reached; try again in a moment");
});

test("a rejected signature is reported as nothing sent", () => {
  expect(explain(Object.assign(new Error("User rejected the request."), { code: 4001 }))).toBe("you did not sign, so nothing was sent");
  for (const said of ["User rejected the request", "Transaction cancelled", "The user declined", "Signature request denied"])
    expect(explain(new Error(said)), said).toBe("you did not sign, so nothing was sent");
  const refused = "The escrow is not empty: settle or cancel its jobs, withdraw, and sweep its fees first";
  expect(explain(new Error(refused))).toBe(refused);
  expect(explain("odd")).toBe("odd");
});
