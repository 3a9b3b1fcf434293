// Convictions in words: `protocol::referee::Verdict`, `protocol::demand::Kind` and the programs' events.

import type { Event } from "../../lib/api";
import { words } from "../../lib/format";

/** Faults of a result, by the referee's numbers. */
export enum Fault {
  Element,
  Output,
  Malformed,
  Padding,
  Silence,
}

const FAULTS = ["wrong element", "wrong output", "malformed", "padding", "no answer"] as const;

/** Name of a fault. */
export const faultName = (fault: number): string => FAULTS[fault] ?? `fault ${fault}`;

/** The signed value of a code: `protocol::tensor::from_code`. */
export const fromCode = (code: number): number => code - 128;

/** A fault and its place. */
export interface Verdict {
  fault: number;
  unit: number;
  op: number;
  element: number;
  expected: number;
  claimed: number;
}

/**
 * Explains a fault. `opName` is the op's name, if the model is known; `asked` is the demand that a silent device did not answer, if known.
 */
export function explainFault({ fault, unit, op, element, expected, claimed }: Verdict, opName?: string, asked?: Item | null): string {
  const at = `op ${op}${opName ? ` (${opName})` : ""}`;
  switch (fault as Fault) {
    case Fault.Element:
      return `In unit ${unit}, ${at}, element ${element}: the op's inputs give ${fromCode(expected)}, but the device committed to ${fromCode(claimed)}.`;
    case Fault.Output:
      return `In unit ${unit}: the output that the device delivered is not the last value of its own trace.`;
    case Fault.Malformed:
      return `In unit ${unit}, ${at}: the device's commitment does not have the structure that the protocol requires.`;
    case Fault.Padding:
      return `In unit ${unit}, ${at}: the device committed to data beyond the last leaf of a tree.`;
    case Fault.Silence:
      return `The device did not answer a demand on the chain for ${asked ? demandName(asked) : "part of its result"} in time.`;
    default:
      return "The referee found a fault of a kind that this page does not know.";
  }
}

/** Payments of a conviction, in base units. */
export interface Money {
  refund: bigint;
  reward: bigint;
  compensation: bigint;
  burned: bigint;
  /** Paid by a permit on top of the reward, not by the device. */
  jackpot: bigint;
}

/** The part of the bond returned to the device because its error had a permit; `null` without one. */
export function returnedBy(events: readonly Event[]): bigint | null {
  const data = events.findLast(({ name }) => name === "PermitOpened")?.data;
  return data ? BigInt(data["returned"] as number) : null;
}

/** The device's loss. */
export const loss = ({ reward, compensation, burned }: Money): bigint => reward + compensation + burned;

/** Seconds after the priority period in which a permit can be opened: `protocol::permit::OPENING_SECONDS`. */
const OPENING = 3_600;
/** Shortest challenge window in seconds of a job in which a permit excuses an error: `protocol::permit::LEAST_WINDOW`. */
const LEAST_WINDOW = 60;

/** When the reward can be paid out whoever has a permit, which nobody can tell, unix seconds; `null` if no permit can apply. */
export function heldUntil(priorityEnds: number, job: { replicas: number; foreign_mint: number }, events: readonly Event[]): number | null {
  const last = (wanted: string) => events.findLast(({ name }) => name === wanted)?.data;
  const terms = last("JobOpened")?.["terms"] as { units: number; value_at_risk: number; window_seconds: number } | undefined;
  const price = last("JobClaimed")?.["price"] as number | undefined;
  if (terms === undefined || price === undefined) return null;
  const small = BigInt(terms.value_at_risk) <= BigInt(price) * BigInt(terms.units);
  const mayExcuse = job.replicas === 1 && job.foreign_mint === 0 && small && terms.window_seconds >= LEAST_WINDOW;
  return mayExcuse && returnedBy(events) === null ? priorityEnds + OPENING : null;
}

/**
 * Total for the consumer: its locked payment and part of the bond. `null` if the job was paid in another token, because bonds are in $IO.
 */
export const inAll = ({ refund, compensation }: Money, job: { foreign_mint: number } | undefined): bigint | null =>
  job?.foreign_mint === 0 ? refund + compensation : null;

/** Units or chunks of a page: `protocol::demand::PAGE`. */
const PAGE = 1_024;
const DEMANDS = ["hashes of a page of units", "hashes of a page of delivered outputs", "op outputs of a unit", "chunk hashes of an op's output", "a chunk of an op's output"];

/** A part of a result: `protocol::demand::Item`. */
export interface Item {
  kind: number;
  unit: number;
  op: number;
  index: number;
}

/** Describes what a demand asks for. */
export function demandName({ kind, unit, op, index }: Item): string {
  const name = DEMANDS[kind] ?? `part ${kind}`;
  if (kind < 2) return `${name} (starting at unit ${index * PAGE})`;
  const where = [`unit ${unit}`, kind >= 3 && `op ${op}`, kind === 3 && `page ${index}`, kind === 4 && `chunk ${index}`].filter(Boolean).join(", ");
  return `${name} (${where})`;
}

/**
 * The demand that a silent device did not answer: the verdict does not say what kind it
 * was. `null` if the events, oldest first, leave it open.
 */
export function silentOn({ unit, op, element }: Verdict, challenger: string, events: readonly Event[]): Item | null {
  const open = new Map<unknown, Item>();
  for (const { name, data } of events) {
    if (name === "DemandOpened" && data["challenger"] === challenger) open.set(data["demand"], data["item"] as Item);
    if (name === "DemandAnswered") open.delete(data["demand"]);
  }
  const [item, ...others] = [...open.values()].filter((item) => item.unit === unit && item.op === op && item.index === element);
  return item && others.length === 0 ? item : null;
}

const HAPPENED: Record<string, string> = {
  JobOpened: "the consumer opened the job",
  JobClaimed: "the device claimed the job and locked its bond",
  JobCommitted: "the device committed to its result",
  JobRevealed: "the device revealed the roots of its result",
  JobExtended: "the deadline was extended",
  RevealsCalled: "the replicas were asked to reveal",
  AuditDrawn: "the audit draw took place",
  AuditTaken: "an auditor took the audit",
  AuditCommitted: "the auditor committed to its result",
  AuditRevealed: "the auditor revealed its result",
  AuditProven: "the auditor proved that it computed",
  AuditClosed: "the audit ended",
  AuditSkipped: "no auditor took the audit",
  DemandOpened: "a challenger demanded part of the result",
  DemandAnswered: "the device answered the demand",
  DemandClosed: "the demand was closed",
  EvidenceSealed: "a challenger sealed evidence with the referee",
  EvidenceCompleted: "the evidence was complete",
  EvidenceClosed: "the evidence was closed and its rent returned",
  JobConvicted: "the chain convicted the device",
  ConvictionOvertaken: "a challenger with an earlier seal took over the reward",
  PermitOpened: "the device opened a permit for the error",
  PermitConfessed: "the device confessed to an error by permit",
  ChallengerAwarded: "the challenger was paid",
};

/** An event in words. */
export const happened = (event: string): string => HAPPENED[event] ?? words(event);

const REASONS = ["spoofing", "data compromise", "inadequate service", "breach of utilisation"];

/** Name of a slash's reason. */
export const reasonName = (reason: number): string => REASONS[reason] ?? `reason ${reason}`;
