// The emission for suppliers: `protocol::emission`, in TypeScript.

/** Seconds in an hour; each hour has one reward block. */
export const HOUR = 3_600;
/** Months with an emission. */
export const MONTHS = 240;
/** Ratio of a month's emission to the month before: f = 0.98984…, in units of 10^-37. */
const FACTOR = 9_898_489_529_623_495_163_521_151_973_357_901_461n;
const SCALE = 10n ** 37n;
/** Base units lost to rounding, paid in the last month. */
const DUST = 125n;

/** Emission of a month in base units, counted from 0: `⌊10^15 / 3 · f^month⌋`; 0 outside the 240 months. */
export function emission(month: number): bigint {
  if (month < 0 || month >= MONTHS) return 0n;
  const power = BigInt(month);
  const exact = (10n ** 15n * FACTOR ** power) / (3n * SCALE ** power);
  return month === MONTHS - 1 ? exact + DUST : exact;
}

/** Months from January 1970 to a moment, in UTC. */
export function monthOf(seconds: number): number {
  const date = new Date(seconds * 1000);
  return (date.getUTCFullYear() - 1970) * 12 + date.getUTCMonth();
}

/** Start of a month counted from January 1970, in unix seconds. */
export const monthStart = (month: number): number => Date.UTC(1970, month, 1) / 1000;

/** Base units minted in the hour of a moment: the month's emission divided by its hours; the last hour also gets the remainder. */
export function block(genesisMonth: number, seconds: number): bigint {
  const month = monthOf(seconds);
  const hours = (monthStart(month + 1) - monthStart(month)) / HOUR;
  const index = Math.floor((seconds - monthStart(month)) / HOUR);
  const whole = emission(month - genesisMonth);
  return whole / BigInt(hours) + (index === hours - 1 ? whole % BigInt(hours) : 0n);
}
