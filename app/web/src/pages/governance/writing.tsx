import { useQuery } from "@tanstack/react-query";
import { Link, useLocation } from "wouter";
import { findOne, useOne } from "../../lib/accounts";
import { explain } from "../../lib/errors";
import { capital, io, many } from "../../lib/format";
import { useMarket } from "../../lib/market";
import { useWallet } from "../../lib/wallet";
import { Answer, Button, Card, Wrong } from "../../ui";
import { useActs } from "../../ui/act";
import { PROPOSAL } from "./accounts";
import { forget, type Draft } from "./draft";
import { pack, writing } from "./instructions";
import { PAYLOAD, payloadAddress, describe, stepsLeft } from "./payload";
import { Status } from "./rules";
import type { State } from "./settings";
import { publish } from "./text";

/** Puts a draft on the chain in several transactions. This can be interrupted and resumed: what is on the chain is not sent again. */
export function Writing({ draft, state }: { draft: Draft; state: State }) {
  const market = useMarket();
  const { signer } = useWallet();
  const { act, busy, error } = useActs();
  const [, go] = useLocation();
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
  const next = () => {
    const [first] = left.data ?? [];
    if (!first) return;
    const { items, instructions } = first;
    void act(
      () => ({ title: capital(describe(items)), instructions }),
      () => {
        if (!items.some((step) => step.do === "submit")) return;
        forget(draft.address);
        go(`/governance/${draft.address}`);
      },
    );
  };
  if (account.data && account.data.status !== Status.Draft) {
    return (
      <Card title="Voting is open">
        <p>
          <Link href={`/governance/${draft.address}`}>See the proposal</Link>
        </p>
      </Card>
    );
  }
  return (
    <Card title={`Propose “${draft.title}”`}>
      <p className="muted">
        Your wallet signs each of these transactions in turn. You can stop at any time and continue later in this browser. The last one takes the deposit of{" "}
        {io(state.governance.deposit)} and opens the vote; until then you can cancel the proposal. All rent returns once the proposal has ended, and so does the deposit, unless the proposal is vetoed.
      </p>
      <Publish text={draft.text} />
      <Answer of={left}>
        {(transactions) => (
          <>
            <ol className="todo">
              {account.data && <li className="done">Created, {account.data.instructions} of {many(draft.instructions.length, "step")} written</li>}
              {(transactions ?? []).map(({ items }, place) => (
                <li key={place} aria-current={place === 0 ? "step" : undefined}>
                  {capital(describe(items))}
                </li>
              ))}
            </ol>
            <Wrong>{error}</Wrong>
            <div className="actions">
              <Button kind="primary" disabled={!signer} busy={busy} onClick={next}>
                {!signer ? "Connect a wallet first" : transactions?.length === 1 ? "Sign the last transaction" : `Sign the next of ${many(transactions?.length ?? 0, "transaction")}`}
              </Button>
            </div>
          </>
        )}
      </Answer>
    </Card>
  );
}

/** Uploads the text to the blob store and shows whether it is there. */
function Publish({ text }: { text: string }) {
  const { config } = useMarket();
  const published = useQuery({ queryKey: ["config", "published", text], queryFn: async () => (await publish(config.blobs, text), true), retry: false });
  return (
    <p className="small" role="status">
      {published.isPending && "Uploading the text to the blob store…"}
      {published.data && "✓ The text is in the blob store, where voters can find it by its hash."}
      {published.error && (
        <>
          <span className="wrong">The text was not uploaded: {explain(published.error)}.</span> You can continue, but voters will not be able to read it.{" "}
          <Button onClick={() => void published.refetch()}>Try again</Button>
        </>
      )}
    </p>
  );
}
