import type { Address } from "@solana/kit";
import { expect, test } from "vitest";
import { getStakingConfigDecoder, getDeviceDecoder, getDeviceSize, getStakingConfigSize, getGpuModelDecoder, getGpuModelSize } from "../../generated/staking";
import { IO } from "../../lib/format";
import {
  termsError,
  whyNotAppeal,
  whyNotClaim,
  whyNotClose,
  whyNotHired,
  whyNotOffer,
  whyNotOverflow,
  whyNotStake,
  whyNotTerminate,
  whyNotUnstake,
  whyNotWithdraw,
  type Standing,
} from "./rules";
import { Offering, SlashStatus, TERMINATED } from "./stake";

const address = "AMdJx3EceGTZb6SR5bhP6pXJEAbcE9mU3VSJNN9RLK5H" as Address;
const device = { address, ...getDeviceDecoder().decode(new Uint8Array(getDeviceSize())), ownStake: 400n * IO, quantity: 1, registeredAt: 1_000n };
const gpu = { ...getGpuModelDecoder().decode(new Uint8Array(getGpuModelSize())), multiplierX100: 200 };
const config = { ...getStakingConfigDecoder().decode(new Uint8Array(getStakingConfigSize())), probation: 100 };
const costaking = { capacityBps: 5_000, minShareBps: 500, paused: false };
const at = (change: Partial<typeof device> = {}, now = 2_000): Standing => ({ device: { ...device, ...change }, gpu, config, least: 400n * IO, now });

test("a device in good standing can do everything for which it has the funds", () => {
  expect(whyNotHired(at())).toBeNull();
  expect(whyNotStake(at())).toBeNull();
  expect(whyNotUnstake(at())).toBeNull();
  expect(whyNotTerminate(at())).toBeNull();
  expect(whyNotOffer(at(), costaking)).toBeNull();
  expect(whyNotOverflow(at({ ownStake: 401n * IO }))).toBeNull();
  expect(whyNotWithdraw(at({ cooling: 1n, cooldownEnds: 2_000n }))).toBeNull();
  expect(whyNotClaim(at({ rewards: 1n }), 0)).toBeNull();
  expect(whyNotClaim(at(), 1)).toBeNull();
  expect(whyNotClose(at({ ownStake: 0n, status: TERMINATED }))).toBeNull();
});

test("every refusal gives its reason", () => {
  expect(whyNotHired(at({ ownStake: 399n * IO }))).toBe("its stake is 1 $IO below the minimum");
  expect(whyNotHired(at({}, 1_040))).toBe("it is on probation for 1 min more");
  expect(whyNotHired(at({ status: TERMINATED }))).toBe("the device is retired");
  expect(whyNotStake(at({ cooling: 1n, cooldownEnds: 9_200n }))).toContain("(2 h)");
  expect(whyNotStake({ ...at(), config: { ...config, paused: true } })).toContain("paused");
  expect(whyNotOverflow(at())).toContain("no stake is above the minimum of 400 $IO");
  expect(whyNotOverflow(at({ ownStake: 500n, lockedBond: 500n, coStake: 400n * IO }))).toContain("bonds for open jobs");
  expect(whyNotOverflow(at({ ownStake: 200n * IO, coStake: 300n * IO, offering: Offering.Closed }))).toContain("half of its minimum");
  for (const refusal of [whyNotHired, whyNotOverflow, whyNotUnstake]) expect(refusal(at({ dues: 1, ownStake: 500n * IO }))).toContain("a slash is owed stake");
  expect(whyNotHired(at({ dues: 1, openJobs: 1 }))).toContain("wait until the device's jobs have ended");
  expect(whyNotHired(at({ dues: 1 }))).toContain("ionet slash collect");
  expect(whyNotStake(at({ dues: 1 }))).toContain("ionet slash collect");
  expect(whyNotStake(at({ dues: 1, owed: 1n }))).toContain("until their challengers are paid");
  expect(whyNotStake(at({ dues: 1, openJobs: 1 }))).toBeNull();
  expect(whyNotOffer(at({ dues: 1 }), costaking)).toContain("ionet slash collect");
  expect(whyNotClose(at({ ownStake: 0n, status: TERMINATED, dues: 1 }))).toContain("a slash is owed stake");
  expect(whyNotClose(at({ ownStake: 0n, status: TERMINATED, forfeited: IO }))).toContain("1 $IO of forfeited stake must be burned first; anyone can do that with `ionet slash burn`");
  expect(whyNotUnstake(at({ aside: 1n }))).toBeNull();
  expect(whyNotUnstake(at({ aside: 1n, coStake: 1n }))).toContain("co-stakers leave with you");
  expect(whyNotUnstake(at({ openJobs: 2 }))).toContain("2 jobs still in progress");
  expect(whyNotUnstake(at({ offering: Offering.Open }))).toContain("retract");
  expect(whyNotWithdraw(at())).toBe("no stake is cooling down");
  expect(whyNotWithdraw(at({ cooling: 1n, cooldownEnds: 2_060n }))).toContain("(1 min left)");
  expect(whyNotTerminate(at({ status: TERMINATED }))).toBe("the device is retired");
  expect(whyNotClose(at())).toContain("retire the device first");
  expect(whyNotClose(at({ status: TERMINATED }))).toContain("400 $IO of stake");
  expect(whyNotClaim(at({ pendingScores: [1n, 0n, 0n, 0n] }), 0)).toContain("1 hour is not settled yet");
  expect(whyNotOffer(at({ offering: Offering.Closed }), costaking)).toContain("already has an offer");
  expect(whyNotOffer(at({ ownStake: 300n * IO }), costaking)).toContain("100 $IO more");
});

test("a slash can be appealed once, between its approval and its end", () => {
  const why = (status: SlashStatus, now: number) => whyNotAppeal({ status, endsAt: status === SlashStatus.Proposed ? 0n : 2_000n }, now);
  expect(why(SlashStatus.Approved, 1_999)).toBeNull();
  expect(why(SlashStatus.Approved, 2_000)).toContain("the time for an appeal ended");
  expect(why(SlashStatus.Proposed, 1_000)).toContain("only proposed");
  expect(why(SlashStatus.Appealed, 1_000)).toContain("already appealed");
});

test("an offer's terms are within their bounds", () => {
  const terms = { capacity: 200n * IO, ticket: 2n * IO, shareBps: 500 };
  expect(termsError(terms, 400n * IO, costaking)).toEqual({ capacity: null, share: null, ticket: null });
  expect(termsError({ ...terms, capacity: 200n * IO + 1n }, 400n * IO, costaking).capacity).toBe("at most 200 $IO");
  expect(termsError({ ...terms, shareBps: 499 }, 400n * IO, costaking).share).toBe("at least 5 %");
  expect(termsError({ ...terms, shareBps: 10_001 }, 400n * IO, costaking).share).toBe("at most 100 %");
  expect(termsError({ ...terms, ticket: 0n }, 400n * IO, costaking).ticket).toBe("enter an amount above zero");
  expect(termsError({ ...terms, ticket: 201n * IO }, 400n * IO, costaking).ticket).toBe("at most the capacity");
});
