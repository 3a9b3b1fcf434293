// Why an owner cannot do something now, as a sentence; `null` if it is possible. The programs have the same rules; here they apply before
// signing.

import type { Config } from "../../generated/costaking";
import type { Device, GpuModel, Slash, StakingConfig } from "../../generated/staking";
import type { Found } from "../../lib/accounts";
import { io, many, moment, percent, span } from "../../lib/format";
import { coStakeLimit, Offering, overflow, pending, SlashStatus, TERMINATED } from "./stake";

/** A device at a moment of the chain's clock, with its minimum stake in base units. */
export interface Standing {
  device: Found<Device>;
  gpu: GpuModel;
  config: StakingConfig;
  least: bigint;
  now: number;
}

type Terms = Pick<Config, "capacityBps" | "minShareBps" | "paused">;

const hours = (of: number) => (of === 1 ? "1 hour is" : `${of} hours are`);

/** The first of some reasons that applies. */
export const first = (...reasons: (string | false | null)[]): string | null => reasons.find((reason) => reason) || null;

/** When its probation ends, unix seconds. */
export const hireableAt = ({ device, config }: Pick<Standing, "device" | "config">): number => Number(device.registeredAt) + config.probation;

/** Why a slash keeps a device from releasing stake and taking jobs. */
const waits = ({ device: { dues, openJobs, owed } }: Standing) =>
  dues > 0 &&
  first(
    openJobs > 0 && "a slash is owed stake that is still locked in bonds; wait until the device's jobs have ended",
    owed > 0n && "a slash is owed stake, of which convictions may still return a part; wait until their challengers are paid",
    "a slash is owed stake that is no longer locked in bonds; anyone can collect it with `ionet slash collect`",
  );

/** Why a device is not in service. */
function unfit({ device, gpu, config, least, now }: Standing): string | null {
  const missing = least - device.ownStake - device.coStake;
  return first(
    device.status === TERMINATED && "the device is retired",
    gpu.multiplierX100 === 0 && "its GPU model has a multiplier of 0",
    missing > 0n && `its stake is ${io(missing)} below the minimum`,
    now < hireableAt({ device, config }) && `it is on probation for ${span(hireableAt({ device, config }) - now)} more`,
  );
}

/** Why a device cannot take jobs. */
export const whyNotHired = (standing: Standing): string | null => first(unfit(standing), waits(standing));

export const whyNotStake = (standing: Standing): string | null => {
  const { device, config, now } = standing;
  return first(
    config.paused && "staking is paused; stake can still be withdrawn",
    device.status === TERMINATED && "the device is retired",
    device.openJobs === 0 && waits(standing),
    device.cooling > 0n && `withdraw the old stake first, which is possible from ${moment(device.cooldownEnds)} (${span(Number(device.cooldownEnds) - now)})`,
  );
};

export function whyNotOverflow(standing: Standing): string | null {
  const { device, least } = standing;
  if (overflow(device, least) > 0n) return null;
  const why = waits(standing);
  if (why) return why;
  if (device.ownStake === 0n) return "nothing is staked";
  if (device.ownStake + device.coStake <= least) return `no stake is above the minimum of ${io(least)}; to withdraw all of it, unstake`;
  if (device.ownStake === device.lockedBond) return "the whole stake is locked in bonds for open jobs";
  return "while the device has an offer, half of its minimum must be your own stake";
}

export const whyNotUnstake = (standing: Standing): string | null => {
  const { device } = standing;
  return first(
    device.ownStake === 0n && "nothing is staked",
    device.openJobs > 0 && `${many(device.openJobs, "job")} still in progress; stop the worker and wait until all are settled`,
    waits(standing),
    device.offering === Offering.Open && "its offer is open to co-stakers; retract it first",
    device.coStake > 0n && device.aside > 0n && "co-stakers leave with you, and a slash has set aside stake of the device; wait until the slash has ended",
  );
};

export const whyNotWithdraw = ({ device, now }: Standing): string | null =>
  first(
    device.cooling === 0n && "no stake is cooling down",
    now < device.cooldownEnds && `the stake is cooling down until ${moment(device.cooldownEnds)} (${span(Number(device.cooldownEnds) - now)} left)`,
  );

export const whyNotTerminate = ({ device }: Standing): string | null =>
  first(
    device.status === TERMINATED && "the device is retired",
    device.openJobs > 0 && `${many(device.openJobs, "job")} still in progress; stop the worker and wait until all are settled`,
  );

export function whyNotClose(standing: Standing): string | null {
  const { device } = standing;
  const held = device.ownStake + device.coStake + device.cooling + device.coCooling + device.aside;
  return first(
    device.status !== TERMINATED && "retire the device first",
    held > 0n && `the device still holds ${io(held)} of stake; withdraw it first`,
    waits(standing),
    device.owed > 0n && "a conviction is still being settled",
    device.forfeited > 0n && `${io(device.forfeited)} of forfeited stake must be burned first; anyone can do that with \`ionet slash burn\``,
    (device.rewards > 0n || pending(device).length > 0) && "the device has unclaimed rewards; claim them first",
    device.offering !== Offering.Nothing && "end its offer first",
  );
}

/** `collectable` is the number of hours that the claim can collect. */
export const whyNotClaim = ({ device }: Standing, collectable: number): string | null =>
  first(
    device.rewards === 0n &&
      collectable === 0 &&
      (pending(device).length > 0
        ? `${hours(pending(device).length)} not settled yet; an hour is settled two hours or more after it began`
        : "there are no new rewards since the last claim"),
  );

/** Why its owner cannot appeal a slash. */
export const whyNotAppeal = ({ status, endsAt }: Pick<Slash, "status" | "endsAt">, now: number): string | null =>
  first(
    status === SlashStatus.Proposed && "the slash is only proposed; it takes effect once the second key approves it",
    status === SlashStatus.Appealed && "it was already appealed, and a slash can be appealed only once",
    now >= endsAt && `the time for an appeal ended on ${moment(endsAt)}`,
  );

/** Why its owner cannot make an offer. */
export function whyNotOffer(standing: Standing, costaking: Terms): string | null {
  const { device, least } = standing;
  return first(
    costaking.paused && "new offers are paused",
    device.offering !== Offering.Nothing && "the device already has an offer",
    waits(standing),
    device.ownStake < least && `stake the whole minimum yourself first: ${io(least - device.ownStake)} more`,
    unfit(standing) ?? false,
  );
}

/** What is wrong with each of an offer's terms. */
export function termsError(terms: { capacity: bigint; ticket: bigint; shareBps: number }, least: bigint, costaking: Terms) {
  const most = coStakeLimit(least, costaking);
  const capacity = terms.capacity === 0n ? "enter how much co-stakers may stake in total" : terms.capacity > most ? `at most ${io(most)}` : null;
  const share =
    terms.shareBps < costaking.minShareBps
      ? `at least ${percent(costaking.minShareBps)}`
      : terms.shareBps > 10_000
        ? "at most 100 %"
        : null;
  const ticket = terms.ticket === 0n ? "enter an amount above zero" : terms.ticket > terms.capacity ? "at most the capacity" : null;
  return { capacity, share, ticket };
}
