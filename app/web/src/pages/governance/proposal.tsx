import type { ReactNode } from "react";
import type { Address } from "@solana/kit";
import type { Proposal } from "../../generated/governance";
import { useOne, type Found } from "../../lib/accounts";
import { useList, type ProposalRow } from "../../lib/api";
import { capital, hex, io, percent } from "../../lib/format";
import { useNow } from "../../lib/market";
import { useWallet } from "../../lib/wallet";
import { Answer, Card, Empty, Facts, Io, Key, Loading, Moment, Problem, Title } from "../../ui";
import { PROPOSAL, useInForce } from "./accounts";
import { recall } from "./draft";
import { Duties } from "./duties";
import { cast, hasEnded, KIND_NOTES, kindName, shareOf, standing, Status, statusName, yesNeeded, type Life } from "./rules";
import { Steps, useWritten } from "./steps";
import { TextCard } from "./textcard";
import { textIn } from "./units";
import { VoteCard } from "./vote";
import { StatusBadge, VoteList, VotesBar } from "./votes";
import { Writing } from "./writing";

/** One proposal. */
export default function ProposalPage({ address }: { address: Address }) {
  const account = useOne(PROPOSAL, address);
  const row = useList<ProposalRow>("proposals", { address });
  const state = useInForce();
  const known = row.data?.[0];
  // Another proposal may be created at the same address; the key keeps a choice made for this one from applying to it.
  if (account.data) return <There key={String(account.data.index)} proposal={account.data} state={state} />;
  if (account.data === null && known) return <Gone row={known} />;
  if (account.data === null && row.data) return <Problem error={new Error("there is no proposal at this address")} />;
  const error = account.error ?? row.error;
  return error ? <Problem error={error} retry={() => void account.refetch()} /> : <Loading />;
}

type InForce = ReturnType<typeof useInForce>;

function There({ proposal, state }: { proposal: Found<Proposal>; state: InForce }) {
  const { address: me } = useWallet();
  const steps = useWritten(proposal, state.data);
  const mine = proposal.status === Status.Draft && proposal.proposer === me;
  const draft = mine ? recall(proposal.address) : null;
  const replaced = steps.data?.some(({ words }) => words.replacesCode);
  const title = textIn(proposal.title) ?? "no title";
  return (
    <>
      <Head number={proposal.index} title={title} status={proposal.status} kind={proposal.kind} proposer={proposal.proposer} />
      {replaced && !hasEnded(proposal.status) && (
        <p className="banner" role="note">
          <b>This proposal replaces a program's code.</b> New code can do anything that the program's accounts allow, including with stakes and escrows. Only the code with the
          SHA-256 below can be deployed: build the proposed commit yourself and compare the hashes before you vote.
        </p>
      )}
      {mine && !draft && (
        <p className="banner" role="note">
          The rest of this draft is in the browser in which you started it. Continue there, or cancel the proposal.
        </p>
      )}
      {draft && state.data && <Writing draft={draft} state={state.data} />}
      <Stand life={proposal} openedAt={proposal.openedAt} deposit={proposal.deposit}>
        {state.data ? <Duties proposal={proposal} state={state.data} steps={steps.data} /> : <Answer of={state}>{() => null}</Answer>}
      </Stand>
      <Steps proposal={proposal} steps={steps} />
      <TextCard hash={hex(proposal.textHash)} />
      <div className="columns">
        <Tallies life={proposal} />
        {proposal.status !== Status.Draft && <VoteCard proposal={proposal} />}
      </div>
      {proposal.status !== Status.Draft && <VoteList proposal={proposal.address} number={Number(proposal.index)} />}
    </>
  );
}

/** A proposal whose account was closed; only the indexer has its history. */
function Gone({ row }: { row: ProposalRow }) {
  const votes = { yes: BigInt(row.yes), no: BigInt(row.no), abstain: BigInt(row.abstain), veto: BigInt(row.veto) };
  return (
    <>
      <Head number={row.number} title={row.title} status={row.status} kind={row.kind} proposer={row.proposer} />
      <Card title="Result">
        <p>This proposal has ended and was closed: its deposit was released and its steps are no longer on the chain. The details below come from the indexer.</p>
        <Facts
          of={[
            ["Created", <Moment at={row.created_at} />],
            ["Voting ended", <Moment at={row.voting_ends} />],
            ["Steps", row.instructions ?? "–"],
            ["Quorum", <Io of={row.quorum} />],
          ]}
        />
        <VotesBar votes={votes} quorum={BigInt(row.quorum)} />
      </Card>
      <TextCard hash={row.text_hash} />
      <VoteList proposal={row.address} number={row.number} />
    </>
  );
}

function Head({ number, title, status, kind, proposer }: { number: bigint | number; title: string; status: number; kind: number; proposer: string }) {
  return (
    <Title
      up={["/governance", "All proposals"]}
      note={
        <>
          <StatusBadge of={status} /> {capital(kindName(kind))} proposal: it {KIND_NOTES[kind] ?? "is of a kind that this page does not know"}. Proposed by <Key of={proposer} />
        </>
      }
    >
      <span className="wrap">
        {String(number)}: {title}
      </span>
    </Title>
  );
}

/** Statuses of a proposal that succeeds, in order. */
const PATH = [Status.Draft, Status.Voting, Status.Queued, Status.Executed];

function Stand({ life, openedAt, deposit, children }: { life: Life; openedAt: bigint; deposit: bigint; children: ReactNode }) {
  const now = useNow();
  const ended = hasEnded(life.status) && life.status !== Status.Executed;
  // A proposal that ended early shows the statuses it reached, then the final one.
  const reached = ended ? [Status.Draft, ...(openedAt > 0n ? [Status.Voting] : []), life.status] : PATH;
  return (
    <Card title="Status">
      <ol className="life" aria-label="Stages of the proposal">
        {reached.map((status) => (
          <li key={status} aria-current={status === life.status ? "step" : undefined}>
            {capital(statusName(status))}
          </li>
        ))}
      </ol>
      <p role="status">{standing(life, now)}</p>
      {life.status !== Status.Draft && (
        <Facts
          of={[
            ["Vote opened", <Moment at={openedAt} />],
            [now < life.votingEnds ? "Vote ends" : "Vote ended", <Moment at={life.votingEnds} />],
            ["Executable from", <Moment at={life.eta} />],
            ["Executable until", <Moment at={life.expiresAt} />],
            ["Steps executed", `${life.executed} of ${life.instructions}`],
            ["Deposit held", io(deposit)],
          ]}
        />
      )}
      {children}
    </Card>
  );
}

function Tallies({ life }: { life: Life }) {
  const all = cast(life);
  const { yes, no, abstain, veto, quorum, approvalBps, vetoBps } = life;
  if (life.status === Status.Draft) return <Card title="Votes"><Empty>The vote has not started yet.</Empty></Card>;
  const needed = yesNeeded(life, life);
  return (
    <Card title="Votes">
      <VotesBar votes={life} quorum={quorum} />
      <Facts
        of={[
          ["Yes", io(yes)],
          ["No", io(no)],
          ["Abstain", io(abstain)],
          ["Veto", io(veto)],
          ["Quorum", `${io(all)} of ${io(quorum)} (${all >= quorum ? "reached" : `${io(quorum - all)} missing`})`],
          [
            "Approval (yes among yes, no, veto)",
            `${percent(shareOf(yes, yes + no + veto))}, needs ${percent(approvalBps)} (${yes > 0n && yes >= needed ? "reached" : "not reached"})`,
          ],
          ["Vetoes", `${percent(shareOf(veto, all))} of all votes; ${percent(vetoBps)} end the proposal and burn the deposit`],
        ]}
      />
    </Card>
  );
}
