import type { ReactNode } from "react";
import type { Config } from "../../generated/governance";
import type { Found } from "../../lib/accounts";
import { percent, span } from "../../lib/format";
import { useNow } from "../../lib/market";
import { Card, Facts, Io, Key, Moment, Table } from "../../ui";
import { KIND_SAYS, KINDS } from "./rules";

/** The rules of voting, as they are in force. */
export function Rules({ config }: { config: Found<Config> }) {
  const now = useNow();
  const rows = KINDS.map((kind, place) => ({
    kind,
    says: KIND_SAYS[place] ?? "",
    quorum: config.quorumBps[place] ?? 0,
    approval: config.approvalBps[place] ?? 0,
    timelock: config.timelock[place] ?? 0,
  }));
  const over = Number(config.guardianUntil) <= now;
  return (
    <Card title="Rules in force">
      <Table
        caption="Thresholds and timelocks by what a proposal asks for"
        rows={rows}
        rowKey={({ kind }) => kind}
        columns={[
          { name: "Asks for", cell: ({ kind, says }) => <span title={`It ${says}`}>{kind}</span> },
          { name: "Quorum", number: true, cell: ({ quorum }) => percent(quorum) },
          { name: "Yes needed", number: true, cell: ({ approval }) => percent(approval) },
          { name: "Timelock", number: true, cell: ({ timelock }) => (timelock === 0 ? "none" : span(timelock)) },
        ]}
      />
      <Facts
        of={[
          ["The vote lasts", span(config.voting)],
          ["Time to execute", `${span(config.expiry)} after the timelock`],
          ["Ended by vetoes of", `${percent(config.vetoBps)} of all votes`],
          ["Deposit", <Io of={config.deposit} />],
          ["Guardian, who may pause", over ? "none: the last one's term is over" : <Key of={config.guardian} />],
          ...(over ? [] : ([["Its term ends", <Moment at={config.guardianUntil} />]] as [string, ReactNode][])),
          ["Signs what is decided", <Key of={config.authority} />],
        ]}
      />
      <details>
        <summary>What counts</summary>
        <p className="muted small">
          The strictest step of a proposal decides what it asks for, not its proposer. A quorum is a share of all $IO that circulates when the vote is opened; yes is
          counted among yes, no and veto. Stake counts when it had been there for a week by then, and no stake votes twice. Votes may be changed while the vote is on; a
          veto is taken until the timelock ends, and enough of them burn the deposit.
        </p>
        {rows.map(({ kind, says }) => (
          <p key={kind} className="muted small">
            <b>{kind}</b>: {says}.
          </p>
        ))}
      </details>
    </Card>
  );
}
