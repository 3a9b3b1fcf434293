import { expect, test } from "vitest";
import { accountOf, cancelObstacle, cast, choiceName, Choice, due, isExecutable, isVotable, Outcome, outcome, standing, Status, yesNeeded, type Life } from "./rules";

const THRESHOLDS = { quorum: 100n, approvalBps: 5_000, vetoBps: 3_334 };
const votes = (yes: number, no: number, abstain: number, veto: number) => ({
  yes: BigInt(yes),
  no: BigInt(no),
  abstain: BigInt(abstain),
  veto: BigInt(veto),
});

// The cases of `protocol::ballot`.
test("a proposal passes with a quorum and the exact approval", () => {
  const cases: [ReturnType<typeof votes>, Outcome][] = [
    [votes(50, 49, 0, 0), Outcome.Defeated],
    [votes(50, 50, 0, 0), Outcome.Passed],
    [votes(49, 50, 1, 0), Outcome.Defeated],
    [votes(1, 0, 99, 0), Outcome.Passed],
    [votes(1, 0, 98, 0), Outcome.Defeated],
    [votes(0, 0, 100, 0), Outcome.Defeated],
    [votes(67, 0, 0, 33), Outcome.Passed],
    [votes(66, 0, 0, 34), Outcome.Vetoed],
    [votes(40, 20, 20, 20), Outcome.Passed],
    [votes(39, 20, 21, 20), Outcome.Defeated],
    [votes(0, 0, 0, 99), Outcome.Defeated],
    [votes(0, 0, 0, 0), Outcome.Defeated],
  ];
  for (const [said, found] of cases) expect(outcome(said, THRESHOLDS), JSON.stringify(said, (_, value) => String(value))).toBe(found);
  expect(outcome(votes(0, 0, 0, 0), { ...THRESHOLDS, quorum: 0n })).toBe(Outcome.Defeated);
  expect(cast(votes(1, 2, 3, 4))).toBe(10n);
  // Half of 99 rounds up, and abstentions do not count.
  expect(yesNeeded(votes(50, 49, 7, 0), THRESHOLDS)).toBe(50n);
});

const life = (change: Partial<Life> = {}): Life => ({
  status: Status.Voting,
  votingEnds: 100n,
  eta: 200n,
  expiresAt: 300n,
  instructions: 2,
  executed: 0,
  ...votes(100, 0, 0, 0),
  ...THRESHOLDS,
  ...change,
});

test("the next status follows from the clock and the votes", () => {
  const queued = { status: Status.Queued };
  const vetoed = votes(60, 0, 0, 40);
  const cases: [Partial<Life>, number, Status | null][] = [
    [{}, 99, null],
    [{}, 100, Status.Queued],
    [votes(10, 0, 0, 0), 100, Status.Defeated],
    [vetoed, 99, null],
    [vetoed, 100, Status.Vetoed],
    [queued, 299, null],
    [queued, 300, Status.Expired],
    [{ ...queued, ...vetoed }, 150, Status.Vetoed],
    [{ status: Status.Executed }, 999, null],
    [{ status: Status.Draft }, 999, null],
  ];
  for (const [change, now, next] of cases) expect(due(life(change), now)).toBe(next);
  expect([199, 200, 299, 300].map((now) => isExecutable(life(queued), now))).toEqual([false, true, true, false]);
  expect(isExecutable(life({ ...queued, ...vetoed }), 250)).toBe(false);
  expect([99, 100].map((now) => isVotable(life(), Choice.Yes, now))).toEqual([true, false]);
  expect([199, 200].map((now) => isVotable(life(queued), Choice.Veto, now))).toEqual([true, false]);
  expect(isVotable(life(queued), Choice.No, 150)).toBe(false);
});

test("a proposer can cancel in time, but not to escape vetoes", () => {
  expect(cancelObstacle(life(), 99)).toBeNull();
  expect(cancelObstacle(life({ status: Status.Draft }), 999)).toBeNull();
  expect(cancelObstacle(life(), 100)).toContain("over");
  // Below the quorum, but still not to be escaped.
  expect(cancelObstacle(life(votes(1, 0, 0, 1)), 99)).toContain("vetoes");
});

test("every status has a sentence", () => {
  expect(standing(life(), 40)).toBe("Voting ends in 1 min. The proposal is currently passing.");
  expect(standing(life({ status: Status.Queued }), 150)).toContain("executed in 50 s");
  expect(standing(life({ status: Status.Queued }), 250)).toContain("within 50 s");
  expect(standing(life({ status: Status.Queued, ...votes(60, 0, 0, 40) }), 150)).toContain("vetoed since");
  expect(choiceName(255)).toBe("withdrawn");
  expect(choiceName(3)).toBe("veto");
});

test("a closed proposal has no account, even if a later one has its address", () => {
  const accounts = [{ address: "a", index: 7n, status: Status.Voting }];
  expect(accountOf({ address: "a", number: 7 }, accounts)?.status).toBe(Status.Voting);
  expect(accountOf({ address: "a", number: 3 }, accounts)).toBeUndefined();
  expect(accountOf({ address: "b", number: 7 }, accounts)).toBeUndefined();
  expect(accountOf({ address: "a", number: 7 }, undefined)).toBeUndefined();
});
