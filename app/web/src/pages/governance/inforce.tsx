import type { Config } from "../../generated/governance";
import type { Found } from "../../lib/accounts";
import { capital, percent, span } from "../../lib/format";
import { useNow } from "../../lib/market";
import { Card, Facts, Io, Key, Moment, Table } from "../../ui";
import { KIND_NOTES, KINDS } from "./rules";

/** The current rules of voting. */
export function Rules({ config }: { config: Found<Config> }) {
  const now = useNow();
  const rows = KINDS.map((kind, place) => ({
    kind,
    note: KIND_NOTES[place] ?? "",
    quorum: config.quorumBps[place] ?? 0,
    approval: config.approvalBps[place] ?? 0,
    timelock: config.timelock[place] ?? 0,
  }));
  const over = Number(config.guardianUntil) <= now;
  return (
    <Card title="Voting rules">
      <Table
        caption="Thresholds and timelocks by kind of proposal"
        rows={rows}
        rowKey={({ kind }) => kind}
        columns={[
          { name: "Kind", cell: ({ kind, note }) => <span title={`It ${note}`}>{capital(kind)}</span> },
          { name: "Quorum", number: true, cell: ({ quorum }) => percent(quorum) },
          { name: "Approval", number: true, cell: ({ approval }) => percent(approval) },
          { name: "Timelock", number: true, cell: ({ timelock }) => (timelock === 0 ? "none" : span(timelock)) },
        ]}
      />
      <Facts
        of={[
          ["Voting period", span(config.voting)],
          ["Time to execute", `${span(config.expiry)} after the timelock`],
          ["Veto threshold", `${percent(config.vetoBps)} of all votes`],
          ["Deposit", <Io of={config.deposit} />],
          ["Guardian, who can pause", over ? "none: the last term has ended" : <Key of={config.guardian} />],
          !over && ["Guardian's term ends", <Moment at={config.guardianUntil} />],
          ["Governance authority", <Key of={config.authority} />],
        ]}
      />
      <details>
        <summary>How votes are counted</summary>
        <p className="muted small">
          The kind of a proposal is that of its strictest step. The quorum is a share of the $IO in circulation when the vote opens; approval is the share of yes among
          yes, no and veto. Stake counts if it was at least a week old at that time, and no stake can vote twice. Votes can be changed during the voting period. A veto
          is accepted until the timelock ends, and enough vetoes burn the deposit.
        </p>
        {rows.map(({ kind, note }) => (
          <p key={kind} className="muted small">
            <b>{capital(kind)}</b>: {note}.
          </p>
        ))}
      </details>
    </Card>
  );
}
