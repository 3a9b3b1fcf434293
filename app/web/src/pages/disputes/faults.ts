// What a conviction shows to be wrong, in words: `protocol::referee::Verdict`, `protocol::demand::Kind` and the programs' events.

import type { Event } from "../../lib/api";
import { words } from "../../lib/format";

/** What is wrong with a result, as the referee counts it. */
export enum Fault {
  Element,
  Output,
  Malformed,
  Padding,
  Silence,
}

const FAULTS = ["wrong element", "wrong output", "malformed", "padding", "silence"] as const;

/** A fault in a word. */
export const faultName = (fault: number): string => FAULTS[fault] ?? `fault ${fault}`;

/** The signed value that a code stands for: `protocol::tensor::from_code`. */
export const fromCode = (code: number): number => code - 128;

/** Where a result is wrong. */
export interface Verdict {
  fault: number;
  unit: number;
  op: number;
  element: number;
  expected: number;
  claimed: number;
}

/** What was wrong, in a sentence. `opName` is the op's name, where the model is known, and `asked` what a silent device did not show, where that is. */
export function explainFault({ fault, unit, op, element, expected, claimed }: Verdict, opName?: string, asked?: Item | null): string {
  const at = `op ${op}${opName ? ` (${opName})` : ""}`;
  switch (fault as Fault) {
    case Fault.Element:
      return `In unit ${unit}, ${at}, element ${element}: the op makes ${fromCode(expected)} of its inputs, and the device committed to ${fromCode(claimed)}.`;
    case Fault.Output:
      return `In unit ${unit}: the output that the device delivered is not the one its own computation ends in.`;
    case Fault.Malformed:
      return `In unit ${unit}, ${at}: what the device committed to is not built as the protocol says.`;
    case Fault.Padding:
      return `In unit ${unit}, ${at}: the device committed to something beyond the last leaf of a tree.`;
    case Fault.Silence:
      return `The device was asked on the chain to show ${asked ? demandName(asked) : "a part of its result"} and did not answer in time.`;
    default:
      return "The referee found a fault that this page does not know.";
  }
}

/** What a conviction moved, in base units. */
export interface Money {
  refund: bigint;
  reward: bigint;
  compensation: bigint;
  burned: bigint;
  /** What a permit adds to the reward; it is not the device's. */
  jackpot: bigint;
}

/** What of the bond is the device's again, by the events of a job that turned out to be in error by permit; `null` of another. */
export function returnedBy(events: readonly Event[]): bigint | null {
  const data = events.findLast(({ name }) => name === "PermitOpened")?.data;
  return data ? BigInt(data["returned"] as number) : null;
}

/** What the device lost of its bond. */
export const loss = ({ reward, compensation, burned }: Money): bigint => reward + compensation + burned;

/** Seconds that the secret of a permit has after the priority: `protocol::permit::OPENING_SECONDS`. */
const OPENING = 3_600;

/** When the reward may be paid out though the device has a sealed permit, unix seconds; `null` where no permit excuses the error. */
export function heldUntil(priorityEnds: number, replicas: number, events: readonly Event[]): number | null {
  const terms = events.findLast(({ name }) => name === "JobOpened")?.data["terms"] as { value_at_risk?: number } | undefined;
  return replicas === 1 && terms?.value_at_risk === 0 && returnedBy(events) === null ? priorityEnds + OPENING : null;
}

/** What the consumer has in all: its lock and a part of the bond. They do not add up where the job was paid in another mint: bonds are in $IO. */
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

/** What a demand asks for. */
export function demandName({ kind, unit, op, index }: Item): string {
  const name = DEMANDS[kind] ?? `part ${kind}`;
  if (kind < 2) return `${name} (from unit ${index * PAGE} on)`;
  const where = [`unit ${unit}`, kind >= 3 && `op ${op}`, kind === 3 && `page ${index}`, kind === 4 && `chunk ${index}`].filter(Boolean).join(", ");
  return `${name} (${where})`;
}

/** What a silent device was asked to show: the verdict leaves open what its numbers count. `null` where the events, oldest first, do not tell. */
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
  JobClaimed: "the device took it and put its bond at stake",
  JobCommitted: "the device committed to its result",
  JobRevealed: "the device showed the roots of its result",
  JobExtended: "the deadline was extended",
  RevealsCalled: "the replicas were asked to reveal",
  AuditDrawn: "it was decided whether the result is audited",
  AuditTaken: "an auditor took the audit",
  AuditCommitted: "the auditor committed to its result",
  AuditRevealed: "the auditor revealed its result",
  AuditProven: "the auditor proved that it computed",
  AuditClosed: "the audit ended",
  AuditSkipped: "nobody took the audit",
  DemandOpened: "a challenger asked for a part of the result",
  DemandAnswered: "the device showed it",
  DemandClosed: "the question was closed",
  EvidenceSealed: "a challenger sealed evidence with the referee",
  EvidenceCompleted: "the evidence was there in full",
  EvidenceClosed: "the evidence was closed and its rent returned",
  JobConvicted: "the chain convicted the device",
  ConvictionOvertaken: "an earlier seal took the reward over",
  PermitOpened: "the error turned out to be one by permit",
  ChallengerAwarded: "the challenger was paid",
};

/** What an event says happened. */
export const happened = (event: string): string => HAPPENED[event] ?? words(event);

const REASONS = ["spoofing", "data compromise", "inadequate service", "breach of utilisation"];

/** Why people slashed. */
export const reasonName = (reason: number): string => REASONS[reason] ?? `reason ${reason}`;
