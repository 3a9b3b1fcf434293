// Why something is not possible in an offer, as a sentence; `null` if it is. The program has the same rules; here they apply before
// signing.

import type { Config, Exit, Offer } from "../../generated/costaking";
import type { Device, StakingConfig } from "../../generated/staking";
import { io, moment, span } from "../../lib/format";
import { first } from "../devices/rules";
import { coStakeLimit, pending, TERMINATED } from "../devices/stake";
import { backAt, type Books, earningIn, forcedEnd, type Sharing, Status } from "./shares";

type Joinable = Pick<Device, "coStake" | "status" | "cooling" | "aside" | "dues">;

/** Why nobody can join, regardless of the capacity left. */
const shut = (offer: Pick<Offer, "status">, device: Joinable): string | null =>
  first(
    offer.status !== Status.Open && "the offer is closed to new co-stakers",
    device.status === TERMINATED && "the device is retired",
    device.cooling > 0n && "the owner is unstaking",
    device.aside > 0n && "a slash has set aside stake of the device; wait until it has ended",
    device.dues > 0 && "a slash is owed stake of the owner; wait until it has been collected",
  );

/** Base units that can still be staked through an offer, up to its capacity and the device's limit; none while nobody can join. */
export function room(offer: Pick<Offer, "capacity" | "status">, device: Joinable, least: bigint, config: Pick<Config, "capacityBps">): bigint {
  if (shut(offer, device) !== null) return 0n;
  const most = coStakeLimit(least, config);
  const left = (most < offer.capacity ? most : offer.capacity) - device.coStake;
  return left > 0n ? left : 0n;
}

/** Why the wallet `me` cannot join. */
export function whyNotJoin(
  offer: Offer,
  device: Joinable & Pick<Device, "owner" | "payout">,
  least: bigint,
  config: Pick<Config, "capacityBps" | "paused">,
  staking: Pick<StakingConfig, "paused">,
  me: string | null,
): string | null {
  return first(
    (config.paused || staking.paused) && "joining is paused; co-stakers can still leave",
    shut(offer, device) ?? false,
    room(offer, device, least, config) === 0n && "the offer is full",
    me === null && "connect a wallet",
    me === device.owner && "this is your own device; stake on it directly",
    me === device.payout && "the device's job payments go to this wallet; join with another wallet",
  );
}

/** Why an amount cannot be staked through an offer. */
export function amountError(amount: bigint, ticket: bigint, left: bigint, held: bigint): string | null {
  return first(
    amount === 0n && "enter an amount above zero",
    amount > left && `only ${io(left)} can still be staked here`,
    amount < ticket && amount !== left && `stake at least ${io(ticket)}${left < ticket ? `, or exactly the ${io(left)} that are left` : ""}`,
    amount > held && `your wallet holds only ${io(held)}; stake less or add more $IO`,
  );
}

export const whyNotRetract = (offer: Pick<Offer, "status">): string | null => first(offer.status !== Status.Open && "the offer is already closed to new co-stakers");

/** After the owner's exit, the same transaction records it in the offer, which leaves no active shares. */
export const whyNotEnd = (offer: Pick<Offer, "status" | "shares"> & Sharing, device: Pick<Device, "pendingScores" | "pendingHours" | "pendingPools"> & Books): string | null =>
  first(
    offer.status === Status.Ended && "the offer has already ended",
    offer.status === Status.Open && "retract the offer first",
    offer.shares > 0n && device.forcedAt === 0n && "co-stakers still have positions; wait until they have left, or unstake",
    pending(device).some(({ hour }) => earningIn(hour, offer, device).shares > 0n) && "some rewards are not distributed to co-stakers yet; distribute them first",
  );

export const whyNotClose = (offer: Pick<Offer, "status" | "holders">): string | null =>
  first(offer.status !== Status.Ended && "end the offer first", offer.holders > 0 && `positions and exits are still open (${offer.holders}); wait until their holders have withdrawn`);

type Left = Pick<Offer, "status" | "forcedAt" | "forcedEndsAt">;
type Slashed = Pick<Device, "aside" | "forcedAt" | "forcedCooldown">;

/** No cooldown can start while a slash has stake set aside. After the owner's exit, all co-stake is cooling down already. */
const slashed = (offer: Left, device: Slashed): string | false =>
  forcedEnd(offer, device) === null && device.aside > 0n && "a slash has set aside stake of the device; wait until it has ended";

export function whyNotWithdraw(exit: Pick<Exit, "cooling" | "endsAt">, offer: Left, device: Slashed, now: number): string | null {
  const back = backAt(exit, offer, device);
  return first(now < back && `available on ${moment(back)}, in ${span(Number(back) - now)}`, !exit.cooling && slashed(offer, device));
}

/** Why an exit's cooldown cannot start. After the owner's exit there is no notice period. */
export const whyNotCool = (exit: Pick<Exit, "cooling" | "coolsAt">, offer: Left, device: Slashed, now: number): string | null =>
  first(
    exit.cooling && "it is already cooling down",
    slashed(offer, device),
    forcedEnd(offer, device) === null && now < exit.coolsAt && `the stake still counts until ${moment(exit.coolsAt)} (${span(Number(exit.coolsAt) - now)} left)`,
  );

/** Shares for an amount of a position's stake, rounded up, so that the whole amount takes all shares. */
export function sharesFor(amount: bigint, shares: bigint, stake: bigint): bigint {
  if (stake === 0n || amount >= stake) return shares;
  return (amount * shares + stake - 1n) / stake;
}
