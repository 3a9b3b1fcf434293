// How large a bond must be for a lie not to pay: `protocol::bond` in TypeScript, which says why. `null` stands for a bond that does not fit.

const MOST = (1n << 64n) - 1n;
const WHOLE = 10_000n;
/** Prices that each of several replicas has at stake at least: what pays for another run. */
const REPLICA_MULTIPLE = 5n;

const larger = (a: bigint, b: bigint) => (a > b ? a : b);

/** Chance, in basis points, that watchers or other replicas notice a lie; rounded down. */
export function detection(watchBps: number, replicas: number): bigint {
  const unseen = (WHOLE - BigInt(watchBps)) * WHOLE;
  const league = 5n ** BigInt(replicas - 1) * WHOLE;
  return WHOLE - (unseen + league - 1n) / league;
}

/** The smallest bond, in base units, for which honesty pays more than a lie, for a job of that price. */
export function required(price: bigint, valueAtRisk: bigint, detectionBps: bigint): bigint | null {
  if (detectionBps === 0n) return null;
  const lie = 4n * price + 5n * valueAtRisk;
  const gain = (lie * 2_000_000n) / (99n * detectionBps);
  const forgone = 10n * (price + valueAtRisk);
  if ([lie, gain, forgone].some((amount) => amount > MOST)) return null;
  return gain < forgone ? 0n : (gain - forgone) / 7n + 1n;
}

/** What the chain asks a device to have at stake for a job. Replicas that agree leave watchers no time, so there only the other replicas count. */
export function ofJob(price: bigint, valueAtRisk: bigint, watchBps: number, replicas: number): bigint | null {
  const [watch, multiple] = replicas > 1 ? [0, REPLICA_MULTIPLE] : [watchBps, 0n];
  const least = required(price, valueAtRisk, detection(watch, replicas));
  const rerun = price * multiple;
  return least === null || rerun > MOST ? null : larger(least, rerun);
}
