import { Link } from "wouter";
import type { Proposal } from "../../generated/governance";
import { useAll, type Found } from "../../lib/accounts";
import { useList, type ProposalRow } from "../../lib/api";
import { span } from "../../lib/format";
import { useNow } from "../../lib/market";
import { Answer, Card, Problem, Table, Title } from "../../ui";
import { governs, PROPOSAL, useGovernance, useInForce } from "./accounts";
import { Rules } from "./inforce";
import { accountOf, kindName, Status } from "./rules";
import { VoterCard } from "./voter";
import { StatusBadge, VotesBar } from "./votes";

/** What stakers decide. */
export function ProposalsPage() {
  const config = useGovernance();
  const state = useInForce();
  return (
    <>
      <Title
        says="Whoever has staked or co-staked decides: parameters, the GPU table, the treasury, the programs' code. No parameter reaches a stake, an escrow or a reward; new code could, so it waits for longest."
        actions={
          <Link className="button primary" href="/governance/new">
            New proposal
          </Link>
        }
      >
        Governance
      </Title>
      {state.data && !governs(state.data) && (
        <p className="banner" role="status">
          Governance does not govern here yet: <code>{state.data.staking.authority}</code> still holds the authorities. What is decided can be executed once the last
          migration has handed them over.
        </p>
      )}
      <Proposals />
      <div className="columns">
        <VoterCard />
        <Answer of={config}>
          {(found) => (found ? <Rules config={found} /> : <Problem error={new Error("governance is not set up on this chain; its migrations do that")} />)}
        </Answer>
      </div>
    </>
  );
}

function Proposals() {
  const list = useList<ProposalRow>("proposals");
  const accounts = useAll(["proposals"], PROPOSAL);
  const now = useNow();
  const live = (row: ProposalRow) => accountOf(row, accounts.data);
  return (
    <Card title="Proposals">
      <Answer of={{ ...list, data: list.rows }} empty="Nothing has been proposed yet.">
        {(rows) => (
          <Table
            caption="Proposals, the latest first"
            rows={rows}
            rowKey={({ number }) => number}
            more={list}
            columns={[
              {
                name: "Proposal",
                cell: ({ number, title, address }) => (
                  <span className="wrap">
                    <Link href={`/governance/${address}`}>
                      {number}: {title}
                    </Link>
                  </span>
                ),
              },
              { name: "Asks for", wide: true, cell: ({ kind }) => kindName(kind) },
              { name: "Status", cell: (row) => <StatusBadge of={live(row)?.status ?? row.status} /> },
              { name: "Next", cell: (row) => next(row, live(row), now) },
              { name: "Votes", cell: (row) => <Tally row={row} account={live(row)} /> },
            ]}
          />
        )}
      </Answer>
    </Card>
  );
}

/** What happens next, and when. */
function next(row: ProposalRow, account: Found<Proposal> | undefined, now: number): string {
  const left = (moment: number) => span(moment - now);
  switch (account?.status ?? row.status) {
    case Status.Draft:
      return "being written";
    case Status.Voting:
      return now < row.voting_ends ? `${left(row.voting_ends)} to vote` : "to be counted";
    case Status.Queued:
      return now < row.eta ? `due in ${left(row.eta)}` : now < row.expires_at ? `${left(row.expires_at)} to execute` : "too late";
    default:
      return "–";
  }
}

function Tally({ row, account }: { row: ProposalRow; account: Found<Proposal> | undefined }) {
  const votes = account ?? { yes: BigInt(row.yes), no: BigInt(row.no), abstain: BigInt(row.abstain), veto: BigInt(row.veto) };
  return <VotesBar votes={votes} quorum={account?.quorum ?? BigInt(row.quorum)} />;
}
