// Shares of a device's co-stake and what they earn: `protocol::costake` and the co-staking program's accounts, in TypeScript.

import type { Exit, Offer, Position } from "../../generated/costaking";
import type { Device } from "../../generated/staking";
import { HOUR } from "../rewards/emission";

/** Bits behind the point of rewards a share. */
const BITS = 63n;
/** Distributions that an offer remembers. */
const LOG = 64;

/** Where an offer stands. */
export enum Status {
  /** Co-stakers may join. */
  Open,
  /** Nobody joins; who is in shares. */
  Closed,
  /** The device's owner has left, and everybody with it. */
  Forced,
  /** Nobody is in; who is on the way out goes on. */
  Ended,
}

/** Base units that `part` of `shares` in `assets` is worth, rounded down; nothing of none. */
export const worth = (part: bigint, shares: bigint, assets: bigint): bigint => (shares === 0n ? 0n : ((part < shares ? part : shares) * assets) / shares);

/** Base units that co-stakers get of a reward: their whole share when what earns fills the capacity, in proportion below; rounded down. */
export function part(reward: bigint, shareBps: number, earning: bigint, capacity: bigint): bigint {
  if (capacity === 0n) return 0n;
  const whole = (reward * BigInt(shareBps)) / 10_000n;
  return (whole * (earning < capacity ? earning : capacity)) / capacity;
}

/** Base units that shares got while rewards a share grew; rounded down. */
export const earned = (shares: bigint, from: bigint, to: bigint): bigint => (to > from ? (shares * (to - from)) >> BITS : 0n);

type Log = Pick<Offer, "logHours" | "log" | "distributed" | "rewardIndex">;

const entries = (offer: Log) => offer.logHours.map((hour, at) => ({ hour, index: offer.log[at] ?? 0n })).filter(({ hour }) => hour !== 0);
const smallest = (a: bigint, b: bigint) => (a < b ? a : b);
const largest = (a: bigint, b: bigint) => (a > b ? a : b);

/** Whether an hour from this one on was distributed. */
const hasReached = (offer: Log, hour: number) => entries(offer).some(({ hour: of }) => of >= hour);

/** Rewards a share of all hours before this one; `null` when the log does not go back as far. */
function indexUntil(offer: Log, hour: number): bigint | null {
  const before = entries(offer).filter(({ hour: of }) => of < hour);
  if (before.length > 0) return before.map(({ index }) => index).reduce(largest);
  return offer.distributed <= LOG ? 0n : null;
}

/** Rewards a share of all hours before this one, for who begins with it; `null` before it or a later one is distributed. */
function indexFrom(offer: Log, hour: number): bigint | null {
  if (!hasReached(offer, hour)) return null;
  return indexUntil(offer, hour) ?? entries(offer).map(({ index }) => index).reduce(smallest);
}

/** Base units of rewards that a position can claim now. */
export function claimable(position: Pick<Position, "shares" | "rewardIndex" | "fromHour" | "settled">, offer: Log): bigint {
  const from = position.settled ? position.rewardIndex : indexFrom(offer, position.fromHour);
  return from === null ? 0n : earned(position.shares, from, offer.rewardIndex);
}

/** Base units of rewards that an exit brings with its stake, as far as they are known. */
export function exitRewards(exit: Pick<Exit, "shares" | "rewardIndex" | "rewards" | "fromHour" | "untilHour" | "settled">, offer: Log): bigint {
  const from = exit.settled ? exit.rewardIndex : indexFrom(offer, exit.fromHour);
  if (from === null) return exit.rewards;
  const to = hasReached(offer, exit.untilHour) ? (indexUntil(offer, exit.untilHour) ?? from) : offer.rewardIndex;
  return exit.rewards + earned(exit.shares, from, to);
}

/** What is needed of an offer to share an hour. */
export type Sharing = Pool & Log & Pick<Offer, "base" | "changeHours" | "changes" | "forcedAll" | "forcedAssets" | "shareBps" | "capacity">;

/** Shares that earn in an hour: `protocol::costake::Schedule`. */
function scheduled({ base, changeHours, changes }: Pick<Offer, "base" | "changeHours" | "changes">, hour: number): bigint {
  const sum = changes.reduce((sum, change, at) => sum + (changeHours[at] && changeHours[at] <= hour ? change : 0n), base);
  return largest(sum, 0n);
}

/** Shares that earn in an hour, and what they are worth. Of an offer that has to note its owner's exit first, as it is then. */
export function earningIn(hour: number, offer: Sharing, device: Books): { shares: bigint; assets: bigint } {
  if (mustNote(offer, device)) {
    const gone = hour >= Math.floor(Number(device.forcedAt) / HOUR) ? scheduled(offer, Number.POSITIVE_INFINITY) : 0n;
    const shares = largest(scheduled(offer, hour) - gone, 0n);
    return { shares, assets: worth(shares, offer.shares, worth(device.forcedShares, device.coCoolingShares, device.coCooling)) };
  }
  const shares = scheduled(offer, hour);
  const isForced = offer.status === Status.Forced;
  return { shares, assets: worth(shares, isForced ? offer.forcedAll : offer.shares, isForced ? offer.forcedAssets : device.coStake + device.coEscrowed) };
}

/** An offer's log once hours are shared, the earliest first, and base units that the owner gets of them: `Offer::distribute`. */
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

type Books = Pick<Device, "coStake" | "coEscrowed" | "coCooling" | "coCoolingShares" | "forcedAt" | "forcedShares">;
type Pool = Pick<Offer, "status" | "shares" | "forcedAt" | "forcedTotal" | "forcedShares">;

/** Base units that shares of an offer are worth: of the device's co-stake, or of what cools down since its owner left. */
export function stakeOf(shares: bigint, offer: Pool, device: Books): bigint {
  const cooling = (all: bigint, of: bigint) => worth(worth(shares, all, of), device.coCoolingShares, device.coCooling);
  if (offer.forcedAt !== 0n) return cooling(offer.forcedTotal, offer.forcedShares);
  if (mustNote(offer, device)) return cooling(offer.shares, device.forcedShares);
  return worth(shares, offer.shares, device.coStake);
}

/** Base units that an exit is worth. */
export const exitStake = (exit: Pick<Exit, "cooling" | "coolingShares" | "shares">, offer: Pool, device: Books): bigint =>
  exit.cooling ? worth(exit.coolingShares, device.coCoolingShares, device.coCooling) : stakeOf(exit.shares, offer, device);

/** Whether the offer has to take note of its owner's exit before anything else. */
export const mustNote = (offer: Pick<Offer, "status">, device: Pick<Device, "forcedAt">): boolean =>
  device.forcedAt !== 0n && offer.status === Status.Closed;

/** When what the owner's exit took along is back, unix seconds; `null` while the owner is in. */
export function forcedEnd(
  offer: Pick<Offer, "status" | "forcedAt" | "forcedEndsAt">,
  device: Pick<Device, "forcedAt" | "forcedCooldown">,
): bigint | null {
  if (offer.forcedAt !== 0n) return offer.forcedEndsAt;
  return mustNote(offer, device) ? device.forcedAt + BigInt(device.forcedCooldown) : null;
}

/** When an exit's stake is back, unix seconds: what did not cool down before the owner's exit does since then, and the earlier of both ends counts. */
export function backAt(exit: Pick<Exit, "cooling" | "endsAt">, ...books: Parameters<typeof forcedEnd>): bigint {
  const end = forcedEnd(...books);
  return exit.cooling || end === null ? exit.endsAt : smallest(exit.endsAt, end);
}

/** Base units of a position that earn: those that count for the device, not what cools down, and what slashes have set aside until they stand. */
export const earning = (shares: bigint, offer: Pick<Offer, "shares">, device: Pick<Device, "coStake" | "coEscrowed">): bigint =>
  worth(shares, offer.shares, device.coStake + device.coEscrowed);

/** When stake that is asked for now stops counting and when it is back, unix seconds: after the wait, and the cooldown behind it. */
export function exitDates(now: number, wait: number, cooldown: number): { coolsAt: number; endsAt: number } {
  return { coolsAt: now + wait, endsAt: now + wait + cooldown };
}
