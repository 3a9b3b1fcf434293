// Hours that a device is present for: what `Device::check_in` counts, in TypeScript.

import type { Device } from "../../generated/staking";
import { span } from "../../lib/format";
import { HOUR } from "../rewards/emission";
import type { Standing } from "./rules";
import { counting, minimumOf, TERMINATED } from "./stake";

/**
 * Hours of uptime without a gap, the last check-in included; `null` if the device is not online: check-ins to an hour end with the next one,
 * so it has missed an hour three hours after the last one that it checked in to began.
 */
export const uptime = ({ lastHour, streakHour }: Pick<Device, "lastHour" | "streakHour">, now: number): number | null =>
  lastHour > 0 && now < (lastHour + 3) * HOUR ? lastHour - streakHour + 1 : null;

/** [`uptime`] in words. */
export function uptimeText(device: Pick<Device, "lastHour" | "streakHour">, now: number): string {
  const hours = uptime(device, now);
  return hours !== null ? `${hours} h` : device.lastHour === 0 ? "none yet" : "interrupted";
}

type Present = Pick<Device, "status" | "ownStake" | "coStake" | "lockedBond" | "dues" | "lastHour" | "streakHour">;

/** Why a device earns no rewards now, as the end of “the device is …”; `null` if it is there and staked. */
export function idle(device: Present, least: bigint, now: number): string | null {
  if (device.status === TERMINATED) return "retired";
  if (counting(device) + device.coStake < least) return "below its minimum stake";
  if (uptime(device, now) !== null) return null;
  return device.lastHour === 0 ? "not online yet" : "offline";
}

type Counted = Present & Pick<Device, "registeredAt" | "fresh" | "freshBefore" | "freshHour">;

/** Stake that came in since an hour began: `Device::fresh_from`. */
const freshFrom = ({ fresh, freshBefore, freshHour }: Counted, hour: number): bigint =>
  (freshHour >= hour ? fresh : 0n) + (freshHour > hour ? freshBefore : 0n);

/** Whether a device that answers every call can check in to an hour with that minimum stake: `Device::check_in`. */
const canCheckIn = (device: Counted, hour: number, least: bigint): boolean =>
  device.status !== TERMINATED &&
  hour > device.lastHour &&
  device.registeredAt <= hour * HOUR &&
  counting(device) + device.coStake - freshFrom(device, hour) >= least;

/**
 * What a withdrawal of own stake does to a device's uptime, as a verb with its object, if an hour that it has not checked in to yet would no
 * longer count: stake that came in during an hour does not count for it. `null` if no hour is lost.
 */
export function interruption({ device, gpu, config, now }: Standing, amount: bigint): string | null {
  // A device that has missed an hour already starts over anyway.
  const hours = uptime(device, now);
  if (hours === null) return null;
  const after = { ...device, ownStake: device.ownStake - amount };
  const current = Math.floor(now / HOUR);
  const lost = [current, current - 1].find((hour) => {
    const least = minimumOf(device, gpu, config, hour * HOUR);
    return canCheckIn(device, hour, least) && !canCheckIn(after, hour, least);
  });
  if (lost === undefined) return null;
  const harmless = span((lost + 2) * HOUR - now);
  return `interrupts its uptime of ${hours} h, because stake that came in lately does not count yet; in ${harmless} it costs no hour`;
}
