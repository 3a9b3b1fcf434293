// What an order costs and which devices may take it: the rules of `programs/jobs` and `protocol::fees`, applied before anything is sent.

import { count } from "../../lib/format";
import { shareCeil, WHOLE_BPS } from "../../lib/math";
import { ofJob } from "./bond";

/** The value for "any GPU model" in a job's terms. */
export const ANY_GPU = 65_535;

/** How a result is checked. */
export interface Policy {
  id: "quick" | "standard" | "blind";
  name: string;
  note: string;
  replicas: number;
  windowSeconds: number;
}

/** Ways to check a result, the default first. */
export const POLICIES: readonly [Policy, ...Policy[]] = [
  {
    id: "standard",
    name: "Standard",
    note: "One device computes the job. Its result is paid after a challenge window of two minutes, in which anyone may recompute it and win part of the device's bond if it is wrong.",
    replicas: 1,
    windowSeconds: 120,
  },
  {
    id: "quick",
    name: "Quick",
    note: "One device computes the job, and the challenge window lasts only ten seconds. For results of little value.",
    replicas: 1,
    windowSeconds: 10,
  },
  {
    id: "blind",
    name: "Two blind replicas",
    note: "Two devices compute the same job without seeing each other's result. The result is final as soon as they agree, and you pay both.",
    replicas: 2,
    windowSeconds: 120,
  },
];

/** An order for a job. */
export interface Order {
  units: number;
  /** Base units per unit at the start and end of the auction. */
  startPrice: bigint;
  maxPrice: bigint;
  policy: Policy;
  gpuModel: number;
  minVramGb: number;
  minJobsDone: number;
  /** Base units that a wrong result could cost the consumer. */
  valueAtRisk: bigint;
  /** Chance that another device audits the result, besides the market's own draws; 0 for replicas, which check each other. */
  auditBps: number;
}

/** The market's parameters that an order depends on. */
export interface Parameters {
  feeBps: number;
  minBond: bigint;
  watchBps: number;
}

/** What an order costs at most. */
export interface Quote {
  /** Price of the units of all replicas. */
  work: bigint;
  fees: bigint;
  /** Amount locked in the escrow: work and fees. The unused part returns. */
  locked: bigint;
  /** Largest bond that each device may need; `null` if it would be above u64. */
  bond: bigint | null;
}

/** The most an order can cost, and the bond that the chain requires for it. Fees round up, as on the chain. */
export function quote(order: Order, { feeBps, minBond, watchBps }: Parameters): Quote {
  const base = order.maxPrice * BigInt(order.units);
  const replicas = BigInt(order.policy.replicas);
  const fee = shareCeil(base, feeBps);
  const bond = ofJob(base, order.valueAtRisk, watchBps, order.policy.replicas);
  return { work: base * replicas, fees: fee * replicas, locked: (base + fee) * replicas, bond: bond !== null && bond < minBond ? minBond : bond };
}

/** Largest number in a job's requirements. */
const MOST_ASKED = 65_535;

/** Parses a number in a job's requirements. */
export function asked(text: string): { number: number; error: string | null } {
  if (/^\d{1,5}$/.test(text) && Number(text) <= MOST_ASKED) return { number: Number(text), error: null };
  return { number: 0, error: `enter a whole number of at most ${count(MOST_ASKED)}` };
}

/** Why an order is invalid, as a sentence; `null` if it is valid. */
export function problem(order: Order, parameters: Parameters): string | null {
  if (order.maxPrice <= 0n) return "the maximum price must be above zero";
  if (order.startPrice > order.maxPrice) return "the starting price is above the maximum price; raise the maximum";
  if (order.maxPrice * BigInt(order.units) >= 1n << 63n) return "the total price is too large; lower the maximum price";
  if (order.auditBps > Number(WHOLE_BPS)) return "the chance of an audit is at most 100 %";
  if (quote(order, parameters).bond === null) return "no device could post a bond this large; lower the price or the cost of a wrong result";
  return null;
}

/** A device, with what decides whether it may take a job. */
export interface Candidate {
  owner: string;
  active: boolean;
  gpuModel: number;
  vramGb: number;
  /** Whether its GPU model has a multiplier. */
  listed: boolean;
  jobsDone: number;
  /** Whether a slash is waiting for its bonds. */
  due: boolean;
  /** Own stake that is not locked as a bond. */
  free: bigint;
  /** Whether own stake and co-stake reach the minimum. */
  staked: boolean;
  /** Whether its probation is over. */
  hireable: boolean;
}

/** The first reason why a device may not take an order; `null` if it may. */
export function obstacle(device: Candidate, order: Order, bond: bigint): string | null {
  if (!device.active || !device.listed) return "out of service";
  if (device.due) return "stake owed to a slash";
  if (!device.hireable) return "still on probation";
  if (!device.staked) return "stake below the minimum";
  if (order.gpuModel !== ANY_GPU && device.gpuModel !== order.gpuModel) return "different GPU model";
  if (device.vramGb < order.minVramGb) return "not enough GPU memory";
  if (device.jobsDone < order.minJobsDone) return "not enough jobs completed";
  if (device.free < bond) return "not enough free stake for the bond";
  return null;
}

/** How many devices may take an order, how many owners they have, and how many may not for each reason. */
export interface Match {
  able: number;
  owners: number;
  reasons: [reason: string, count: number][];
}

/** Matches devices with an order. */
export function match(devices: readonly Candidate[], order: Order, bond: bigint): Match {
  const reasons = new Map<string, number>();
  const owners = new Set<string>();
  let able = 0;
  for (const device of devices) {
    const reason = obstacle(device, order, bond);
    if (reason === null) {
      able += 1;
      owners.add(device.owner);
    } else {
      reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
    }
  }
  return { able, owners: owners.size, reasons: [...reasons].sort((a, b) => b[1] - a[1]) };
}

/** Why an order cannot be completed although devices may take it, as a sentence; `null` if it can. An owner may take only one replica. */
export function shortage({ able, owners }: Match, { policy: { replicas } }: Order): string | null {
  if (able === 0 || owners >= replicas) return null;
  return `Only ${owners === 1 ? "one owner has" : `${owners} owners have`} such devices, but the ${replicas} replicas need devices of different owners.`;
}
