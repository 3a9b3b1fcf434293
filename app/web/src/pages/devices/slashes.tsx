import { useState } from "react";
import type { Address } from "@solana/kit";
import { STAKING_SLASH_AT } from "../../generated/offsets";
import type { Slash } from "../../generated/staking";
import { useAll, withAddress, type Found } from "../../lib/accounts";
import { sha256 } from "../../lib/bytes";
import { hex, percent, short } from "../../lib/format";
import { useNow } from "../../lib/market";
import { useWallet } from "../../lib/wallet";
import { Answer, Badge, Card, Field, Io, Key, Moment, Table } from "../../ui";
import { Act } from "../../ui/act";
import { reasonName } from "../disputes/faults";
import { SLASH } from "./accounts";
import { appeal } from "./instructions";
import { whyNotAppeal } from "./rules";
import { SlashStatus } from "./stake";

/** Pending slashes of a device, and its owner's appeals. */
export function Slashes({ device, owner }: { device: Address; owner: Address }) {
  const { address } = useWallet();
  const slashes = useAll(["slashes", device], SLASH, [withAddress(STAKING_SLASH_AT.device, device)]);
  return (
    <Card title="Slashes">
      <Answer of={slashes} empty="No slash is pending.">
        {(rows) => (
          <>
            <Table
              caption="Slashes"
              rows={rows}
              rowKey={({ address }) => address}
              columns={[
                { name: "Slash", cell: ({ address }) => <Key of={address} /> },
                { name: "Status", cell: ({ status }) => <Badge tone="bad">{SlashStatus[status]?.toLowerCase() ?? status}</Badge> },
                { name: "Reason", cell: ({ reason }) => reasonName(reason) },
                { name: "Share", number: true, cell: ({ shareBps }) => percent(shareBps) },
                { name: "Set aside", number: true, cell: ({ parts }) => <Io of={parts.reduce((sum, part) => sum + part, 0n)} /> },
                { name: "Appeal until", wide: true, cell: ({ endsAt }) => <Moment at={endsAt} /> },
                { name: "Evidence", wide: true, cell: ({ evidence }) => <Key of={hex(evidence)} /> },
              ]}
            />
            {owner === address && (
              <div className="acts">
                {rows.map((slash) => (
                  <Appeal key={slash.address} slash={slash} />
                ))}
              </div>
            )}
          </>
        )}
      </Answer>
    </Card>
  );
}

function Appeal({ slash }: { slash: Found<Slash> }) {
  const now = useNow();
  const [file, setFile] = useState<File | null>(null);
  return (
    <Act
      name={`Appeal slash ${short(slash.address)}`}
      note="Stakers can vote to return the stake. Only the SHA-256 of your answer goes on the chain, so make sure that voters get the file."
      label="Appeal"
      why={whyNotAppeal(slash, now)}
      action={async (signer) => {
        if (!file) throw new Error("choose the file that contains your answer");
        const hash = await sha256(new Uint8Array(await file.arrayBuffer()));
        const title = `Appeal slash ${slash.address} with the file whose SHA-256 is ${hex(hash)}`;
        return { title, instructions: appeal(signer, slash, hash) };
      }}
    >
      <Field label="File with your answer" type="file" onChange={(event) => setFile(event.target.files?.[0] ?? null)} />
    </Act>
  );
}
