import { expect, test } from "vitest";
import { JOBS_PROGRAM_ADDRESS } from "../generated/jobs";
import { STAKING_PROGRAM_ADDRESS } from "../generated/staking";
import { explain, explainLogs, programError } from "./errors";

test("every program's codes are sentences", () => {
  expect(programError(STAKING_PROGRAM_ADDRESS, 6001)).toBe("Only the config's authority may do this (NotAuthority, 6001)");
  expect(programError(JOBS_PROGRAM_ADDRESS, 1)).toContain("error 1");
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

test("a rejected signature changed nothing", () => {
  expect(explain(Object.assign(new Error("User rejected the request."), { code: 4001 }))).toBe("you did not sign, so nothing happened");
  for (const said of ["User rejected the request", "Transaction cancelled", "The user declined", "Signature request denied"])
    expect(explain(new Error(said)), said).toBe("you did not sign, so nothing happened");
  const refused = "The escrow is not empty: settle or cancel its jobs, withdraw, and sweep its fees first";
  expect(explain(new Error(refused))).toBe(refused);
  expect(explain("odd")).toBe("odd");
});
