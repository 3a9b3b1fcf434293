import { address } from "@solana/kit";
import { expect, test } from "vitest";
import { getOfferDecoder, getOfferSize } from "../../generated/costaking";
import { getDeviceDecoder, getDeviceSize } from "../../generated/staking";
import { IO } from "../../lib/format";
import { TERMINATED } from "../devices/stake";
import { amountError, room, sharesFor, whyNotClose, whyNotCool, whyNotEnd, whyNotJoin, whyNotRetract, whyNotWithdraw } from "./rules";
import { Status } from "./shares";

const device = { ...getDeviceDecoder().decode(new Uint8Array(getDeviceSize())), coStake: 50n * IO };
const offer = { ...getOfferDecoder().decode(new Uint8Array(getOfferSize())), capacity: 200n * IO, ticket: 2n * IO };
const config = { capacityBps: 5_000, paused: false };
const least = 400n * IO;
const other = "So11111111111111111111111111111111111111112";
const third = address("SysvarC1ock11111111111111111111111111111111");

test("capacity is left up to the offer's capacity and half of the current minimum", () => {
  expect(room(offer, device, least, config)).toBe(150n * IO);
  expect(room(offer, device, 300n * IO, config)).toBe(100n * IO);
  expect(room(offer, { ...device, coStake: 500n * IO }, least, config)).toBe(0n);
});

test("no capacity is left where nobody can join", () => {
  expect(room({ ...offer, status: Status.Closed }, device, least, config)).toBe(0n);
  for (const change of [{ status: TERMINATED }, { cooling: 1n }, { aside: 1n }, { dues: 1 }]) expect(room(offer, { ...device, ...change }, least, config)).toBe(0n);
});

test("a wallet that may not join is told why", () => {
  const why = (change: Partial<typeof device> = {}, status = Status.Open, me: string | null = other, paused = false) =>
    whyNotJoin({ ...offer, status }, { ...device, payout: third, ...change }, least, { ...config, paused }, { paused: false }, me);
  expect(why()).toBeNull();
  expect(why({}, Status.Open, other, true)).toContain("paused");
  expect(whyNotJoin(offer, device, least, config, { paused: true }, other), "staking takes no co-stake in, either").toContain("paused");
  expect(why({}, Status.Closed)).toContain("closed to new co-stakers");
  expect(why({ status: TERMINATED })).toContain("retired");
  expect(why({ cooling: 1n })).toContain("unstaking");
  expect(why({ aside: 1n })).toContain("slash");
  expect(why({ dues: 1 })).toContain("until it has been collected");
  expect(why({ coStake: 200n * IO })).toBe("the offer is full");
  expect(why({}, Status.Open, null)).toBe("connect a wallet");
  expect(why({}, Status.Open, device.owner)).toContain("your own device");
  expect(why({}, Status.Open, third)).toContain("join with another wallet");
});

test("an amount is at least the ticket, or all that is left", () => {
  expect(amountError(2n, 2n, 100n, 100n)).toBeNull();
  expect(amountError(1n, 2n, 1n, 100n)).toBeNull();
  expect(amountError(0n, 2n, 100n, 100n)).toContain("above zero");
  expect(amountError(101n, 2n, 100n, 500n)).toContain("can still be staked");
  expect(amountError(IO, 2n * IO, 100n * IO, 500n * IO)).toBe("stake at least 2 $IO");
  expect(amountError(1n, 3n * IO, 2n * IO, 500n * IO)).toBe("stake at least 3 $IO, or exactly the 2 $IO that are left");
  expect(amountError(3n, 2n, 100n, 2n)).toContain("your wallet holds");
});

test("an offer is retracted, ended and closed, in this order", () => {
  expect(whyNotRetract({ status: Status.Open })).toBeNull();
  expect(whyNotRetract({ status: Status.Closed })).toContain("already");
  const end = (change: Partial<typeof offer>, of: Partial<typeof device> = {}) => whyNotEnd({ ...offer, shares: 0n, ...change }, { ...device, ...of });
  expect(end({ status: Status.Open })).toContain("retract");
  expect(end({ status: Status.Closed, shares: 1n })).toContain("still have positions");
  expect(end({ status: Status.Closed, shares: 1n }, { forcedAt: 1n })).toBeNull();
  const waiting = { pendingHours: [9, 0, 0, 0], pendingScores: [1n, 0n, 0n, 0n] };
  expect(end({ status: Status.Closed, base: 1n }, waiting)).toContain("not distributed");
  expect(end({ status: Status.Closed }, waiting), "nobody shared").toBeNull();
  expect(end({ status: Status.Closed })).toBeNull();
  expect(end({ status: Status.Ended })).toBe("the offer has already ended");
  expect(whyNotClose({ status: Status.Closed, holders: 0 })).toBe("end the offer first");
  expect(whyNotClose({ status: Status.Ended, holders: 2 })).toContain("still open (2)");
  expect(whyNotClose({ status: Status.Ended, holders: 0 })).toBeNull();
});

const closed = { status: Status.Closed, forcedAt: 0n, forcedEndsAt: 0n };
const exited = { aside: 0n, forcedAt: 0n, forcedCooldown: 0 };

test("an exit has a notice period, then a cooldown, and is paid", () => {
  const exit = { cooling: false, coolsAt: 700n, endsAt: 2_000n };
  expect(whyNotCool(exit, offer, device, 640)).toContain("1 min left");
  expect(whyNotCool(exit, offer, device, 700)).toBeNull();
  expect(whyNotCool({ ...exit, cooling: true }, offer, device, 700)).toContain("already");
  expect(whyNotWithdraw(exit, offer, device, 1_940)).toContain("in 1 min");
  expect(whyNotWithdraw(exit, offer, device, 2_000)).toBeNull();
});

test("after the owner's exit there is no notice period, and the earlier end counts", () => {
  const exit = { cooling: false, coolsAt: 700n, endsAt: 2_000n };
  // Before and after the exit is recorded in the offer.
  const left: [offer: typeof closed, device: typeof exited][] = [
    [closed, { ...exited, forcedAt: 600n, forcedCooldown: 1_000 }],
    [{ ...closed, status: Status.Forced, forcedAt: 600n, forcedEndsAt: 1_600n }, exited],
  ];
  for (const [offer, device] of left) {
    expect(whyNotCool(exit, offer, device, 640)).toBeNull();
    expect(whyNotWithdraw(exit, offer, device, 1_540)).toContain("in 1 min");
    expect(whyNotWithdraw(exit, offer, device, 1_600)).toBeNull();
    expect(whyNotWithdraw({ ...exit, endsAt: 1_500n }, offer, device, 1_500)).toBeNull();
    expect(whyNotWithdraw({ ...exit, cooling: true }, offer, device, 1_940), "it cooled down before").toContain("in 1 min");
  }
});

test("an exit waits for a slash, unless it is already cooling down", () => {
  const exit = { cooling: false, coolsAt: 700n, endsAt: 2_000n };
  const slashed = { ...exited, aside: 1n };
  expect(whyNotCool(exit, closed, slashed, 700)).toContain("slash");
  expect(whyNotWithdraw(exit, closed, slashed, 2_000)).toContain("slash");
  expect(whyNotWithdraw({ ...exit, cooling: true }, closed, slashed, 2_000)).toBeNull();
  expect(whyNotWithdraw(exit, { ...closed, status: Status.Forced, forcedAt: 5n }, slashed, 2_000)).toBeNull();
  expect(whyNotWithdraw(exit, closed, { ...slashed, forcedAt: 5n }, 2_000)).toBeNull();
});

test("part of a position is rounded up to shares, and the whole takes all", () => {
  expect([sharesFor(5n, 10n, 100n), sharesFor(100n, 10n, 100n), sharesFor(101n, 10n, 100n), sharesFor(1n, 7n, 0n)]).toEqual([1n, 10n, 10n, 7n]);
});
