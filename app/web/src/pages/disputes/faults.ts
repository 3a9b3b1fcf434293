// What a conviction shows to be wrong, in words: `protocol::referee::Verdict`, `protocol::demand::Kind` and the programs' events.

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

/** What was wrong, in a sentence. `opName` is the op's name, where the model is known. */
export function explainFault({ fault, unit, op, element, expected, claimed }: Verdict, opName?: string): string {
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
      return `The device was asked on the chain to show a part of its result (unit ${unit}, ${at}) and did not answer in time.`;
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
}

/** What the device lost of its bond, and what it has back because it erred by permit. */
export function loss({ reward, compensation, burned }: Money, bond: bigint | null): { lost: bigint; returned: bigint } {
  const lost = reward + compensation + burned;
  return { lost, returned: bond !== null && bond > lost ? bond - lost : 0n };
}

/** What the consumer has in all: its lock and a part of the bond. They do not add up where the job was paid in another mint: bonds are in $IO. */
export const inAll = ({ refund, compensation }: Money, job: { foreign_mint: number } | undefined): bigint | null =>
  job?.foreign_mint === 0 ? refund + compensation : null;

const DEMANDS = ["hashes of a page of units", "hashes of a page of delivered outputs", "op outputs of a unit", "chunk hashes of an op's output", "a chunk of an op's output"];

/** What a demand asks for. */
export function demandName({ kind, unit, op, index }: { kind: number; unit: number; op: number; index: number }): string {
  const name = DEMANDS[kind] ?? `part ${kind}`;
  const where = [`unit ${unit}`, kind >= 3 && `op ${op}`, kind === 3 && `page ${index}`, kind === 4 && `chunk ${index}`].filter(Boolean).join(", ");
  return `${name} (${kind < 2 ? `from ${where} on` : where})`;
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
export const happened = (event: string): string => HAPPENED[event] ?? event.replace(/(?!^)([A-Z])/g, " $1").toLowerCase();

const REASONS = ["spoofing", "data compromise", "inadequate service", "breach of utilisation"];

/** Why people slashed. */
export const reasonName = (reason: number): string => REASONS[reason] ?? `reason ${reason}`;
