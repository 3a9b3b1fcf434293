// Shares of a device's co-stake and their rewards: `protocol::costake` and the co-staking program's accounts, in TypeScript.

import type { Exit, Offer, Position } from "../../generated/costaking";
import type { Device } from "../../generated/staking";
import { larger, smaller, WHOLE_BPS } from "../../lib/math";
import { HOUR } from "../rewards/emission";

/** Fractional bits of the reward per share. */
const BITS = 63n;
/** Distributions that an offer's log holds. */
const LOG = 64;

/** An offer's status. */
export enum Status {
  /** Co-stakers may join. */
  Open,
  /** Nobody can join; current co-stakers keep their share. */
  Closed,
  /** The device's owner has unstaked, and all co-stakers with it. */
  Forced,
  /** No positions share rewards; exits continue. */
  Ended,
}

/** Value of `part` of `shares` in `assets`, in base units, rounded down; 0 without shares. */
export const worth = (part: bigint, shares: bigint, assets: bigint): bigint => (shares === 0n ? 0n : (smaller(part, shares) * assets) / shares);

/** Base units of a reward that go to co-stakers: their full share if earning stake fills the capacity, else in proportion; rounded down. */
export function part(reward: bigint, shareBps: number, earning: bigint, capacity: bigint): bigint {
  if (capacity === 0n) return 0n;
  const whole = (reward * BigInt(shareBps)) / WHOLE_BPS;
  return (whole * smaller(earning, capacity)) / capacity;
}

/** Base units that shares earn as the reward index moves; rounded down. */
export const earned = (shares: bigint, from: bigint, to: bigint): bigint => (to > from ? (shares * (to - from)) >> BITS : 0n);

type Log = Pick<Offer, "logHours" | "log" | "distributed" | "rewardIndex">;

const entries = (offer: Log) => offer.logHours.map((hour, at) => ({ hour, index: offer.log[at] ?? 0n })).filter(({ hour }) => hour !== 0);

/** Whether this hour or a later one was distributed. */
const hasReached = (offer: Log, hour: number) => entries(offer).some(({ hour: of }) => of >= hour);

/** The reward index before an hour; `null` if the log does not go back that far. */
function indexUntil(offer: Log, hour: number): bigint | null {
  const before = entries(offer).filter(({ hour: of }) => of < hour);
  if (before.length > 0) return before.map(({ index }) => index).reduce(larger);
  return offer.distributed <= LOG ? 0n : null;
}

/** The reward index for a position that starts with an hour; `null` until that hour or a later one is distributed. */
function indexFrom(offer: Log, hour: number): bigint | null {
  if (!hasReached(offer, hour)) return null;
  return indexUntil(offer, hour) ?? entries(offer).map(({ index }) => index).reduce(smaller);
}

/** Rewards that a position can claim now, in base units. */
export function claimable(position: Pick<Position, "shares" | "rewardIndex" | "fromHour" | "settled">, offer: Log): bigint {
  const from = position.settled ? position.rewardIndex : indexFrom(offer, position.fromHour);
  return from === null ? 0n : earned(position.shares, from, offer.rewardIndex);
}

/** Rewards that are paid with an exit, in base units, as far as they are known. */
export function exitRewards(exit: Pick<Exit, "shares" | "rewardIndex" | "rewards" | "fromHour" | "untilHour" | "settled">, offer: Log): bigint {
  const from = exit.settled ? exit.rewardIndex : indexFrom(offer, exit.fromHour);
  if (from === null) return exit.rewards;
  const to = hasReached(offer, exit.untilHour) ? (indexUntil(offer, exit.untilHour) ?? from) : offer.rewardIndex;
  return exit.rewards + earned(exit.shares, from, to);
}

/** The fields of an offer that a distribution uses. */
export type Sharing = Pool & Log & Pick<Offer, "base" | "changeHours" | "changes" | "forcedAll" | "forcedAssets" | "shareBps" | "capacity">;

/** Shares that earn in an hour: `protocol::costake::Schedule`. */
function scheduled({ base, changeHours, changes }: Pick<Offer, "base" | "changeHours" | "changes">, hour: number): bigint {
  const sum = changes.reduce((sum, change, at) => sum + (changeHours[at] && changeHours[at] <= hour ? change : 0n), base);
  return larger(sum, 0n);
}

/** Shares that earn in an hour, and their value. If the offer still has to record its owner's exit, as they will be afterwards. */
export function earningIn(hour: number, offer: Sharing, device: Books): { shares: bigint; assets: bigint } {
  if (mustNote(offer, device)) {
    const gone = hour >= Math.floor(Number(device.forcedAt) / HOUR) ? scheduled(offer, Number.POSITIVE_INFINITY) : 0n;
    const shares = larger(scheduled(offer, hour) - gone, 0n);
    return { shares, assets: worth(shares, offer.shares, worth(device.forcedShares, device.coCoolingShares, device.coCooling)) };
  }
  const shares = scheduled(offer, hour);
  const isForced = offer.status === Status.Forced;
  return { shares, assets: worth(shares, isForced ? offer.forcedAll : offer.shares, isForced ? offer.forcedAssets : device.coStake + device.coAside) };
}

/** An offer's log after distributing hours, the earliest first, and the owner's part in base units: `Offer::distribute`. */
export function afterSharing(offer: Sharing, device: Books, hours: readonly { hour: number; reward: bigint }[]): Log & { owners: bigint } {
  const logHours = [...offer.logHours];
  const log = [...offer.log];
  let { distributed, rewardIndex } = offer;
  let owners = 0n;
  for (const { hour, reward } of hours) {
    const { shares, assets } = earningIn(hour, offer, device);
    const theirs = part(reward, offer.shareBps, assets, offer.capacity);
    owners += reward - theirs;
    rewardIndex += shares === 0n ? 0n : (theirs << BITS) / shares;
    logHours[distributed % LOG] = hour;
    log[distributed % LOG] = rewardIndex;
    distributed += 1;
  }
  return { logHours, log, distributed, rewardIndex, owners };
}

export type Books = Pick<Device, "coStake" | "coAside" | "coCooling" | "coCoolingShares" | "forcedAt" | "forcedShares">;
type Pool = Pick<Offer, "status" | "shares" | "forcedAt" | "forcedTotal" | "forcedShares">;

/** Value of an offer's shares in base units: of the device's co-stake, or of the stake that is cooling down since the owner's exit. */
export function stakeOf(shares: bigint, offer: Pool, device: Books): bigint {
  const cooling = (all: bigint, of: bigint) => worth(worth(shares, all, of), device.coCoolingShares, device.coCooling);
  if (offer.forcedAt !== 0n) return cooling(offer.forcedTotal, offer.forcedShares);
  if (mustNote(offer, device)) return cooling(offer.shares, device.forcedShares);
  return worth(shares, offer.shares, device.coStake);
}

/** Value of an exit in base units. */
export const exitStake = (exit: Pick<Exit, "cooling" | "coolingShares" | "shares">, offer: Pool, device: Books): bigint =>
  exit.cooling ? worth(exit.coolingShares, device.coCoolingShares, device.coCooling) : stakeOf(exit.shares, offer, device);

/** Whether the owner's exit must be recorded in the offer before anything else. */
export const mustNote = (offer: Pick<Offer, "status">, device: Pick<Device, "forcedAt">): boolean =>
  device.forcedAt !== 0n && offer.status === Status.Closed;

/** When stake can be withdrawn after the owner's exit, unix seconds; `null` if the owner has not left. */
export function forcedEnd(
  offer: Pick<Offer, "status" | "forcedAt" | "forcedEndsAt">,
  device: Pick<Device, "forcedAt" | "forcedCooldown">,
): bigint | null {
  if (offer.forcedAt !== 0n) return offer.forcedEndsAt;
  return mustNote(offer, device) ? device.forcedAt + BigInt(device.forcedCooldown) : null;
}

/**
 * When an exit's stake can be withdrawn, unix seconds. The owner's exit starts the cooldown
 * of exits that had not started; the earlier end counts.
 */
export function backAt(exit: Pick<Exit, "cooling" | "endsAt">, ...books: Parameters<typeof forcedEnd>): bigint {
  const end = forcedEnd(...books);
  return exit.cooling || end === null ? exit.endsAt : smaller(exit.endsAt, end);
}

/** The part of a position that earns, in base units: active stake, and stake that slashes have set aside until they are final. */
export const earning = (shares: bigint, offer: Pick<Offer, "shares">, device: Pick<Device, "coStake" | "coAside">): bigint =>
  worth(shares, offer.shares, device.coStake + device.coAside);

/**
 * For an exit requested now: when the stake stops counting (after the notice period) and when
 * it can be withdrawn (after the cooldown); unix seconds.
 */
export function exitDates(now: number, wait: number, cooldown: number): { coolsAt: number; endsAt: number } {
  return { coolsAt: now + wait, endsAt: now + wait + cooldown };
}
