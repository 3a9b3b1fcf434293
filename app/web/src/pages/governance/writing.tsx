import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link, useLocation } from "wouter";
import { findOne, useOne } from "../../lib/accounts";
import { explain } from "../../lib/errors";
import { io } from "../../lib/format";
import { useMarket } from "../../lib/market";
import { useSending } from "../../lib/send";
import { useWallet } from "../../lib/wallet";
import { Answer, Button, Card } from "../../ui";
import { PROPOSAL } from "./accounts";
import { forget, type Draft } from "./draft";
import { pack, writing } from "./instructions";
import { PAYLOAD, payloadAddress, say, stepsLeft } from "./payload";
import { Status } from "./rules";
import type { State } from "./settings";
import { publish } from "./text";
import { many } from "./votes";

/** Puts a draft on the chain, transaction after transaction. It can be left and taken up again: what is there already is not sent again. */
export function Writing({ draft, state }: { draft: Draft; state: State }) {
  const market = useMarket();
  const { signer } = useWallet();
  const { send } = useSending();
  const [, go] = useLocation();
  const [busy, setBusy] = useState(false);
  const account = useOne(PROPOSAL, draft.address);
  const left = useQuery({
    queryKey: ["writing", draft.address, account.data?.instructions, account.data?.payloads, signer?.address],
    queryFn: async () => {
      if (!signer || account.data === undefined) return null;
      const { instructions = 0, payloads = 0 } = account.data ?? {};
      const open = payloads > instructions ? await findOne(market, PAYLOAD, await payloadAddress(draft.address, instructions)) : null;
      const steps = stepsLeft(draft.instructions, { created: account.data !== null, instructions, payloads, written: open?.bytes.length ?? 0 });
      const items = await Promise.all(steps.map(async (step) => ({ item: step, instructions: [await writing(signer, state, draft, step)] })));
      return pack(signer, items);
    },
    enabled: account.data !== undefined,
  });
  const next = async () => {
    const [first] = left.data ?? [];
    if (!first) return;
    setBusy(true);
    try {
      await send({ title: capital(say(first.items)), instructions: first.instructions });
      if (first.items.some((step) => step.do === "submit")) {
        forget(draft.address);
        go(`/governance/${draft.address}`);
      }
    } catch {
      // The dialog says what went wrong; what was done is seen on the chain.
    } finally {
      setBusy(false);
    }
  };
  if (account.data && account.data.status !== Status.Draft) {
    return (
      <Card title="The vote is open">
        <p>
          <Link href={`/governance/${draft.address}`}>See the proposal</Link>
        </p>
      </Card>
    );
  }
  return (
    <Card title={`Propose “${draft.title}”`}>
      <p className="muted">
        Your wallet signs each of these in turn. You may leave and go on later from this browser. {io(state.governance.deposit)} are held from the last one until the
        proposal has ended; rents return then, too. Until the last one nobody can vote, and you can take it back.
      </p>
      <Publish text={draft.text} />
      <Answer of={left}>
        {(transactions) => (
          <>
            <ol className="todo">
              {account.data && <li className="done">Begun: {many(account.data.instructions, "step")} of {draft.instructions.length} written</li>}
              {(transactions ?? []).map(({ items }, place) => (
                <li key={place} aria-current={place === 0 ? "step" : undefined}>
                  {capital(say(items))}
                </li>
              ))}
            </ol>
            <div className="actions">
              <Button kind="primary" disabled={!signer} busy={busy} onClick={() => void next()}>
                {!signer ? "Connect a wallet first" : transactions?.length === 1 ? "Sign the last transaction" : `Sign the next of ${many(transactions?.length ?? 0, "transaction")}`}
              </Button>
            </div>
          </>
        )}
      </Answer>
    </Card>
  );
}

const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);

/** Puts the text into the blob store, and says whether it is there. */
function Publish({ text }: { text: string }) {
  const { config } = useMarket();
  const published = useQuery({ queryKey: ["config", "published", text], queryFn: async () => (await publish(config.blobs, text), true), retry: false });
  return (
    <p className="small" role="status">
      {published.isPending && "The text is being put into the blob store…"}
      {published.data && "✓ The text is in the blob store, where voters find it by its hash."}
      {published.error && (
        <>
          <span className="wrong">The text is not published: {explain(published.error)}.</span> You may go on, but voters will not find it.{" "}
          <Button onClick={() => void published.refetch()}>Try again</Button>
        </>
      )}
    </p>
  );
}
