import { getAddressEncoder } from "@solana/kit";
import { useState } from "react";
import { getAdvanceProposalInstruction, type Proposal } from "../../generated/governance";
import { findAll, findSome, type Found } from "../../lib/accounts";
import { explain } from "../../lib/errors";
import { io, span } from "../../lib/format";
import { useMarket, useNow } from "../../lib/market";
import { useSending, type Deed } from "../../lib/send";
import { useWallet } from "../../lib/wallet";
import { Button } from "../../ui";
import { Act } from "../../ui/act";
import { BALLOT, PROPOSAL_AT } from "./accounts";
import { forget } from "./draft";
import { ALL_UNITS, cancel, clear, execute, pack } from "./instructions";
import { MAX_INSTRUCTIONS, PAYLOAD, payloadAddress } from "./payload";
import { cancelObstacle, due, hasEnded, isExecutable, Status, statusName } from "./rules";
import type { State } from "./settings";
import type { Written } from "./steps";

/** What may be done about a proposal now: counting and executing by anyone, taking it back by its proposer, and clearing it away. */
export function Duties({ proposal, state, steps }: { proposal: Found<Proposal>; state: State; steps: Written[] | undefined }) {
  const now = useNow();
  const { address } = useWallet();
  const next = due(proposal, now);
  const mine = proposal.proposer === address;
  const canAct = address === null ? "connect a wallet first" : null;
  return (
    <div className="acts">
      {proposal.status === Status.Voting && (
        <Act
          name="Count the votes"
          says={next === null ? "Anyone may, when the vote is over." : `The vote is over. Counted now, the proposal is ${statusName(next)}. Anyone may do it; it costs a fee alone.`}
          label="Count"
          kind={next === null ? "plain" : "primary"}
          why={next === null ? `the vote is on for ${span(Number(proposal.votingEnds) - now)} more` : canAct}
          deed={() => ({ title: "Count the votes", instructions: [getAdvanceProposalInstruction({ proposal: proposal.address })] })}
        />
      )}
      {proposal.status === Status.Queued && next !== null && (
        <Act
          name="End it"
          says={next === Status.Vetoed ? "Vetoes came in during the timelock: it ends, and its deposit will burn." : "Nobody executed it in time: it ends, and its deposit comes back."}
          label="End it"
          kind="primary"
          why={canAct}
          deed={() => ({ title: `The proposal is ${statusName(next)}`, instructions: [getAdvanceProposalInstruction({ proposal: proposal.address })] })}
        />
      )}
      {proposal.status === Status.Queued && next === null && <Execute proposal={proposal} state={state} steps={steps} canAct={canAct} />}
      {mine && (proposal.status === Status.Draft || proposal.status === Status.Voting) && <Cancel proposal={proposal} />}
      {hasEnded(proposal.status) && <Clear proposal={proposal} state={state} />}
    </div>
  );
}

function Execute({ proposal, state, steps, canAct }: { proposal: Found<Proposal>; state: State; steps: Written[] | undefined; canAct: string | null }) {
  const now = useNow();
  const index = proposal.executed;
  const step = steps?.find((step) => step.index === index);
  const early = isExecutable(proposal, now) ? null : `its timelock ends in ${span(Number(proposal.eta) - now)}`;
  return (
    <Act
      name={`Execute step ${index + 1} of ${proposal.instructions}`}
      says={step ? `${step.words.what}. Anyone may, one step after the other; one that fails can be tried again.` : "Anyone may, one step after the other."}
      label="Execute"
      kind={early ? "plain" : "primary"}
      why={early ?? canAct ?? (step ? null : "its step cannot be read")}
      deed={async (): Promise<Deed> => {
        if (!step) throw new Error("its step cannot be read; reload the page");
        const call = await execute(proposal.address, index, step.instruction, state);
        return { title: `Execute step ${index + 1}`, instructions: step.words.replacesCode ? [ALL_UNITS, call] : [call] };
      }}
    />
  );
}

function Cancel({ proposal }: { proposal: Found<Proposal> }) {
  const now = useNow();
  const { signer } = useWallet();
  return (
    <Act
      name="Take it back"
      says="Yours to do until the vote is over. It ends at once, whatever was voted; its deposit comes back when it is cleared away."
      label="Take it back"
      kind="danger"
      why={cancelObstacle(proposal, now)}
      deed={() => {
        if (!signer) throw new Error("connect a wallet first");
        return { title: "Take the proposal back", instructions: [cancel(signer, proposal.address)] };
      }}
      done={() => forget(proposal.address)}
    />
  );
}

function Clear({ proposal, state }: { proposal: Found<Proposal>; state: State }) {
  const market = useMarket();
  const { signer } = useWallet();
  const { send } = useSending();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const burns = proposal.status === Status.Vetoed;
  const run = async () => {
    setError(null);
    setBusy(true);
    try {
      if (!signer) throw new Error("connect a wallet first");
      const ballots = await findAll(market, BALLOT, { offset: PROPOSAL_AT, bytes: getAddressEncoder().encode(proposal.address) });
      const places = await Promise.all(Array.from({ length: MAX_INSTRUCTIONS }, (_, index) => payloadAddress(proposal.address, index)));
      const payloads = (await findSome(market, PAYLOAD, places)).map(({ header }) => header.index);
      const all = await clear(signer, proposal, ballots, payloads, state.governance);
      for (const { instructions } of pack(signer, all.map((one) => ({ item: null, instructions: [one] })))) {
        await send({ title: "Clear the proposal away", instructions });
      }
      forget(proposal.address);
    } catch (failure) {
      setError(explain(failure));
    } finally {
      setBusy(false);
    }
  };
  return (
    <div className="act">
      <h3>Clear it away</h3>
      <p className="muted small">
        {proposal.deposit === 0n ? "Its deposit is out already." : burns ? `Its deposit of ${io(proposal.deposit)} burns.` : `Its deposit of ${io(proposal.deposit)} returns to its proposer.`}{" "}
        Rents return to who paid them. Anyone may do it; afterwards its history alone tells of it.
      </p>
      {error && (
        <p className="wrong small" role="alert">
          {error}
        </p>
      )}
      <footer>
        <Button disabled={!signer} busy={busy} onClick={() => void run()}>
          {signer ? "Clear it away" : "Connect a wallet first"}
        </Button>
      </footer>
    </div>
  );
}
