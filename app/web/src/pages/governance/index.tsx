import { Link } from "wouter";
import type { Proposal } from "../../generated/governance";
import { useAll, type Found } from "../../lib/accounts";
import { useList, type ProposalRow } from "../../lib/api";
import { capital, span } from "../../lib/format";
import { useNow } from "../../lib/market";
import { Answer, Card, Key, List, Problem, Title } from "../../ui";
import { governs, PROPOSAL, useGovernance, useInForce } from "./accounts";
import { Rules } from "./inforce";
import { accountOf, kindName, Status } from "./rules";
import { VoterCard } from "./voter";
import { StatusBadge, VotesBar } from "./votes";

/** All proposals, the wallet's voting power and the rules. */
export default function ProposalsPage() {
  const config = useGovernance();
  const state = useInForce();
  const list = useList<ProposalRow>("proposals");
  return (
    <>
      <Title
        note="Stakers and co-stakers decide on parameters, the GPU table, the treasury and the programs' code. No parameter can touch stakes, escrows or rewards. New code could, so upgrades have the longest timelock."
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
          Governance is not in control yet: <Key of={state.data.staking.authority} /> still holds the authorities. Proposals can be executed once the last migration has
          handed them over.
        </p>
      )}
      <Proposals list={list} />
      {/* Not before the list is loaded, which would move them down; but they do not wait for an indexer that does not answer. */}
      {(!list.isPending || list.failureCount > 0) && (
        <div className="columns">
          <VoterCard />
          <Answer of={config}>
            {(found) => (found ? <Rules config={found} /> : <Problem error={new Error("governance is not set up on this cluster; run its migrations")} />)}
          </Answer>
        </div>
      )}
    </>
  );
}

function Proposals({ list }: { list: ReturnType<typeof useList<ProposalRow>> }) {
  const accounts = useAll(["proposals"], PROPOSAL);
  const now = useNow();
  const live = (row: ProposalRow) => accountOf(row, accounts.data);
  return (
    <Card title="Proposals">
      <List
        of={list}
        empty="There are no proposals yet."
        caption="Proposals, latest first"
        rowKey={({ number }) => number}
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
          { name: "Kind", wide: true, cell: ({ kind }) => capital(kindName(kind)) },
          { name: "Status", cell: (row) => <StatusBadge of={live(row)?.status ?? row.status} /> },
          { name: "Next", cell: (row) => next(row, live(row), now) },
          { name: "Votes", cell: (row) => <Tally row={row} account={live(row)} /> },
        ]}
      />
    </Card>
  );
}

/** The next stage, and when it begins. */
function next(row: ProposalRow, account: Found<Proposal> | undefined, now: number): string {
  const left = (moment: number) => span(moment - now);
  switch (account?.status ?? row.status) {
    case Status.Draft:
      return "In preparation";
    case Status.Voting:
      return now < row.voting_ends ? `${left(row.voting_ends)} to vote` : "Ready to count";
    case Status.Queued:
      return now < row.eta ? `Executable in ${left(row.eta)}` : now < row.expires_at ? `${left(row.expires_at)} to execute` : "Expired";
    default:
      return "–";
  }
}

function Tally({ row, account }: { row: ProposalRow; account: Found<Proposal> | undefined }) {
  const votes = account ?? { yes: BigInt(row.yes), no: BigInt(row.no), abstain: BigInt(row.abstain), veto: BigInt(row.veto) };
  return <VotesBar votes={votes} quorum={account?.quorum ?? BigInt(row.quorum)} />;
}
