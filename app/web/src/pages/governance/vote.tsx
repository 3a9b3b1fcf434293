import { useQuery, type UseQueryResult } from "@tanstack/react-query";
import { useId, useState } from "react";
import { findBallotPda, type Ballot, type Proposal } from "../../generated/governance";
import { findSome, type Found } from "../../lib/accounts";
import { capital, io, many } from "../../lib/format";
import { useMarket, useNow } from "../../lib/market";
import { useWallet, type Signer } from "../../lib/wallet";
import { Answer, Button, Card, Empty, Table, Wrong } from "../../ui";
import { useActs } from "../../ui/act";
import { BALLOT } from "./accounts";
import { pack, takeBack, vote } from "./instructions";
import { Choice, choiceName, CHOICES, isVotable, isVoting } from "./rules";
import { useOthers, useVoter, type Source } from "./sources";
import { OthersUnknown, SourceName } from "./voter";

const CHOICE_NOTES = ["in favour", "against", "neither, but counts towards the quorum", "against, as abusive or harmful: enough vetoes burn the deposit"];

/** A source with its weight in this vote, and its ballot if it has voted. */
interface Seat {
  source: Source;
  weight: bigint;
  ballot: Found<Ballot> | undefined;
}

/** The form for voting with all of the wallet's stake. */
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
        <Empty>Connect a wallet to vote with its stake.</Empty>
      ) : (
        <Answer of={seats} empty="This wallet has no stake that counts in this vote: stake must have been at least a week old when the vote opened.">
          {(found) => (
            <>
              <Table
                caption="Your votes"
                rows={found}
                rowKey={({ source }) => source.address}
                columns={[
                  { name: "Stake", cell: ({ source })  => <SourceName of={source} /> },
                  { name: "Weight", number: true, cell: ({ weight }) => io(weight) },
                  { name: "Vote", cell: ({ ballot }) => (ballot ? capital(choiceName(ballot.choice)) : "Not yet") },
                  { name: "Owner", wide: true, cell: ({ source }) => (source.owner === address ? "You" : "Represented by you") },
                ]}
              />
              {open ? <Cast proposal={proposal} seats={found} /> : <p className="muted small">Voting has ended.</p>}
            </>
          )}
        </Answer>
      )}
      {address !== null && <OthersUnknown of={others} />}
    </Card>
  );
}

/** The sources that count in this vote, with their ballots. */
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
  return { data, error: of.error ?? ballots.error };
}

/** The form that casts and withdraws votes. */
function Cast({ proposal, seats }: { proposal: Found<Proposal>; seats: Seat[] }) {
  const now = useNow();
  const { address } = useWallet();
  const { act, busy, error } = useActs();
  const [chosen, setChosen] = useState<number | null>(null);
  const [others, setOthers] = useState(true);
  const isMine = ({ source }: Seat) => source.owner === address;
  // A representative cannot change a vote that the owner has cast.
  const mayVote = (seat: Seat) => isMine(seat) || (others && !seat.ballot?.byOwner);
  const voting = seats.filter((seat) => mayVote(seat) && seat.ballot?.choice !== chosen);
  const sum = (some: Seat[]) => some.reduce((total, { weight }) => total + weight, 0n);
  const mine = seats.filter((seat) => isMine(seat) && seat.ballot);
  const cast = async (signer: Signer) => {
    if (chosen === null) throw new Error("choose how to vote first");
    if (voting.length === 0) throw new Error(`all of this stake has already voted ${choiceName(chosen)}`);
    const items = await Promise.all(
      voting.map(async (seat) => ({ item: seat, instructions: [await vote(signer, proposal, seat.source, seat.ballot, chosen)] })),
    );
    return pack(signer, items).map(({ instructions, items: some }) => ({
      title: `Vote ${choiceName(chosen)} on proposal ${proposal.index} with ${io(sum(some))}`,
      instructions,
    }));
  };
  const withdraw = (signer: Signer) => {
    const items = mine.flatMap(({ ballot }) => (ballot ? [{ item: ballot, instructions: [takeBack(signer, ballot)] }] : []));
    return pack(signer, items).map(({ instructions }) => ({ title: "Withdraw the vote", instructions }));
  };
  return (
    <form
      className="rows"
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        void act(cast);
      }}
    >
      <Choices proposal={proposal} chosen={chosen} choose={setChosen} />
      {!isVoting(proposal, now) && <p className="small">Voting has ended, but a veto is still possible until the timelock ends.</p>}
      {seats.some((seat) => !isMine(seat)) && (
        <label className="radio">
          <input type="checkbox" checked={others} onChange={(event) => setOthers(event.target.checked)} /> Also vote for the wallets that you represent
        </label>
      )}
      <p className="muted small">
        {chosen === null ? "" : `Voting with ${io(sum(voting))} from ${many(voting.length, "stake")}. `}You pay rent for each ballot and get it back later. You can change your vote until voting ends.
      </p>
      <Wrong>{error}</Wrong>
      <div className="actions">
        <Button kind="primary" type="submit" disabled={chosen === null} busy={busy}>
          {chosen === null ? "Vote" : `Vote ${choiceName(chosen)}`}
        </Button>
        {isVoting(proposal, now) && mine.length > 0 && (
          <Button busy={busy} onClick={() => void act(withdraw)}>
            Withdraw my vote
          </Button>
        )}
      </div>
    </form>
  );
}

/** The choices, of which those that cannot be voted for now are disabled. */
function Choices({ proposal, chosen, choose }: { proposal: Found<Proposal>; chosen: number | null; choose: (choice: number) => void }) {
  const id = useId();
  const now = useNow();
  return (
    <fieldset>
      <legend>Your choice</legend>
      {CHOICES.map((choice, number) => {
        const votable = isVotable(proposal, number as Choice, now);
        return (
          <label key={choice} className="radio">
            <input type="radio" name={id} checked={chosen === number} disabled={!votable} onChange={() => choose(number)} />
            <span>
              <b>{capital(choice)}</b> <span className="muted small">{CHOICE_NOTES[number]}</span>
            </span>
          </label>
        );
      })}
    </fieldset>
  );
}
