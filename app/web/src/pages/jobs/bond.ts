// How large a bond must be for a lie not to pay: `protocol::bond` in TypeScript, which says why. `null` stands for a bond that does not fit.

const MOST = (1n << 64n) - 1n;
const WHOLE = 10_000n;
/** Prices that each of several replicas has at stake at least: a fifth, the consumer's share, pays for another run. */
const REPLICA_MULTIPLE = 5n;

const larger = (a: bigint, b: bigint) => (a > b ? a : b);

/** Chance, in basis points, that another replica notices a lie, each a fifth likely to be in league; rounded down. */
export function detection(replicas: number): bigint {
  const league = 5n ** BigInt(replicas - 1);
  return WHOLE - (WHOLE + league - 1n) / league;
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

/**
 * What the chain asks a device to have at stake for a job. Of replicas that agree nobody else has time to look, so only the others count; but one
 * that is left of them has only those who watch. Either has to be enough.
 */
export function ofJob(price: bigint, valueAtRisk: bigint, watchBps: number, replicas: number): bigint | null {
  const alone = required(price, valueAtRisk, BigInt(watchBps));
  if (replicas < 2) return alone;
  const beside = required(price, valueAtRisk, detection(replicas));
  const rerun = price * REPLICA_MULTIPLE;
  return alone === null || beside === null || rerun > MOST ? null : [alone, beside, rerun].reduce(larger);
}
