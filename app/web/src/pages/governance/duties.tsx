import { getAdvanceProposalInstruction, type Proposal } from "../../generated/governance";
import { GOVERNANCE_BALLOT_AT } from "../../generated/offsets";
import { findAll, findSome, withAddress, type Found } from "../../lib/accounts";
import { io, span } from "../../lib/format";
import { useMarket, useNow } from "../../lib/market";
import type { Action } from "../../lib/send";
import { useWallet } from "../../lib/wallet";
import { Act } from "../../ui/act";
import { BALLOT } from "./accounts";
import { forget } from "./draft";
import { ALL_UNITS, cancel, clear, execute, pack } from "./instructions";
import { MAX_INSTRUCTIONS, PAYLOAD, payloadAddress } from "./payload";
import { cancelObstacle, due, hasEnded, isExecutable, Status, statusName } from "./rules";
import type { State } from "./settings";
import type { Written } from "./steps";

/** The actions on a proposal: anyone can count, execute and close it, its proposer can cancel it. */
export function Duties({ proposal, state, steps }: { proposal: Found<Proposal>; state: State; steps: Written[] | undefined }) {
  const now = useNow();
  const { address } = useWallet();
  const next = due(proposal, now);
  const mine = proposal.proposer === address;
  return (
    <div className="acts">
      {proposal.status === Status.Voting && (
        <Act
          name="Count the votes"
          note={next === null ? "Anyone can do this once the vote is over." : `The vote is over. Counting the votes sets its status to ${statusName(next)}. Anyone can do this for the transaction fee.`}
          label="Count votes"
          kind={next === null ? "plain" : "primary"}
          why={next === null ? `the vote ends in ${span(Number(proposal.votingEnds) - now)}` : null}
          action={() => ({ title: "Count the votes", instructions: [getAdvanceProposalInstruction({ proposal: proposal.address })] })}
        />
      )}
      {proposal.status === Status.Queued && next !== null && (
        <Act
          name="End the proposal"
          note={next === Status.Vetoed ? "It was vetoed during the timelock. Ending it burns its deposit." : "Nobody executed it in time. Ending it returns its deposit."}
          label="End the proposal"
          kind="primary"
          action={() => ({ title: `End the proposal as ${statusName(next)}`, instructions: [getAdvanceProposalInstruction({ proposal: proposal.address })] })}
        />
      )}
      {proposal.status === Status.Queued && next === null && <Execute proposal={proposal} state={state} steps={steps} />}
      {mine && (proposal.status === Status.Draft || proposal.status === Status.Voting) && <Cancel proposal={proposal} />}
      {hasEnded(proposal.status) && <Clear proposal={proposal} state={state} />}
    </div>
  );
}

function Execute({ proposal, state, steps }: { proposal: Found<Proposal>; state: State; steps: Written[] | undefined }) {
  const now = useNow();
  const index = proposal.executed;
  const step = steps?.find((step) => step.index === index);
  const early = isExecutable(proposal, now) ? null : `the timelock ends in ${span(Number(proposal.eta) - now)}`;
  return (
    <Act
      name={`Execute step ${index + 1} of ${proposal.instructions}`}
      note={step ? `${step.words.what}. Anyone can execute the steps, one after the other; a step that fails can be tried again.` : "Anyone can execute the steps, one after the other."}
      label="Execute"
      kind={early ? "plain" : "primary"}
      why={early ?? (step ? null : "this step cannot be read")}
      action={async (): Promise<Action> => {
        if (!step) throw new Error("this step cannot be read; reload the page");
        const call = await execute(proposal.address, index, step.instruction, state);
        return { title: `Execute step ${index + 1}`, instructions: step.words.replacesCode ? [ALL_UNITS, call] : [call] };
      }}
    />
  );
}

function Cancel({ proposal }: { proposal: Found<Proposal> }) {
  const now = useNow();
  return (
    <Act
      name="Cancel the proposal"
      note="You can do this until the vote is over. The proposal ends at once, whatever the votes; you get the deposit back when it is closed."
      label="Cancel the proposal"
      kind="danger"
      why={cancelObstacle(proposal, now)}
      action={(signer) => ({ title: "Cancel the proposal", instructions: [cancel(signer, proposal.address)] })}
      done={() => forget(proposal.address)}
    />
  );
}

function Clear({ proposal, state }: { proposal: Found<Proposal>; state: State }) {
  const market = useMarket();
  const deposit = `Its deposit of ${io(proposal.deposit)} ${proposal.status === Status.Vetoed ? "is burned" : "returns to the proposer"}.`;
  return (
    <Act
      name="Close the proposal"
      note={`${proposal.deposit === 0n ? "Its deposit has already been released." : deposit} Rent returns to whoever paid it. Anyone can do this; afterwards only the proposal's history remains.`}
      label="Close the proposal"
      action={async (signer) => {
        const ballots = await findAll(market, BALLOT, withAddress(GOVERNANCE_BALLOT_AT.proposal, proposal.address));
        const places = await Promise.all(Array.from({ length: MAX_INSTRUCTIONS }, (_, index) => payloadAddress(proposal.address, index)));
        const payloads = (await findSome(market, PAYLOAD, places)).map(({ header }) => header.index);
        const all = await clear(signer, proposal, ballots, payloads, state.governance);
        const packed = pack(signer, all.map((one) => ({ item: null, instructions: [one] })));
        return packed.map(({ instructions }) => ({ title: "Close the proposal", instructions }));
      }}
      done={() => forget(proposal.address)}
    />
  );
}
