// The bond that makes cheating unprofitable: `protocol::bond` in TypeScript; the derivation is there. `null` stands for a bond above u64.

import { larger, WHOLE_BPS } from "../../lib/math";

const MOST = (1n << 64n) - 1n;
/** Least bond of a replica, in prices of the job: a fifth of it, the consumer's share, pays for another run. */
const REPLICA_MULTIPLE = 5n;

/** Probability that another replica exposes a wrong result, if each colludes with a chance of one fifth; basis points, rounded down. */
function detection(replicas: number): bigint {
  const collusion = 5n ** BigInt(replicas - 1);
  return WHOLE_BPS - (WHOLE_BPS + collusion - 1n) / collusion;
}

/** The smallest bond, in base units, with which a job of that price pays more when done honestly. */
function required(price: bigint, valueAtRisk: bigint, detectionBps: bigint): bigint | null {
  if (detectionBps === 0n) return null;
  const lie = 4n * price + 5n * valueAtRisk;
  const gain = (lie * 2_000_000n) / (99n * detectionBps);
  const forgone = 10n * (price + valueAtRisk);
  if ([lie, gain, forgone].some((amount) => amount > MOST)) return null;
  return gain < forgone ? 0n : (gain - forgone) / 7n + 1n;
}

/**
 * The bond that the chain requires for a job. Replicas that agree settle before anyone can recompute the result, so they only deter each
 * other; if only one replica delivers, only watchers deter it. The bond covers both cases.
 */
export function ofJob(price: bigint, valueAtRisk: bigint, watchBps: number, replicas: number): bigint | null {
  const alone = required(price, valueAtRisk, BigInt(watchBps));
  if (replicas < 2) return alone;
  const beside = required(price, valueAtRisk, detection(replicas));
  return alone === null || beside === null ? null : [alone, beside, price * REPLICA_MULTIPLE].reduce(larger);
}
