// Why an owner cannot do something now, in a sentence; `null` when it can be done. The programs judge the same; here it is said before anybody signs.

import type { Config } from "../../generated/costaking";
import type { Device, GpuModel, Slash, StakingConfig } from "../../generated/staking";
import { io, moment, span } from "../../lib/format";
import { Offering, overflow, pending, SlashStatus, TERMINATED } from "./stake";

/** A device at a moment of the chain's clock, with the base units it needs as stake. */
export interface Standing {
  device: Device;
  gpu: GpuModel;
  config: StakingConfig;
  least: bigint;
  now: number;
}

type Terms = Pick<Config, "capacityBps" | "minShareBps" | "paused">;

const hours = (of: number) => (of === 1 ? "1 hour waits" : `${of} hours wait`);
const first = (...reasons: (string | false)[]): string | null => reasons.find((reason) => reason !== false) || null;

/** When it may be hired, unix seconds. */
export const hireableAt = ({ device, config }: Pick<Standing, "device" | "config">): number => Number(device.registeredAt) + config.probation;

/** Why a device keeps what it has, and takes nothing new. */
const waits = ({ device: { dues, openJobs } }: Standing) =>
  dues > 0 &&
  (openJobs > 0
    ? "a slash takes stake that still lies in bonds, as they come free: let its jobs end"
    : "a slash takes stake that has come free of bonds, which anybody collects for it with `ionet slash collect`");

/** What it lacks to be in service. */
function unfit({ device, gpu, config, least, now }: Standing): string | null {
  const missing = least - device.ownStake - device.coStake;
  return first(
    device.status === TERMINATED && "it is retired",
    gpu.multiplierX100 === 0 && "its GPU model takes no jobs",
    missing > 0n && `its stake is ${io(missing)} below the minimum`,
    now < hireableAt({ device, config }) && `it is on probation for ${span(hireableAt({ device, config }) - now)} more`,
  );
}

/** What it lacks to take jobs. */
export const whyNotHired = (standing: Standing): string | null => first(unfit(standing) ?? false, waits(standing));

export const whyNotStake = ({ device, config, now }: Standing): string | null =>
  first(
    config.paused && "staking is paused; what is staked can still leave",
    device.status === TERMINATED && "the device is retired",
    device.cooling > 0n && `the old stake has to be withdrawn first, from ${moment(device.cooldownEnds)} on (${span(Number(device.cooldownEnds) - now)})`,
  );

export function whyNotOverflow(standing: Standing): string | null {
  const { device, least } = standing;
  if (overflow(device, least) > 0n) return null;
  const why = waits(standing);
  if (why) return why;
  if (device.ownStake === 0n) return "nothing is staked";
  if (device.ownStake + device.coStake <= least) return `nothing lies above the minimum of ${io(least)}; unstake the whole to leave`;
  if (device.ownStake === device.lockedBond) return "the whole stake stands for jobs in progress";
  return "half of the minimum stays the owner's while its rewards are shared";
}

export const whyNotUnstake = (standing: Standing): string | null => {
  const { device } = standing;
  return first(
    device.ownStake === 0n && "nothing is staked",
    device.openJobs > 0 && `jobs are in progress (${device.openJobs}); stop the worker and wait until they are settled`,
    waits(standing),
    device.offering === Offering.Open && "co-stakers may still join; retract the offer first",
    device.coStake > 0n && device.escrowed > 0n && "co-stakers leave with you, which waits until the slash that has set stake aside has ended",
  );
};

export const whyNotWithdraw = ({ device, now }: Standing): string | null =>
  first(
    device.cooling === 0n && "nothing cools down",
    now < device.cooldownEnds && `it cools down for ${span(Number(device.cooldownEnds) - now)} more, until ${moment(device.cooldownEnds)}`,
  );

export const whyNotTerminate = ({ device }: Standing): string | null =>
  first(
    device.status === TERMINATED && "it is retired",
    device.openJobs > 0 && `jobs are in progress (${device.openJobs}); stop the worker and wait until they are settled`,
  );

export function whyNotClose(standing: Standing): string | null {
  const { device } = standing;
  const held = device.ownStake + device.coStake + device.cooling + device.coCooling + device.escrowed;
  return first(
    device.status !== TERMINATED && "it has to be retired first",
    held > 0n && `${io(held)} of stake lie on it; take them out first`,
    waits(standing),
    device.owed > 0n && "a conviction has not ended",
    device.forfeited > 0n && `${io(device.forfeited)} are forfeited and wait to be burned, which anybody does with \`ionet slash burn\``,
    (device.rewards > 0n || pending(device).length > 0) && "it has rewards; claim them first",
    device.offering !== Offering.Nothing && "its offer has to be ended first",
  );
}

/** `collectable` is how many hours can be collected with the claim. */
export const whyNotClaim = ({ device }: Standing, collectable: number): string | null =>
  first(
    device.rewards === 0n &&
      collectable === 0 &&
      (pending(device).length > 0
        ? `${hours(pending(device).length)} to be settled, which happens from two hours after each began on`
        : "no reward has come in since the last claim"),
  );

/** Why its owner cannot answer a slash. */
export const whyNotAppeal = ({ status, endsAt }: Pick<Slash, "status" | "endsAt">, now: number): string | null =>
  first(
    status === SlashStatus.Proposed && "one of two keys has asked for it; it takes nothing before the other agrees",
    status === SlashStatus.Appealed && "it was answered, which can be done once",
    now >= endsAt && `its time for an answer ended at ${moment(endsAt)}`,
  );

/** Why no offer can be made on it. */
export function whyNotOffer(standing: Standing, costaking: Terms): string | null {
  const { device, least } = standing;
  return first(
    costaking.paused && "new offers are paused",
    device.offering !== Offering.Nothing && "it has an offer already",
    pending(device).length > 0 && "rewards of hours before wait to be collected; claim them first",
    waits(standing),
    device.ownStake < least && `its owner has to stake the whole minimum first: ${io(least - device.ownStake)} more`,
    unfit(standing) ?? false,
  );
}

/** What is wrong with the terms of an offer. */
export function termsError(terms: { capacity: bigint; ticket: bigint; shareBps: number }, least: bigint, costaking: Terms) {
  const most = (least * BigInt(costaking.capacityBps)) / 10_000n;
  const capacity = terms.capacity === 0n ? "say how much co-stakers may stake" : terms.capacity > most ? `at most ${io(most)}` : null;
  const share =
    terms.shareBps < costaking.minShareBps
      ? `at least ${costaking.minShareBps / 100} per cent`
      : terms.shareBps > 10_000
        ? "at most 100 per cent"
        : null;
  const ticket = terms.ticket === 0n ? "more than nothing" : terms.ticket > terms.capacity ? "at most the capacity" : null;
  return { capacity, share, ticket };
}
