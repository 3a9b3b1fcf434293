import type { Address } from "@solana/kit";
import type { UseQueryResult } from "@tanstack/react-query";
import { useState } from "react";
import { findDelegationPda, getClearDelegateInstruction, getSetDelegateInstructionAsync } from "../../generated/governance";
import { explain } from "../../lib/errors";
import { io, many } from "../../lib/format";
import { useMarket, useNow } from "../../lib/market";
import { recipient } from "../../lib/recipient";
import { useWallet } from "../../lib/wallet";
import { Answer, Card, Empty, Facts, Field, Io, Key, Loading, Moment, Table } from "../../ui";
import { Act } from "../../ui/act";
import { useOthers, useVoter, type Others, type Source, type Voter } from "./sources";
import type { Weight } from "./weight";

/** The connected wallet's voting power and representative. */
export function VoterCard() {
  const { address } = useWallet();
  const voter = useVoter(address);
  const others = useOthers(address);
  return (
    <Card title="Your voting power">
      {address === null ? (
        <Empty>Connect a wallet to see its voting power.</Empty>
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
      Device <Key of={of.address} to={`/devices/${of.address}`} />
    </>
  ) : (
    <>
      Co-stake <Key of={of.offer} to={`/co-staking/${of.offer}`} />
    </>
  );

/** The loading or error state of the wallet's votes for others. */
export function OthersUnknown({ of: { data, error } }: { of: Pick<UseQueryResult, "data" | "error"> }) {
  if (data !== undefined) return null;
  if (!error) return <Loading what="Looking for wallets that you represent" />;
  return (
    <p className="small" role="alert">
      The stake of wallets that you represent could not be loaded: {explain(error)}.
    </p>
  );
}

type Row = { source: Source } & Weight;
const FULL = { name: "Counts in full from", cell: ({ countsAt }: Row) => (countsAt === null ? "Now" : <Moment at={countsAt} />) };

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
          ["In a vote opened now", <b><Io of={sum(true)} /></b>],
          forOthers && ["For wallets that you represent", <Io of={sum(false)} />],
        ]}
      />
      {sources.length === 0 ? (
        <Empty>This wallet has no stake. Own stake and co-stake can vote once they are a week old.</Empty>
      ) : (
        <Table
          caption="Stake that can vote"
          rows={sources}
          rowKey={({ source }) => source.address}
          columns={[
            { name: "Stake", cell: ({ source }) => <SourceName of={source} /> },
            { name: "Voting power", number: true, cell: ({ weight }) => io(weight) },
            { name: "Amount", number: true, cell: ({ stake }) => io(stake) },
            ...(sources.some(({ countsAt }) => countsAt !== null) ? [FULL] : []),
            ...(forOthers ? [{ name: "Owner", cell: ({ source }: Row) => (source.owner === address ? "You" : <Key of={source.owner} />) }] : []),
          ]}
        />
      )}
      <OthersUnknown of={others} />
      {leftOut > 0 && <p className="muted small">Not listed: {many(leftOut, "smaller stake")} of wallets that you represent.</p>}
      <Representative voter={voter} />
    </>
  );
}

/** Names or removes the wallet's representative. */
function Representative({ voter: { representative } }: { voter: Voter }) {
  const market = useMarket();
  const [wallet, setWallet] = useState("");
  if (representative) {
    return (
      <Act
        name="Your representative"
        note={
          <>
            <Key of={representative} /> votes with your stake whenever you do not vote yourself. Votes already cast for you stand until you change them.
          </>
        }
        label="Remove representative"
        action={async (signer) => {
          const [delegation] = await findDelegationPda({ owner: signer.address });
          return { title: "Remove the representative of this wallet", instructions: [getClearDelegateInstruction({ owner: signer, delegation })] };
        }}
      />
    );
  }
  return (
    <Act
      name="Name a representative"
      note="A representative votes with all of your stake whenever you do not vote yourself, and cannot move it. Your own vote replaces theirs, and you can remove them at any time."
      label="Name representative"
      action={async (signer) => {
        const { wallet: representative, doubt } = await recipient(market, wallet);
        if (representative === signer.address) throw new Error("this is your own wallet; enter another one");
        return {
          title: `Name this wallet's representative: ${representative}${doubt}`,
          instructions: [await getSetDelegateInstructionAsync({ owner: signer, representative })],
        };
      }}
      done={() => setWallet("")}
    >
      <Field label="Representative's wallet" value={wallet} onChange={(event) => setWallet(event.target.value)} spellCheck={false} autoComplete="off" />
    </Act>
  );
}
