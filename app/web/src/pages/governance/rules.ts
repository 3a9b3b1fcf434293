// When a proposal passes and what can happen next: `protocol::ballot` and governance's `Proposal`, in TypeScript.

import { span } from "../../lib/format";
import { shareCeil, WHOLE_BPS } from "../../lib/math";

/** A proposal account's `status`. */
export enum Status {
  Draft,
  Voting,
  Queued,
  Executed,
  Defeated,
  Vetoed,
  Cancelled,
  Expired,
}

/** A voter's choice. */
export enum Choice {
  Yes,
  No,
  Abstain,
  Veto,
}

/** The outcome of a vote. */
export enum Outcome {
  Passed,
  Defeated,
  Vetoed,
}

/** The choice of a vote that was withdrawn. */
const WITHDRAWN = 255;

/** Kinds of proposals, from the least power to the most. */
export const KINDS = ["guardian", "parameter", "treasury", "upgrade"] as const;
/** What each kind may do. */
export const KIND_NOTES = [
  "names the guardian and its term",
  "changes parameters of the market",
  "moves what the treasury holds",
  "replaces code, authorities or the voting rules, or makes any other call",
] as const;
/** Choices by their number. */
export const CHOICES = ["yes", "no", "abstain", "veto"] as const;
/** Statuses by their number. */
export const STATUSES = ["draft", "voting", "queued", "executed", "defeated", "vetoed", "cancelled", "expired"] as const;

/** A kind's name. */
export const kindName = (kind: number): string => KINDS[kind] ?? "unknown";
/** A status's name. */
export const statusName = (status: number): string => STATUSES[status] ?? "unknown";
/** A choice's name, or that the vote was withdrawn. */
export const choiceName = (choice: number): string => (choice === WITHDRAWN ? "withdrawn" : (CHOICES[choice] ?? "unknown"));

/** Votes by weight, in base units. */
export interface Votes {
  yes: bigint;
  no: bigint;
  abstain: bigint;
  veto: bigint;
}

/** Thresholds of a vote. */
export interface Thresholds {
  /** Votes needed, including abstentions. */
  quorum: bigint;
  /** Share of yes among yes, no and veto. */
  approvalBps: number;
  /** Share of vetoes among all votes that ends the proposal. */
  vetoBps: number;
}

/** The parts of a proposal that its course depends on; times are unix seconds. */
export interface Life extends Votes, Thresholds {
  status: number;
  votingEnds: bigint;
  /** End of the timelock. */
  eta: bigint;
  expiresAt: bigint;
  instructions: number;
  executed: number;
}

/** The weight of all votes, and of those for or against. */
export const cast = ({ yes, no, abstain, veto }: Votes): bigint => yes + no + abstain + veto;
const decided = ({ yes, no, veto }: Votes): bigint => yes + no + veto;

/** Basis points that a part is of a whole, rounded down; 0 of nothing. */
export const shareOf = (part: bigint, whole: bigint): number => (whole === 0n ? 0 : Number((part * WHOLE_BPS) / whole));

/** Weight of yes needed, given the votes cast so far. */
export const yesNeeded = (votes: Votes, { approvalBps }: Thresholds): bigint => shareCeil(decided(votes), approvalBps);

/** The outcome of the votes. Without any yes, nothing passes. */
export function outcome(votes: Votes, thresholds: Thresholds): Outcome {
  const all = cast(votes);
  const enough = all >= thresholds.quorum;
  if (votes.veto > 0n && votes.veto >= shareCeil(all, thresholds.vetoBps) && enough) return Outcome.Vetoed;
  return enough && votes.yes > 0n && votes.yes >= yesNeeded(votes, thresholds) ? Outcome.Passed : Outcome.Defeated;
}

/** Whether a proposal has ended. */
export const hasEnded = (status: number): boolean => status > Status.Queued;

/** Whether the vote is open. */
export const isVoting = ({ status, votingEnds }: Life, now: number): boolean => status === Status.Voting && now < votingEnds;

/** Whether a vote for this choice can be cast: any while the vote is open, a veto until the timelock ends. */
export const isVotable = (life: Life, choice: Choice, now: number): boolean =>
  isVoting(life, now) || (life.status === Status.Queued && now < life.eta && choice === Choice.Veto);

/** The status that `advance_proposal` would set; `null` if it would change nothing. */
export function due(life: Life, now: number): Status | null {
  const result = outcome(life, life);
  if (life.status === Status.Voting) {
    if (now < life.votingEnds) return null;
    return result === Outcome.Vetoed ? Status.Vetoed : result === Outcome.Passed ? Status.Queued : Status.Defeated;
  }
  if (life.status !== Status.Queued) return null;
  if (result === Outcome.Vetoed) return Status.Vetoed;
  return now >= life.expiresAt ? Status.Expired : null;
}

/** Whether the next instruction can be executed. */
export const isExecutable = (life: Life, now: number): boolean =>
  life.status === Status.Queued && now >= life.eta && now < life.expiresAt && outcome(life, life) !== Outcome.Vetoed;

/** Why its proposer cannot cancel it, as a sentence; `null` if that is possible. */
export function cancelObstacle(life: Life, now: number): string | null {
  if (life.status !== Status.Draft && !isVoting(life, now)) return "the vote is over";
  if (outcome(life, { ...life, quorum: 0n }) === Outcome.Vetoed) return "so many votes are vetoes that the deposit would be burned";
  return null;
}

/** Describes a proposal's status and what can happen next. */
export function standing(life: Life, now: number): string {
  const stands = outcome(life, life) === Outcome.Passed ? "passing" : "not passing";
  const until = (moment: bigint) => span(Number(moment) - now);
  switch (life.status as Status) {
    case Status.Draft:
      return "The proposer is still preparing it.";
    case Status.Voting:
      return now < life.votingEnds ? `Voting ends in ${until(life.votingEnds)}. The proposal is currently ${stands}.` : `Voting has ended with the proposal ${stands}. Anyone can count the votes.`;
    case Status.Queued:
      if (outcome(life, life) === Outcome.Vetoed) return "It passed but has been vetoed since. Anyone can end it.";
      if (now < life.eta) return `It passed and can be executed in ${until(life.eta)}. Until then it can be vetoed.`;
      if (now >= life.expiresAt) return "It passed, but was not executed in time.";
      return `It passed. Anyone can execute it within ${until(life.expiresAt)}.`;
    case Status.Executed:
      return "It passed and was executed in full.";
    case Status.Defeated:
      return "It did not pass.";
    case Status.Vetoed:
      return "It was vetoed, and its deposit is burned.";
    case Status.Cancelled:
      return "The proposer cancelled it.";
    case Status.Expired:
      return "It passed, but nobody executed it in time.";
    default:
      return "This page does not know its status.";
  }
}

/** The account of a proposal from the indexer, if it still exists. Its address is not enough: the proposer may have used it again. */
export const accountOf = <Account extends { address: string; index: bigint }>(
  { address, number }: { address: string; number: number },
  accounts: readonly Account[] | undefined,
): Account | undefined => accounts?.find((account) => account.address === address && account.index === BigInt(number));
