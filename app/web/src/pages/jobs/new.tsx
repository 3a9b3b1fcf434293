import { useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { Link, useLocation } from "wouter";
import type { Address } from "@solana/kit";
import type { Config, Escrow } from "../../generated/jobs";
import { findAll, type Found } from "../../lib/accounts";
import { UnknownEnd } from "../../lib/confirm";
import { explain } from "../../lib/errors";
import { upload } from "../../lib/blobs";
import { preparePhoto, preparePrompt, useShipped, type Prepared, type Shipped } from "../../lib/engine";
import { hex, io, many } from "../../lib/format";
import { useMarket } from "../../lib/market";
import { useSending } from "../../lib/send";
import { useWallet } from "../../lib/wallet";
import { Answer, Button, Card, Choice, Empty, Loading, Problem, Title, Wrong } from "../../ui";
import { useAttempt } from "../../ui/act";
import { MODEL, useJobsConfig } from "./accounts";
import { useEscrow } from "./escrow";
import { PhotoInput, PromptInput, type Wanted } from "./input";
import { opening } from "./open";
import { Pixels } from "./pictures";
import { remembering, type Content } from "./remembered";
import { problem, quote, type Order } from "./rules";
import { Costs, Takers, TermFields, useTerms } from "./terms";

/** A registered model for which this browser can prepare inputs. */
type Usable = Shipped & { account: Address };

/** Orders a picture: an enlarged photo, or one painted from a prompt. */
export default function NewJobPage() {
  const market = useMarket();
  const shipped = useShipped();
  const usable = useQuery({
    queryKey: ["accounts", "models", shipped.data?.length],
    queryFn: async (): Promise<Usable[]> => {
      const registered = await findAll(market, MODEL);
      const at = new Map(registered.map((model) => [hex(model.hash), model.address]));
      const found = (shipped.data ?? []).flatMap((model) => {
        const account = at.get(model.hash);
        return account ? [{ ...model, account }] : [];
      });
      return found.sort((a, b) => a.takes.localeCompare(b.takes));
    },
    enabled: shipped.data !== undefined,
  });
  return (
    <>
      <Title note="You see the cost before anything is sent. Whatever is not spent returns to your escrow.">New job</Title>
      {shipped.error ? (
        <Problem error={shipped.error} retry={() => void shipped.refetch()} />
      ) : (
        <Answer of={usable} empty="No model that this page supports is registered yet. Suppliers register one with `ionet model publish`.">
          {(models) => <OrderForm models={models} />}
        </Answer>
      )}
    </>
  );
}

/** The picture that is ordered, and the inputs prepared for it. */
interface Input {
  what: Wanted;
  prepared: Prepared;
}

function OrderForm({ models }: { models: Usable[] }) {
  const [chosen, setChosen] = useState(models[0]?.name ?? "");
  const model = models.find(({ name }) => name === chosen) ?? models[0];
  const [what, setWhat] = useState<Wanted | null>(null);
  const [made, setMade] = useState<Input | null>(null);
  const input = made?.what === what ? made : null;
  const [error, setError] = useState<string | null>(null);

  // Prepare the inputs right away: the price depends on their number.
  useEffect(() => {
    if (!what || !model || what.takes !== model.takes) return;
    let stale = false;
    setError(null);
    const preparing =
      what.takes === "photo" ? preparePhoto({ model, photo: what.image }) : preparePrompt({ model, ...what });
    preparing.then(
      (prepared) => stale || setMade({ what, prepared }),
      (failure) => stale || setError(explain(failure)),
    );
    return () => {
      stale = true;
    };
  }, [what, model]);

  if (!model) return <Empty>No model is available.</Empty>;
  const fits = what !== null && what.takes === model.takes;
  return (
    <>
      <Card title="Input">
        <form onSubmit={(event) => event.preventDefault()}>
          <Choice
            label="Model"
            value={model.name}
            onChange={(name) => {
              setChosen(name);
              setWhat(null);
            }}
            options={models.map(({ name, takes }) => [name, `${name}: ${takes === "photo" ? "enlarge a photo" : "paint a picture from a prompt"}`])}
          />
          {model.takes === "photo" ? (
            <PhotoInput model={model.name} onChange={setWhat} />
          ) : (
            <PromptInput onChange={setWhat} />
          )}
        </form>
        <Wrong>{error}</Wrong>
        {fits && what.takes === "photo" && (
          <div className="pictures">
            <Pixels of={what.image} name="Your photo" />
          </div>
        )}
        {fits && !input && !error && <Loading what="Preparing the input" />}
      </Card>
      <Offer model={model} input={input} />
    </>
  );
}

/** The terms of an order. They are kept while its input changes, and the job can be opened once the input is prepared and the escrow is known. */
function Offer({ model, input }: { model: Usable; input: Input | null }) {
  const config = useJobsConfig();
  const { signer } = useWallet();
  const terms = useTerms(input?.prepared.units ?? 0);
  const escrow = useEscrow();
  const opener = useOpening(model, input, terms.order, config.data, escrow.data);
  return (
    <Answer of={config}>
      {(parameters) => {
        if (!parameters) return <Problem error={new Error("the jobs program is not initialised on this cluster")} />;
        const { bond } = quote(terms.order, parameters);
        const wrong = terms.error ?? problem(terms.order, parameters);
        return (
          <Card title="Price and checks">
            <form
              onSubmit={(event) => {
                event.preventDefault();
                void opener.open();
              }}
            >
              <TermFields {...terms} />
              {input && bond !== null && <Takers order={terms.order} bond={bond} />}
              {input && <Costs order={terms.order} parameters={parameters} />}
              <Wrong>{wrong ?? opener.error}</Wrong>
              {escrow.error && escrow.data === undefined && <Problem error={escrow.error} retry={() => void escrow.refetch()} />}
              {parameters.paused && <p className="wrong">New jobs are paused. You can open one once the pause is lifted.</p>}
              <footer>
                <Button kind="primary" type="submit" disabled={!signer || !input || escrow.data === undefined || wrong !== null || parameters.paused} busy={opener.busy}>
                  {signer ? "Open the job" : "Connect a wallet first"}
                </Button>
                <Link className="button" href="/jobs">
                  Cancel
                </Link>
              </footer>
            </form>
          </Card>
        );
      }}
    </Answer>
  );
}

/** Opens an order's jobs and goes to the page of the first. What is `undefined` is still loading. */
function useOpening(
  model: Usable,
  input: Input | null,
  order: Order,
  config: Found<Config> | null | undefined,
  escrow: Found<Escrow> | null | undefined,
) {
  const market = useMarket();
  const { signer } = useWallet();
  const { send, close } = useSending();
  const [, navigate] = useLocation();
  const { attempt, busy, error } = useAttempt();
  const open = () =>
    attempt(async () => {
      if (!signer || !config || !input || escrow === undefined) return;
      const { what, prepared } = input;
      const { replicas } = order.policy;
      const title = `Open a job of ${many(order.units, "unit")}${replicas > 1 ? ` in ${replicas} replicas` : ""} for up to ${io(quote(order, config).locked)}`;
      const from = { owner: signer, model: model.account, inputs: prepared.address, order, config, escrow };
      const { jobs, instructions } = await opening(market, from);
      const before = () => upload(market.config.blobs, prepared.address, prepared.blob, "input");
      try {
        await remembering(jobs, content(what), () => send({ title, instructions, before }));
        close();
      } catch (failure) {
        // The job's page shows whether it was opened after all; opening it again would cost twice.
        if (!(failure instanceof UnknownEnd)) throw failure;
      }
      navigate(`/jobs/${jobs[0]}`);
    });
  return { open, busy, error };
}

const content = (what: Wanted): Content =>
  what.takes === "photo"
    ? {
        kind: "photo",
        layout: { width: what.image.width, height: what.image.height, alpha: what.image.rgba.some((value, index) => index % 4 === 3 && value !== 255) },
      }
    : { kind: "prompt", prompt: what.prompt, seed: what.seed.toString() };
