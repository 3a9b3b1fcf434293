import { count, decimal, IO, percent } from "../../lib/format";
import { Badge } from "../../ui";
import { cast, CHOICES, shareOf, STATUSES, statusName, type Votes } from "./rules";

const COLORS = ["--line-3", "--bad", "--muted", "--line-4"];
const TONES: Partial<Record<(typeof STATUSES)[number], "good" | "bad" | "busy">> = {
  voting: "busy",
  queued: "busy",
  executed: "good",
  defeated: "bad",
  vetoed: "bad",
};

/** A proposal's state in a word. */
export const StatusBadge = ({ of }: { of: number }) => <Badge tone={TONES[STATUSES[of] ?? "draft"] ?? "plain"}>{statusName(of)}</Badge>;

/** Votes as a bar as long as the quorum, or as all of them where there are more; below it the same in words. */
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
        {quorum > 0n && `; ${all >= quorum ? "quorum reached" : `${percent(shareOf(all, quorum))} of the quorum`}`}
      </span>
    </div>
  );
}

/** “1 transaction”, “2 transactions”. */
export const many = (number: number, thing: string): string => `${count(number)} ${thing}${number === 1 ? "" : "s"}`;
