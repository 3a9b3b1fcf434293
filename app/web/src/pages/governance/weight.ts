// What stake weighs in a vote: `protocol::ballot::History`, `Device::voting_weight` and `Position::voting_weight`, in TypeScript.

import type { Offer, Position } from "../../generated/costaking";
import type { Device } from "../../generated/staking";
import { worth } from "../costaking/shares";
import { counting } from "../devices/stake";
import { HOUR } from "../rewards/emission";

/** Age of stake in seconds, when a vote opens, from which it counts: a week. */
export const MIN_AGE = 7 * 86_400;

/** Weight of stake in a vote. */
export interface Weight {
  /** Base units that count in a vote opened at the given time. */
  weight: bigint;
  /** Base units of stake. */
  stake: bigint;
  /** When the whole stake will count in a newly opened vote, unix seconds; `null` if it already does. */
  countsAt: number | null;
}

/**
 * Weight of a device's own stake in a vote opened at `openedAt`, unix seconds. Includes
 * what slashes have set aside, but not bonds that a slash is owed.
 */
export function deviceWeight(
  device: Pick<Device, "ownStake" | "lockedBond" | "dues" | "cooling" | "ownAside" | "raisedAt" | "aged">,
  openedAt: number,
): Weight {
  const held = device.cooling === 0n ? device.ownAside : 0n;
  const stake = counting(device) + held;
  const since = openedAt - MIN_AGE;
  const rises = device.raisedAt.map((at, place) => ({ at: Number(at), before: device.aged[place] ?? 0n })).filter(({ at }) => at !== 0 && at >= since);
  const weight = rises.reduce((least, { before }) => (before < least ? before : least), stake);
  const last = Math.max(...rises.map(({ at }) => at));
  return { weight, stake, countsAt: weight < stake ? last + MIN_AGE + 1 : null };
}

/** Weight of a position in a vote opened at `openedAt`: the value of its shares if it is old enough, else 0. */
export function positionWeight(
  position: Pick<Position, "fromHour" | "shares">,
  offer: Pick<Offer, "shares">,
  device: Pick<Device, "coStake" | "coAside">,
  openedAt: number,
): Weight {
  const stake = worth(position.shares, offer.shares, device.coStake + device.coAside);
  const counts = position.fromHour * HOUR + MIN_AGE;
  const old = counts <= openedAt;
  return { weight: old ? stake : 0n, stake, countsAt: old || stake === 0n ? null : counts };
}
