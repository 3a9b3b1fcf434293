// When a proposal passes and what may happen to it next: `protocol::ballot` and governance's `Proposal`, in TypeScript.

import { span } from "../../lib/format";

/** Where a proposal stands, as the account has it. */
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

/** What a voter says. */
export enum Choice {
  Yes,
  No,
  Abstain,
  Veto,
}

/** What votes say. */
export enum Outcome {
  Passed,
  Defeated,
  Vetoed,
}

/** Number that stands for a vote that was taken back. */
const TAKEN_BACK = 255;
const WHOLE_BPS = 10_000n;

/** Kinds of proposals from the least they ask for to the most. */
export const KINDS = ["guardian", "parameter", "treasury", "upgrade"] as const;
/** What each kind may do. */
export const KIND_SAYS = [
  "names the guardian and its term",
  "changes parameters of the market",
  "moves what the treasury holds",
  "replaces code, authorities or the rules of voting, or calls what is not known: anything",
] as const;
/** Choices by their number. */
export const CHOICES = ["yes", "no", "abstain", "veto"] as const;
/** States by their number. */
export const STATUSES = ["draft", "voting", "queued", "executed", "defeated", "vetoed", "cancelled", "expired"] as const;

/** A kind's name. */
export const kindName = (kind: number): string => KINDS[kind] ?? "unknown";
/** A state's name. */
export const statusName = (status: number): string => STATUSES[status] ?? "unknown";
/** A choice's name, or that the vote was taken back. */
export const choiceName = (choice: number): string => (choice === TAKEN_BACK ? "taken back" : (CHOICES[choice] ?? "unknown"));

/** Votes by weight, in base units. */
export interface Votes {
  yes: bigint;
  no: bigint;
  abstain: bigint;
  veto: bigint;
}

/** What votes have to reach. */
export interface Thresholds {
  /** Votes there must be, abstentions included. */
  quorum: bigint;
  /** Share of yes among yes, no and veto. */
  approvalBps: number;
  /** Share of vetoes among all votes that ends a proposal. */
  vetoBps: number;
}

/** A proposal as far as its life is concerned; moments are unix seconds. */
export interface Life extends Votes, Thresholds {
  status: number;
  votingEnds: bigint;
  /** End of the timelock. */
  eta: bigint;
  expiresAt: bigint;
  instructions: number;
  executed: number;
}

/** All votes, and those for or against. */
export const cast = ({ yes, no, abstain, veto }: Votes): bigint => yes + no + abstain + veto;
const decided = ({ yes, no, veto }: Votes): bigint => yes + no + veto;

const shareCeil = (amount: bigint, bps: number): bigint => (amount * BigInt(bps) + WHOLE_BPS - 1n) / WHOLE_BPS;

/** Basis points that a part is of a whole, rounded down; 0 of nothing. */
export const shareOf = (part: bigint, whole: bigint): number => (whole === 0n ? 0 : Number((part * WHOLE_BPS) / whole));

/** Yes that there must be for the votes cast so far. */
export const yesNeeded = (votes: Votes, { approvalBps }: Thresholds): bigint => shareCeil(decided(votes), approvalBps);

/** What the votes say. Without a yes nothing passes. */
export function outcome(votes: Votes, thresholds: Thresholds): Outcome {
  const all = cast(votes);
  const enough = all >= thresholds.quorum;
  if (votes.veto > 0n && votes.veto >= shareCeil(all, thresholds.vetoBps) && enough) return Outcome.Vetoed;
  return enough && votes.yes > 0n && votes.yes >= yesNeeded(votes, thresholds) ? Outcome.Passed : Outcome.Defeated;
}

/** Whether nothing can happen to it any more. */
export const hasEnded = (status: number): boolean => status > Status.Queued;

/** Whether the vote is on. */
export const isVoting = ({ status, votingEnds }: Life, now: number): boolean => status === Status.Voting && now < votingEnds;

/** Whether a vote may be cast or changed to this choice: any while the vote is on, a veto until the timelock has ended. */
export const isVotable = (life: Life, choice: Choice, now: number): boolean =>
  isVoting(life, now) || (life.status === Status.Queued && now < life.eta && choice === Choice.Veto);

/** Where `advance_proposal` would move it, or `null` while nothing is due. */
export function due(life: Life, now: number): Status | null {
  const says = outcome(life, life);
  if (life.status === Status.Voting) {
    if (now < life.votingEnds) return null;
    return says === Outcome.Vetoed ? Status.Vetoed : says === Outcome.Passed ? Status.Queued : Status.Defeated;
  }
  if (life.status !== Status.Queued) return null;
  if (says === Outcome.Vetoed) return Status.Vetoed;
  return now >= life.expiresAt ? Status.Expired : null;
}

/** Whether its next instruction may be executed. */
export const isExecutable = (life: Life, now: number): boolean =>
  life.status === Status.Queued && now >= life.eta && now < life.expiresAt && outcome(life, life) !== Outcome.Vetoed;

/** Why its proposer cannot take it back, as a sentence; `null` when it can. */
export function cancelObstacle(life: Life, now: number): string | null {
  if (life.status !== Status.Draft && !isVoting(life, now)) return "the vote is over";
  if (outcome(life, { ...life, quorum: 0n }) === Outcome.Vetoed) return "so many of the votes are vetoes that its deposit would burn";
  return null;
}

/** Where it stands, and what may happen next. */
export function standing(life: Life, now: number): string {
  const stands = outcome(life, life) === Outcome.Passed ? "passing" : "not passing";
  const until = (moment: bigint) => span(Number(moment) - now);
  switch (life.status as Status) {
    case Status.Draft:
      return "Its proposer is still writing it.";
    case Status.Voting:
      return now < life.votingEnds ? `The vote is on for ${until(life.votingEnds)} more; it is ${stands}.` : `The vote is over, ${stands}; anyone may count it.`;
    case Status.Queued:
      if (outcome(life, life) === Outcome.Vetoed) return "It passed and was vetoed since; anyone may end it.";
      if (now < life.eta) return `It passed. It may be executed in ${until(life.eta)}, and vetoed until then.`;
      if (now >= life.expiresAt) return "It passed, and was not executed in time.";
      return `It passed. Anyone may execute it within ${until(life.expiresAt)}.`;
    case Status.Executed:
      return "It passed, and all of it was done.";
    case Status.Defeated:
      return "It did not pass.";
    case Status.Vetoed:
      return "Vetoes ended it; its deposit burns.";
    case Status.Cancelled:
      return "Its proposer took it back.";
    case Status.Expired:
      return "It passed, but nobody executed it in time.";
    default:
      return "This page does not know its state.";
  }
}

/** The account of a proposal that the indexer tells of, if it is still there. Its address alone does not tell: its proposer may have used it again. */
export const accountOf = <Account extends { address: string; index: bigint }>(
  { address, number }: { address: string; number: number },
  accounts: readonly Account[] | undefined,
): Account | undefined => accounts?.find((account) => account.address === address && account.index === BigInt(number));
