// Why something cannot be done in an offer, in a sentence; `null` when it can be. The program judges the same; here it is said before anybody signs.

import type { Config, Exit, Offer } from "../../generated/costaking";
import type { Device, StakingConfig } from "../../generated/staking";
import { io, moment, span } from "../../lib/format";
import { pending, TERMINATED } from "../devices/stake";
import { backAt, forcedEnd, Status } from "./shares";

const first = (...reasons: (string | false)[]): string | null => reasons.find((reason) => reason !== false) || null;

type Joinable = Pick<Device, "coStake" | "status" | "cooling" | "escrowed" | "dues">;

/** Why nobody can join, however much room there is. */
const shut = (offer: Pick<Offer, "status">, device: Joinable): string | null =>
  first(
    offer.status !== Status.Open && "its owner lets nobody join any more",
    device.status === TERMINATED && "the device is retired",
    device.cooling > 0n && "its owner is on the way out",
    device.escrowed > 0n && "a slash has set stake of the device aside; joining waits until that has ended",
    device.dues > 0 && "a slash takes stake of its owner's as it comes free of jobs; joining waits until that is collected",
  );

/** Base units that may still be staked through an offer: up to its capacity, and to half of the minimum as it is now; none while nobody can join. */
export function room(offer: Pick<Offer, "capacity" | "status">, device: Joinable, least: bigint, config: Pick<Config, "capacityBps">): bigint {
  if (shut(offer, device) !== null) return 0n;
  const most = (least * BigInt(config.capacityBps)) / 10_000n;
  const left = (most < offer.capacity ? most : offer.capacity) - device.coStake;
  return left > 0n ? left : 0n;
}

/** Why nobody can join; `me` is the wallet that would. */
export function whyNotJoin(
  offer: Offer,
  device: Joinable & Pick<Device, "owner" | "payout">,
  least: bigint,
  config: Pick<Config, "capacityBps" | "paused">,
  staking: Pick<StakingConfig, "paused">,
  me: string | null,
): string | null {
  return first(
    (config.paused || staking.paused) && "joining is paused; who is in can still leave",
    shut(offer, device) ?? false,
    room(offer, device, least, config) === 0n && "it is full",
    me === null && "connect a wallet",
    me === device.owner && "the device is yours; stake on it directly",
    me === device.payout && "the device's job payments go to this wallet; join with another one",
  );
}

/** What is wrong with an amount to join with. */
export function amountError(amount: bigint, ticket: bigint, left: bigint, held: bigint): string | null {
  return first(
    amount === 0n && "type an amount above zero",
    amount > left && `there is room for ${io(left)} only`,
    amount < ticket && amount !== left && `a ticket is at least ${io(ticket)}${left < ticket ? `, or the ${io(left)} that are left` : ""}`,
    amount > held && `the wallet holds ${io(held)}; get more first or stake less`,
  );
}

export const whyNotRetract = (offer: Pick<Offer, "status">): string | null => first(offer.status !== Status.Open && "nobody can join already");

/** After the owner's exit the offer takes note of it in the same transaction, and nobody has shares of what still counts. */
export const whyNotEnd = (offer: Pick<Offer, "status" | "shares">, device: Pick<Device, "pendingScores" | "pendingHours" | "pendingPools" | "forcedAt">): string | null =>
  first(
    offer.status === Status.Ended && "it has ended",
    offer.status === Status.Open && "retract it first, so that nobody joins any more",
    offer.shares > 0n && device.forcedAt === 0n && "co-stakers are still in; it ends when they have left, or when you unstake",
    pending(device).length > 0 && "rewards wait that co-stakers have a share of; share them first",
  );

export const whyNotClose = (offer: Pick<Offer, "status" | "holders">): string | null =>
  first(offer.status !== Status.Ended && "end it first", offer.holders > 0 && `${offer.holders} positions and exits are still there; it closes when their holders have taken them`);

type Left = Pick<Offer, "status" | "forcedAt" | "forcedEndsAt">;
type Slashed = Pick<Device, "escrowed" | "forcedAt" | "forcedCooldown">;

/** No cooldown starts while a slash has stake set aside; what the owner's exit took along cools down already. */
const slashed = (offer: Left, device: Slashed): string | false =>
  forcedEnd(offer, device) === null && device.escrowed > 0n && "a slash has set stake of the device aside; this waits until that has ended";

export function whyNotWithdraw(exit: Pick<Exit, "cooling" | "endsAt">, offer: Left, device: Slashed, now: number): string | null {
  const back = backAt(exit, offer, device);
  return first(now < back && `it is back ${moment(back)}, in ${span(Number(back) - now)}`, !exit.cooling && slashed(offer, device));
}

/** Why nobody can start an exit's cooldown. After the owner's exit there is no wait. */
export const whyNotCool = (exit: Pick<Exit, "cooling" | "coolsAt">, offer: Left, device: Slashed, now: number): string | null =>
  first(
    exit.cooling && "it cools down already",
    slashed(offer, device),
    forcedEnd(offer, device) === null && now < exit.coolsAt && `it counts until ${moment(exit.coolsAt)}, for ${span(Number(exit.coolsAt) - now)} more`,
  );

/** Shares for a part of what a position is worth, rounded up so that the whole takes all. */
export function sharesFor(amount: bigint, shares: bigint, stake: bigint): bigint {
  if (stake === 0n || amount >= stake) return shares;
  return (amount * shares + stake - 1n) / stake;
}
