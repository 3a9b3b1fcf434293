// What an order costs and who may take it: the rules of programs/jobs and protocol::fees, reckoned before anything is sent.

import { ofJob } from "./bond";

/** Any GPU model, as a job's terms say it. */
export const ANY_GPU = 65_535;
const WHOLE_BPS = 10_000n;

/** How a result is checked. */
export interface Policy {
  id: "quick" | "standard" | "blind";
  name: string;
  says: string;
  replicas: number;
  windowSeconds: number;
}

/** Ways to have a result checked, the usual one first. */
export const POLICIES: readonly [Policy, ...Policy[]] = [
  {
    id: "standard",
    name: "Standard",
    says: "One device computes. For two minutes anybody may recompute the result and take its bond if it is wrong; then it is paid.",
    replicas: 1,
    windowSeconds: 120,
  },
  {
    id: "quick",
    name: "Quick",
    says: "One device computes, and the result may be challenged for ten seconds only. For pictures that are worth little.",
    replicas: 1,
    windowSeconds: 10,
  },
  {
    id: "blind",
    name: "Two blind replicas",
    says: "Two devices compute the same without seeing each other's result. It is final as soon as they agree, and both are paid.",
    replicas: 2,
    windowSeconds: 120,
  },
];

/** What somebody orders. */
export interface Order {
  units: number;
  /** Base units per unit, where the auction starts and ends. */
  startPrice: bigint;
  maxPrice: bigint;
  policy: Policy;
  gpuModel: number;
  minVramGb: number;
  minJobsDone: number;
  /** Base units that a wrong result could cost the consumer. */
  valueAtRisk: bigint;
}

/** The market's parameters that an order depends on. */
export interface Parameters {
  feeBps: number;
  minBond: bigint;
  watchBps: number;
}

/** What an order costs at most. */
export interface Quote {
  /** For the units of all replicas. */
  work: bigint;
  fees: bigint;
  /** Set aside in the escrow: both together. What is not used returns. */
  locked: bigint;
  /** What each device has to have at stake at most; `null` when no bond could be as large. */
  bond: bigint | null;
}

const shareCeil = (base: bigint, bps: number): bigint => (base * BigInt(bps) + WHOLE_BPS - 1n) / WHOLE_BPS;

/** The most an order can cost, and the bond that the chain asks for it. Fees round up, as on the chain. */
export function quote(order: Order, { feeBps, minBond, watchBps }: Parameters): Quote {
  const base = order.maxPrice * BigInt(order.units);
  const replicas = BigInt(order.policy.replicas);
  const fee = shareCeil(base, feeBps);
  const bond = ofJob(base, order.valueAtRisk, watchBps, order.policy.replicas);
  return { work: base * replicas, fees: fee * replicas, locked: (base + fee) * replicas, bond: bond !== null && bond < minBond ? minBond : bond };
}

/** Most that terms can ask of a device in a number. */
const MOST_ASKED = 65_535;

/** A number that terms ask of a device, as somebody types it, and what is wrong with it. */
export function asked(text: string): { number: number; error: string | null } {
  if (/^\d{1,5}$/.test(text) && Number(text) <= MOST_ASKED) return { number: Number(text), error: null };
  return { number: 0, error: `a whole number of at most ${MOST_ASKED}, please` };
}

/** What is wrong with an order, as a sentence; `null` when nothing is. */
export function problem(order: Order, parameters: Parameters): string | null {
  if (order.maxPrice <= 0n) return "the highest price must be above zero";
  if (order.startPrice > order.maxPrice) return "the price starts above where it ends; raise the highest price";
  if (order.maxPrice * BigInt(order.units) >= 1n << 63n) return "the price times the units is more than can exist; lower it";
  if (quote(order, parameters).bond === null) return "the bond would not fit: no device can have as much at stake; lower the price or what a wrong result could cost";
  return null;
}

/** A device, as far as it matters for who may take a job. */
export interface Candidate {
  owner: string;
  active: boolean;
  gpuModel: number;
  vramGb: number;
  /** Its GPU model earns something. */
  listed: boolean;
  jobsDone: number;
  /** A slash waits for its bonds. */
  due: boolean;
  /** Own stake that stands for no other job. */
  free: bigint;
  /** Own stake and co-stake reach the minimum. */
  staked: boolean;
  /** May be hired: its probation is over. */
  hireable: boolean;
}

/** Why a device may not take an order, the first reason; `null` when it may. */
export function obstacle(device: Candidate, order: Order, bond: bigint): string | null {
  if (!device.active || !device.listed) return "out of service";
  if (device.due) return "a slash waits for its bonds";
  if (!device.hireable) return "registered too recently to be hired";
  if (!device.staked) return "staked below its minimum";
  if (order.gpuModel !== ANY_GPU && device.gpuModel !== order.gpuModel) return "another GPU model";
  if (device.vramGb < order.minVramGb) return "too little GPU memory";
  if (device.jobsDone < order.minJobsDone) return "too few jobs done";
  if (device.free < bond) return "too little free stake for the bond";
  return null;
}

/** Who may take an order: how many devices, of how many owners, and how many may not for each reason. */
export interface Match {
  able: number;
  owners: number;
  reasons: [reason: string, count: number][];
}

/** Who may take an order. */
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

/** What keeps an order from being done although devices may take it, as a sentence; `null` when nothing does. An owner takes one replica. */
export function shortage({ able, owners }: Match, { policy: { replicas } }: Order): string | null {
  if (able === 0 || owners >= replicas) return null;
  return `Only ${owners === 1 ? "one owner has" : `${owners} owners have`} such devices, and each of the ${replicas} replicas needs another owner's.`;
}
