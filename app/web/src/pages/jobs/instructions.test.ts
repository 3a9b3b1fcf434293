import { generateKeyPairSigner, type Instruction } from "@solana/kit";
import { expect, test } from "vitest";
import { getJobDecoder, getJobSize, identifyJobsInstruction, JobsInstruction, JOBS_PROGRAM_ADDRESS } from "../../generated/jobs";
import { closing, endOverdue, cancelling, withdrawing } from "./instructions";

const someone = async () => (await generateKeyPairSigner()).address;
const [owner, mint, escrow, device] = [await generateKeyPairSigner(), await someone(), await someone(), await someone()];
const blank = getJobDecoder().decode(new Uint8Array(getJobSize()));
const job = async () => ({ ...blank, escrow, device, address: await someone() });

/** Name of an instruction of the jobs program, or the address of another program. */
const named = ({ programAddress, data }: Instruction) =>
  programAddress === JOBS_PROGRAM_ADDRESS ? JobsInstruction[identifyJobsInstruction(data ?? new Uint8Array())] : programAddress;
const names = ({ accounts }: Instruction) => accounts?.map(({ address }) => address);

test("a withdrawal from an escrow creates the token account to receive it", async () => {
  const associated = "ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL";
  expect((await withdrawing(owner, mint, 5n)).map(named)).toEqual([associated, "Withdraw"]);
  expect((await closing(owner, mint)).map(named)).toEqual([associated, "CloseEscrow"]);
});

test("every replica is cancelled", async () => {
  const jobs = [await job(), await job()];
  const instructions = cancelling(owner, jobs);
  expect(instructions.map(named)).toEqual(["CancelJob", "CancelJob"]);
  expect(instructions.map(names)).toEqual(jobs.map(({ address }) => [owner.address, escrow, address]));
});

test("ending an overdue job names its consumer, and its device if that is late", async () => {
  const [overdue, consumer] = [await job(), await someone()];
  const [expire] = await endOverdue(owner, "expire", overdue, consumer);
  expect(expire && [named(expire), names(expire)]).toEqual(["ExpireJob", [owner.address, consumer, overdue.address, escrow]]);
  const [timeout] = await endOverdue(owner, "timeout", overdue, consumer);
  expect(timeout && named(timeout)).toBe("TimeoutJob");
  expect(timeout && names(timeout)).toEqual(expect.arrayContaining([owner.address, consumer, overdue.address, escrow, device]));
});
