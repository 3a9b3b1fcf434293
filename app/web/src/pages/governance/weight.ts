// What stake weighs in a vote: `protocol::ballot::History`, `Device::voting_weight` and `Position::voting_weight`, in TypeScript.

import type { Offer, Position } from "../../generated/costaking";
import type { Device } from "../../generated/staking";
import { worth } from "../costaking/shares";

/** Seconds that stake has to have been there when a vote is opened: a week. */
export const MIN_AGE = 7 * 86_400;
const HOUR = 3_600;

/** What a source brings to a vote. */
export interface Weight {
  /** Base units that count in a vote opened at the moment asked about. */
  weight: bigint;
  /** Base units that are there. */
  stake: bigint;
  /** When all that is there counts in a vote opened then, unix seconds; `null` when it does already. */
  countsAt: number | null;
}

/** What a device's own stake weighs in a vote opened at `openedAt`, unix seconds: with what slashes have set aside, not with bonds that one waits for. */
export function deviceWeight(
  device: Pick<Device, "ownStake" | "lockedBond" | "dues" | "cooling" | "ownEscrowed" | "raisedAt" | "aged">,
  openedAt: number,
): Weight {
  const aside = device.cooling === 0n ? device.ownEscrowed : 0n;
  const stake = device.ownStake - (device.dues > 0 ? device.lockedBond : 0n) + aside;
  const since = openedAt - MIN_AGE;
  const rises = device.raisedAt.map((at, place) => ({ at: Number(at), before: device.aged[place] ?? 0n })).filter(({ at }) => at !== 0 && at >= since);
  const weight = rises.reduce((least, { before }) => (before < least ? before : least), stake);
  const last = Math.max(...rises.map(({ at }) => at));
  return { weight, stake, countsAt: weight < stake ? last + MIN_AGE + 1 : null };
}

/** What a position weighs in a vote opened at `openedAt`: what its shares are worth, all or nothing by its age. */
export function positionWeight(
  position: Pick<Position, "fromHour" | "shares">,
  offer: Pick<Offer, "shares">,
  device: Pick<Device, "coStake" | "coEscrowed">,
  openedAt: number,
): Weight {
  const stake = worth(position.shares, offer.shares, device.coStake + device.coEscrowed);
  const counts = position.fromHour * HOUR + MIN_AGE;
  const old = counts <= openedAt;
  return { weight: old ? stake : 0n, stake, countsAt: old || stake === 0n ? null : counts };
}
