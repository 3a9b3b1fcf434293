import type { ReactNode } from "react";
import { address as parseAddress, isAddress, type Address } from "@solana/kit";
import { useParams } from "wouter";
import type { Proposal } from "../../generated/governance";
import { useOne, type Found } from "../../lib/accounts";
import { useAnswer, type Page, type ProposalRow } from "../../lib/api";
import { hex, io, percent } from "../../lib/format";
import { useNow } from "../../lib/market";
import { useWallet } from "../../lib/wallet";
import { Answer, Card, Empty, Facts, Io, Key, Loading, Moment, Problem, Title } from "../../ui";
import { PROPOSAL, useInForce } from "./accounts";
import { recall } from "./draft";
import { Duties } from "./duties";
import { cast, hasEnded, KIND_SAYS, kindName, shareOf, standing, Status, STATUSES, yesNeeded, type Life } from "./rules";
import { Steps, useWritten } from "./steps";
import { TextCard } from "./textcard";
import { textIn } from "./units";
import { VoteCard } from "./vote";
import { StatusBadge, VoteList, VotesBar } from "./votes";
import { Writing } from "./writing";

/** One proposal. */
export function ProposalPage() {
  const { address = "" } = useParams<{ address: string }>();
  if (!isAddress(address)) return <Problem error={new Error(`“${address}” is not an address`)} />;
  return <Asked address={parseAddress(address)} />;
}

function Asked({ address }: { address: Address }) {
  const account = useOne(PROPOSAL, address);
  const row = useAnswer<Page<ProposalRow>>("proposals", { address });
  const state = useInForce();
  const known = row.data?.rows[0];
  // Another proposal may come to the same address: nothing chosen for this one is for that.
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
          <b>This replaces a program's code.</b> New code can do anything that the program's accounts allow, stakes and escrows included. What is voted on is the code with the
          SHA-256 below, and no other can be executed: build the proposed commit yourself and compare before you vote.
        </p>
      )}
      {mine && !draft && (
        <p className="banner" role="note">
          The rest of this draft is in the browser in which you began it: go on there, or take it back.
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

/** A proposal whose account was cleared away: history alone has it. */
function Gone({ row }: { row: ProposalRow }) {
  const votes = { yes: BigInt(row.yes), no: BigInt(row.no), abstain: BigInt(row.abstain), veto: BigInt(row.veto) };
  return (
    <>
      <Head number={row.number} title={row.title} status={row.status} kind={row.kind} proposer={row.proposer} />
      <Card title="How it ended">
        <p>It has ended and was cleared away: its deposit and rents are back, its steps are gone from the chain. This is what its history says.</p>
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
      says={
        <>
          <StatusBadge of={status} /> Kind {kindName(kind)}: it {KIND_SAYS[kind] ?? "does what this page does not know"}. By <Key of={proposer} />
        </>
      }
    >
      <span className="wrap">
        {String(number)}: {title}
      </span>
    </Title>
  );
}

/** States in which a proposal can be, in the order of its life. */
const PATH = [Status.Draft, Status.Voting, Status.Queued, Status.Executed];

function Stand({ life, openedAt, deposit, children }: { life: Life; openedAt: bigint; deposit: bigint; children: ReactNode }) {
  const now = useNow();
  const ended = hasEnded(life.status) && life.status !== Status.Executed;
  // What ended on the way stands behind what it had reached.
  const reached = ended ? [Status.Draft, ...(openedAt > 0n ? [Status.Voting] : []), life.status] : PATH;
  return (
    <Card title="Where it stands">
      <ol className="life" aria-label="States of the proposal">
        {reached.map((status) => (
          <li key={status} aria-current={status === life.status ? "step" : undefined}>
            {STATUSES[status]}
          </li>
        ))}
      </ol>
      <p role="status">{standing(life, now)}</p>
      {life.status !== Status.Draft && (
        <Facts
          of={[
            ["Vote opened", <Moment at={openedAt} />],
            [now < life.votingEnds ? "Vote ends" : "Vote ended", <Moment at={life.votingEnds} />],
            ["May be executed from", <Moment at={life.eta} />],
            ["Until", <Moment at={life.expiresAt} />],
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
  if (life.status === Status.Draft) return <Card title="Votes"><Empty>The vote is not open yet.</Empty></Card>;
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
          ["Quorum", `${io(all)} of ${io(quorum)}: ${all >= quorum ? "reached" : `${io(quorum - all)} missing`}`],
          [
            "Yes among yes, no and veto",
            `${percent(shareOf(yes, yes + no + veto))} of ${percent(approvalBps)} needed: ${yes > 0n && yes >= needed ? "reached" : "not reached"}`,
          ],
          ["Veto among all", `${percent(shareOf(veto, all))}; ${percent(vetoBps)} end it and burn the deposit`],
        ]}
      />
    </Card>
  );
}
