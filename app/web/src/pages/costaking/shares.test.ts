import { expect, test } from "vitest";
import { afterSharing, claimable, earned, earning, earningIn, exitDates, exitRewards, exitStake, mustNote, stakeOf, Status } from "./shares";

const ONE = 1n << 63n;

test("an index that has not moved forward brings nothing", () => {
  expect(earned(10n, ONE, 3n * ONE + ONE / 4n)).toBe(22n);
  expect(earned(10n, ONE, 0n)).toBe(0n);
});

// Hours 11, 12 and 14 were distributed; the index was 1, 2 and 5 base units per share after each.
const log = { logHours: [14, 11, 12, 0], log: [5n * ONE, ONE, 2n * ONE, 0n], distributed: 3, rewardIndex: 5n * ONE };

test("a position earns from its first hour on", () => {
  const position = { shares: 10n, rewardIndex: 0n, fromHour: 12, settled: false };
  expect(claimable(position, log)).toBe(40n);
  expect(claimable({ ...position, fromHour: 11 }, log)).toBe(50n);
  // Nothing before its first hour is distributed.
  expect(claimable({ ...position, fromHour: 15 }, log)).toBe(0n);
  expect(claimable({ ...position, settled: true, rewardIndex: 2n * ONE }, log)).toBe(30n);
  // Rewards from before the log are lost: it starts with the oldest hour in the log.
  expect(claimable({ ...position, fromHour: 11 }, { ...log, distributed: 65 })).toBe(40n);
});

test("an exit earns up to its last hour", () => {
  const exit = { shares: 10n, rewardIndex: 0n, rewards: 3n, fromHour: 11, untilHour: 14, settled: true };
  expect(exitRewards(exit, log)).toBe(23n);
  expect(exitRewards({ ...exit, untilHour: 99 }, log)).toBe(53n);
  expect(exitRewards({ ...exit, settled: false, fromHour: 99, untilHour: 99 }, log)).toBe(3n);
});

const device = { coStake: 1_000n, coAside: 0n, coCooling: 0n, coCoolingShares: 0n, forcedAt: 0n, forcedShares: 0n };
const offer = { status: Status.Open, shares: 500n, forcedAt: 0n, forcedTotal: 0n, forcedShares: 0n };

test("a stake is worth its part of the co-stake, or of the cooling stake after the owner's exit", () => {
  expect(stakeOf(50n, offer, device)).toBe(100n);
  // The owner has left: the offer has 400 of 800 cooling shares, before and after the exit is recorded.
  const left = { ...device, coStake: 0n, coCooling: 1_600n, coCoolingShares: 800n, forcedAt: 9n, forcedShares: 400n };
  const closed = { ...offer, status: Status.Closed };
  expect(mustNote(closed, left)).toBe(true);
  expect(stakeOf(50n, closed, left)).toBe(80n);
  const forced = { status: Status.Forced, shares: 0n, forcedAt: 9n, forcedTotal: 500n, forcedShares: 400n };
  expect(stakeOf(50n, forced, { ...left, forcedAt: 0n, forcedShares: 0n })).toBe(80n);
  expect(exitStake({ cooling: true, coolingShares: 200n, shares: 50n }, forced, left)).toBe(400n);
  expect(exitStake({ cooling: false, coolingShares: 0n, shares: 50n }, offer, device)).toBe(100n);
});

// From hour 10, 400 of 500 shares earn, from hour 12 all; a full offer gets half of the rewards.
const sharing = {
  ...offer,
  status: Status.Closed,
  shareBps: 5_000,
  capacity: 1_000n,
  base: 0n,
  changeHours: [10, 12, 0],
  changes: [400n, 100n, 0n],
  logHours: Array.from({ length: 64 }, () => 0),
  log: Array.from({ length: 64 }, () => 0n),
  distributed: 0,
  rewardIndex: 0n,
  forcedAll: 0n,
  forcedAssets: 0n,
};
const hours = [
  { hour: 11, reward: 100n },
  { hour: 12, reward: 100n },
];

test("hours are distributed by the shares that earned in each", () => {
  expect(earningIn(9, sharing, device)).toEqual({ shares: 0n, assets: 0n });
  expect(earningIn(11, sharing, device)).toEqual({ shares: 400n, assets: 800n });
  const after = afterSharing(sharing, device, hours);
  expect(after).toMatchObject({ owners: 60n + 50n, distributed: 2, rewardIndex: (40n * ONE) / 400n + (50n * ONE) / 500n });
  const position = { shares: 100n, rewardIndex: 0n, fromHour: 12, settled: false };
  // A tenth of a base unit per share, rounded down.
  expect(claimable(position, after)).toBe(9n);
  expect(claimable({ ...position, fromHour: 10 }, after)).toBe(19n);
  expect(claimable({ ...position, fromHour: 13 }, after), "hours before its first bring it nothing").toBe(0n);
  expect(afterSharing({ ...sharing, shareBps: 10_000 }, device, hours).owners, "a full offer of everything leaves its owner nothing").toBe(20n);
  // The log is a ring buffer.
  expect(afterSharing({ ...sharing, distributed: 64 }, device, hours).logHours.slice(0, 3)).toEqual([11, 12, 0]);
  expect(sharing.logHours[0], "what it begins with stays").toBe(0);
});

test("after the owner's exit all rewards go to the owner, recorded or not", () => {
  const left = { coStake: 0n, coAside: 0n, coCooling: 1_000n, coCoolingShares: 800n, forcedAt: 12n * 3_600n + 5n, forcedShares: 800n };
  const noted = { ...sharing, status: Status.Forced, shares: 0n, forcedAt: left.forcedAt, forcedAll: 500n, forcedAssets: 1_000n, changes: [400n, -400n, 0n] };
  const books: [of: typeof sharing, device: typeof left][] = [
    [sharing, left],
    [noted, { ...left, forcedAt: 0n, forcedShares: 0n }],
  ];
  for (const [of, device] of books) {
    expect(earningIn(11, of, device)).toEqual({ shares: 400n, assets: 800n });
    expect(earningIn(12, of, device)).toEqual({ shares: 0n, assets: 0n });
    expect(afterSharing(of, device, hours)).toMatchObject({ owners: 60n + 100n, rewardIndex: (40n * ONE) / 400n });
  }
  // Shares that joined in the hour of the exit would have earned from the next hour.
  const early = { ...noted, changeHours: [10, 11, 12], changes: [400n, -500n, 100n] };
  expect(earningIn(11, early, { ...left, forcedAt: 0n, forcedShares: 0n }).shares).toBe(0n);
  expect(earningIn(11, sharing, { ...left, forcedAt: 11n * 3_600n }).shares).toBe(0n);
});

test("cooling stake no longer earns", () => {
  expect(earning(50n, offer, device)).toBe(100n);
  const left = { ...device, coStake: 0n, coCooling: 1_600n, coCoolingShares: 800n, forcedAt: 9n, forcedShares: 400n };
  expect(earning(50n, offer, left)).toBe(0n);
  expect(earning(50n, { shares: 0n }, { coStake: 7n, coAside: 0n })).toBe(0n);
  // Stake that a slash has set aside earns until the slash becomes final.
  expect(earning(50n, { shares: 100n }, { coStake: 1n, coAside: 199n })).toBe(100n);
});

test("stake can be withdrawn 7 and 14 days after an exit is requested", () => {
  expect(exitDates(0, 7 * 86_400, 14 * 86_400)).toEqual({ coolsAt: 604_800, endsAt: 1_814_400 });
});
