import { useQuery, type UseQueryResult } from "@tanstack/react-query";
import { useId, useState } from "react";
import { findBallotPda, type Ballot, type Proposal } from "../../generated/governance";
import { findSome, type Found } from "../../lib/accounts";
import { explain } from "../../lib/errors";
import { io } from "../../lib/format";
import { useMarket, useNow } from "../../lib/market";
import { useSending } from "../../lib/send";
import { useWallet } from "../../lib/wallet";
import { Answer, Button, Card, Empty, Table } from "../../ui";
import { BALLOT } from "./accounts";
import { pack, takeBack, vote } from "./instructions";
import { Choice, choiceName, CHOICES, isVotable, isVoting } from "./rules";
import { useOthers, useVoter, type Source } from "./sources";
import { many } from "./votes";
import { OthersUnknown, SourceName } from "./voter";

const SAYS = ["for it", "against it", "neither; counts for the quorum", "against it, and it should not have been made: enough vetoes burn its deposit"];

/** A source with its vote, if it has voted. */
interface Seat {
  source: Source;
  weight: bigint;
  ballot: Found<Ballot> | undefined;
}

/** Votes with everything that the wallet has at stake. */
export function VoteCard({ proposal }: { proposal: Found<Proposal> }) {
  const { address } = useWallet();
  const now = useNow();
  const own = useSeats(proposal, useVoter(address));
  const others = useSeats(proposal, useOthers(address));
  const seats = { ...own, data: own.data && [...own.data, ...(others.data ?? [])] };
  const open = CHOICES.some((_, choice) => isVotable(proposal, choice, now));
  return (
    <Card title="Your vote">
      {address === null ? (
        <Empty>Connect a wallet to vote with what it has at stake.</Empty>
      ) : (
        <Answer of={seats} empty="This wallet has nothing that votes here: what counts is stake that had been there for a week when the vote was opened.">
          {(found) => (
            <>
              <Table
                caption="What votes, and what it says"
                rows={found}
                rowKey={({ source }) => source.address}
                columns={[
                  { name: "What", cell: ({ source }) => <SourceName of={source} /> },
                  { name: "Weight", number: true, cell: ({ weight }) => io(weight) },
                  { name: "Says", cell: ({ ballot }) => (ballot ? choiceName(ballot.choice) : "nothing yet") },
                  { name: "Whose", wide: true, cell: ({ source }) => (source.owner === address ? "yours" : "you represent it") },
                ]}
              />
              {open ? <Cast proposal={proposal} seats={found} /> : <p className="muted small">The vote is over: what was voted stands.</p>}
            </>
          )}
        </Answer>
      )}
      {address !== null && <OthersUnknown of={others} />}
    </Card>
  );
}

/** Those of these sources that count in this vote. */
function useSeats(proposal: Found<Proposal>, of: UseQueryResult<{ sources: Source[] } | null>) {
  const market = useMarket();
  const sources = of.data?.sources ?? [];
  const ballots = useQuery({
    queryKey: ["seats", proposal.address, proposal.index.toString(), sources.map(({ address: at }) => at)],
    queryFn: async () => {
      const places = await Promise.all(sources.map(async ({ address: position }) => (await findBallotPda({ proposal: proposal.address, position }))[0]));
      return findSome(market, BALLOT, places);
    },
    enabled: of.data !== undefined,
  });
  const cast = ballots.data;
  const data = cast
    ? sources
        .map((source): Seat => {
          const ballot = cast.find((ballot) => ballot.source === source.address);
          return { source, ballot, weight: ballot?.weight ?? source.weightAt(Number(proposal.openedAt)).weight };
        })
        .filter(({ weight }) => weight > 0n)
    : undefined;
  return { data, error: of.error ?? ballots.error, isPending: !data };
}

function Cast({ proposal, seats }: { proposal: Found<Proposal>; seats: Seat[] }) {
  const id = useId();
  const now = useNow();
  const { signer } = useWallet();
  const { send } = useSending();
  const [chosen, setChosen] = useState<number | null>(null);
  const [others, setOthers] = useState(true);
  const [error, setError] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  if (!signer) return null;
  const isMine = ({ source }: Seat) => source.owner === signer.address;
  // An owner's own vote is not for a representative to change.
  const mayVote = (seat: Seat) => isMine(seat) || (others && !seat.ballot?.byOwner);
  const voting = seats.filter((seat) => mayVote(seat) && seat.ballot?.choice !== chosen);
  const weight = voting.reduce((sum, seat) => sum + seat.weight, 0n);
  const mine = seats.filter((seat) => isMine(seat) && seat.ballot);
  const all = async (run: () => Promise<void>) => {
    setError(null);
    setBusy(true);
    try {
      await run();
    } catch (failure) {
      setError(explain(failure));
    } finally {
      setBusy(false);
    }
  };
  const cast = () =>
    all(async () => {
      if (chosen === null) throw new Error("choose what to say first");
      if (voting.length === 0) throw new Error(`everything that votes says ${choiceName(chosen)} already`);
      const items = await Promise.all(
        voting.map(async (seat) => ({ item: seat, instructions: [await vote(signer, proposal, seat.source, seat.ballot, chosen)] })),
      );
      for (const { instructions, items: some } of pack(signer, items)) {
        const sum = some.reduce((total, seat) => total + seat.weight, 0n);
        await send({ title: `Vote ${choiceName(chosen)} on proposal ${proposal.index} with ${io(sum)}`, instructions });
      }
    });
  const unvote = () =>
    all(async () => {
      const items = mine.flatMap(({ ballot }) => (ballot ? [{ item: ballot, instructions: [takeBack(signer, ballot)] }] : []));
      for (const { instructions } of pack(signer, items)) await send({ title: "Take the vote back", instructions });
    });
  return (
    <form
      className="rows"
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        void cast();
      }}
    >
      <fieldset>
        <legend>What you say</legend>
        {CHOICES.map((choice, number) => {
          const votable = isVotable(proposal, number as Choice, now);
          return (
            <label key={choice} className="radio">
              <input type="radio" name={id} checked={chosen === number} disabled={!votable} onChange={() => setChosen(number)} />
              <span>
                <b>{choice}</b> <span className="muted small">{SAYS[number]}</span>
              </span>
            </label>
          );
        })}
      </fieldset>
      {!isVoting(proposal, now) && <p className="small">The vote is over; until the timelock ends a veto is still taken.</p>}
      {seats.some((seat) => !isMine(seat)) && (
        <label className="radio">
          <input type="checkbox" checked={others} onChange={(event) => setOthers(event.target.checked)} /> Vote for those you represent, too
        </label>
      )}
      <p className="muted small">
        {chosen === null ? "" : `${many(voting.length, "stake")} with ${io(weight)}. `}A vote costs the rent of its account, which comes back. You may change it while the vote is on.
      </p>
      {error && (
        <p className="wrong small" role="alert">
          {error}
        </p>
      )}
      <div className="actions">
        <Button kind="primary" type="submit" disabled={chosen === null} busy={busy}>
          {chosen === null ? "Vote" : `Vote ${choiceName(chosen)}`}
        </Button>
        {isVoting(proposal, now) && mine.length > 0 && (
          <Button busy={busy} onClick={() => void unvote()}>
            Take my vote back
          </Button>
        )}
      </div>
    </form>
  );
}
