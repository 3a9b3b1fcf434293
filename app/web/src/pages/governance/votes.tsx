import { useList, type VoteRow } from "../../lib/api";
import { capital, decimal, io, IO, percent } from "../../lib/format";
import { Badge, Card, Key, List, Moment } from "../../ui";
import { cast, choiceName, CHOICES, shareOf, STATUSES, statusName, type Votes } from "./rules";

const COLORS = ["--line-3", "--bad", "--muted", "--line-4"];
const TONES: Partial<Record<(typeof STATUSES)[number], "good" | "bad" | "busy">> = {
  voting: "busy",
  queued: "busy",
  executed: "good",
  defeated: "bad",
  vetoed: "bad",
};

/** A proposal's status as a badge. */
export const StatusBadge = ({ of }: { of: number }) => <Badge tone={TONES[STATUSES[of] ?? "draft"] ?? "plain"}>{statusName(of)}</Badge>;

/** Votes as a bar, with the same in words below. The bar's length is the quorum, or all votes if there are more. */
export function VotesBar({ votes, quorum }: { votes: Votes; quorum: bigint }) {
  const all = cast(votes);
  const whole = all > quorum ? all : quorum;
  const parts = CHOICES.map((choice, place) => ({ choice, weight: votes[choice], color: COLORS[place] ?? "--muted" })).filter(({ weight }) => weight > 0n);
  return (
    <div className="votes">
      <div className="bar" aria-hidden="true">
        {parts.map(({ choice, weight, color }) => (
          <i key={choice} style={{ width: `${shareOf(weight, whole) / 100}%`, background: `var(${color})` }} />
        ))}
      </div>
      <span className="small">
        {parts.length === 0 ? "No votes yet" : parts.map(({ choice, weight }) => `${decimal(weight, IO)} ${choice}`).join(", ")}
        {quorum > 0n && `; ${all >= quorum ? "quorum reached" : `${percent(shareOf(all, quorum))} of quorum`}`}
      </span>
    </div>
  );
}

/** Every vote on a proposal. Its address alone would also bring the votes on an earlier proposal that had the same address. */
export function VoteList({ proposal, number }: { proposal: string; number: number }) {
  const list = useList<VoteRow>("votes", { proposal, number });
  return (
    <Card title="Votes cast">
      <List
        of={list}
        empty="Nobody has voted yet."
        caption="Votes, latest first; a changed vote is listed again"
        rowKey={({ id }) => id}
        columns={[
          { name: "Voter", cell: ({ voter }) => <Key of={voter} /> },
          { name: "Choice", cell: ({ choice }) => capital(choiceName(choice)) },
          { name: "Weight", number: true, cell: ({ weight }) => io(weight) },
          { name: "Stake", wide: true, cell: ({ source }) => <Key of={source} /> },
          { name: "When", cell: ({ time }) => <Moment at={time} /> },
          { name: "Transaction", wide: true, cell: ({ signature }) => <Key of={signature} /> },
        ]}
      />
    </Card>
  );
}
