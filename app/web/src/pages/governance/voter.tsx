import { isAddress, type Address } from "@solana/kit";
import type { UseQueryResult } from "@tanstack/react-query";
import { useState, type ReactNode } from "react";
import { findDelegationPda, getClearDelegateInstruction, getSetDelegateInstructionAsync } from "../../generated/governance";
import { explain } from "../../lib/errors";
import { io } from "../../lib/format";
import { useNow } from "../../lib/market";
import { useWallet } from "../../lib/wallet";
import { Answer, Card, Empty, Facts, Field, Io, Key, Loading, Moment, Table } from "../../ui";
import { Act } from "../../ui/act";
import { useOthers, useVoter, type Others, type Source, type Voter } from "./sources";
import { many } from "./votes";
import type { Weight } from "./weight";

/** What the connected wallet could vote with now, and who votes for it. */
export function VoterCard() {
  const { address } = useWallet();
  const voter = useVoter(address);
  const others = useOthers(address);
  return (
    <Card title="Your part">
      {address === null ? (
        <Empty>Connect a wallet to see what it could vote with.</Empty>
      ) : (
        <Answer of={voter}>{(found) => found && <Part address={address} voter={found} others={others} />}</Answer>
      )}
    </Card>
  );
}

/** The device or offer behind a source. */
export const SourceName = ({ of }: { of: Source }) =>
  of.kind === "device" ? (
    <>
      device <Key of={of.address} to={`/devices/${of.address}`} />
    </>
  ) : (
    <>
      co-stake <Key of={of.offer} to={`/co-staking/${of.offer}`} />
    </>
  );

/** Says that what the wallet may vote with for others is not known, as long as it is not. */
export function OthersUnknown({ of: { data, error } }: { of: Pick<UseQueryResult, "data" | "error"> }) {
  if (data !== undefined) return null;
  if (!error) return <Loading what="Looking for what others let it vote with" />;
  return (
    <p className="small" role="alert">
      What others let this wallet vote with is not known: {explain(error)}.
    </p>
  );
}

type Row = { source: Source } & Weight;
const UNTIL = { name: "All of it from", cell: ({ countsAt }: Row) => (countsAt === null ? "now on" : <Moment at={countsAt} />) };

function Part({ address, voter, others }: { address: Address; voter: Voter; others: UseQueryResult<Others | null> }) {
  const now = useNow();
  const { sources: theirs, leftOut } = others.data ?? { sources: [], leftOut: 0 };
  const sources = [...voter.sources, ...theirs].map((source) => ({ source, ...source.weightAt(now) })).filter(({ stake }) => stake > 0n);
  const forOthers = sources.some(({ source }) => source.owner !== address);
  const sum = (mine: boolean) => sources.filter(({ source }) => (source.owner === address) === mine).reduce((all, { weight }) => all + weight, 0n);
  return (
    <>
      <Facts
        of={[
          ["In a vote opened now you have", <b><Io of={sum(true)} /></b>],
          ...(forOthers ? ([["And for others", <Io of={sum(false)} />]] as [string, ReactNode][]) : []),
        ]}
      />
      {sources.length === 0 ? (
        <Empty>This wallet has nothing at stake. A device's own stake and co-stake vote, each once it has been there for a week.</Empty>
      ) : (
        <Table
          caption="What votes"
          rows={sources}
          rowKey={({ source }) => source.address}
          columns={[
            { name: "What", cell: ({ source }) => <SourceName of={source} /> },
            { name: "Counts", number: true, cell: ({ weight }) => io(weight) },
            { name: "Of", number: true, cell: ({ stake }) => io(stake) },
            ...(sources.some(({ countsAt }) => countsAt !== null) ? [UNTIL] : []),
            ...(forOthers ? [{ name: "Whose", cell: ({ source }: Row) => (source.owner === address ? "yours" : <Key of={source.owner} />) }] : []),
          ]}
        />
      )}
      <OthersUnknown of={others} />
      {leftOut > 0 && <p className="muted small">Left out: {many(leftOut, "smaller stake")} of others for whom this wallet may vote.</p>}
      <Representative voter={voter} />
    </>
  );
}

/** Lets somebody vote for the wallet, or takes that back. */
function Representative({ voter: { representative } }: { voter: Voter }) {
  const { signer } = useWallet();
  const [whom, setWhom] = useState("");
  if (!signer) return null;
  if (representative) {
    return (
      <Act
        name="Your representative"
        says={
          <>
            <Key of={representative} /> votes with your stake in every vote in which you do not vote yourself. Votes cast for you stand until you change them.
          </>
        }
        label="Take that back"
        why={null}
        deed={async () => {
          const [delegation] = await findDelegationPda({ owner: signer.address });
          return { title: "Let nobody vote for this wallet", instructions: [getClearDelegateInstruction({ owner: signer, delegation })] };
        }}
      />
    );
  }
  return (
    <Act
      name="Let somebody vote for you"
      says="They vote with all of your stake in every vote in which you do not vote yourself; they cannot move it. You may take that back at any time, and your own vote replaces theirs."
      label="Name them"
      why={null}
      deed={async () => {
        const representative = whom.trim();
        if (!isAddress(representative)) throw new Error(`“${whom}” is not an address; paste that of their wallet`);
        if (representative === signer.address) throw new Error("a wallet votes for itself anyway; name somebody else");
        return {
          title: `Let ${representative.slice(0, 4)}…${representative.slice(-4)} vote for this wallet`,
          instructions: [await getSetDelegateInstructionAsync({ owner: signer, representative })],
        };
      }}
      done={() => setWhom("")}
    >
      <Field label="Their wallet" value={whom} onChange={(event) => setWhom(event.target.value)} spellCheck={false} autoComplete="off" />
    </Act>
  );
}
