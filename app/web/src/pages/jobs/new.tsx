import { useQuery } from "@tanstack/react-query";
import { useEffect, useMemo, useState } from "react";
import { Link, useLocation } from "wouter";
import type { Address, Instruction } from "@solana/kit";
import { findConfigPda, findEscrowPda, findJobPda, getOpenJobInstructionAsync } from "../../generated/jobs";
import { findAll, useOne } from "../../lib/accounts";
import { UnknownEnd } from "../../lib/confirm";
import { explain } from "../../lib/errors";
import { preparePhoto, preparePrompt, useShipped, type Image, type Prepared } from "../../lib/engine";
import { count, hex, IO, io, many, parseAmount, unhex } from "../../lib/format";
import { gpuName, useGpuModels } from "../../lib/gpus";
import { useMarket } from "../../lib/market";
import { mustCover, useSending } from "../../lib/send";
import { useWallet } from "../../lib/wallet";
import { Answer, Button, Card, Choice, Empty, Facts, Field, Io, Loading, Problem, Title } from "../../ui";
import { CONFIG, MODEL } from "./accounts";
import { useCandidates } from "./candidates";
import { useEscrow } from "./escrow";
import { depositing } from "./instructions";
import { decode, Pixels } from "./pictures";
import { remembering, type Content } from "./remembered";
import { ANY_GPU, asked, match, POLICIES, problem, quote, shortage, type Order, type Policy } from "./rules";

/** Times of every order, in seconds: for the price to rise, for a device to claim it, and for the result. */
const TIMES = { auctionSeconds: 30, openSeconds: 600, runSeconds: 600 };

/** A registered model for which this browser can prepare inputs. */
interface Usable {
  name: string;
  takes: "photo" | "prompt";
  account: Address;
}

/** Orders a picture: an enlarged photo, or one painted from a prompt. */
export function NewJobPage() {
  const market = useMarket();
  const shipped = useShipped();
  const usable = useQuery({
    queryKey: ["accounts", "models", shipped.data?.length],
    queryFn: async (): Promise<Usable[]> => {
      const registered = await findAll(market, MODEL);
      const at = new Map(registered.map((model) => [hex(model.hash), model.address]));
      const found = (shipped.data ?? []).flatMap(({ name, takes, hash }) => {
        const account = at.get(hash);
        return account ? [{ name, takes, account }] : [];
      });
      return found.sort((a, b) => a.takes.localeCompare(b.takes));
    },
    enabled: shipped.data !== undefined,
  });
  return (
    <>
      <Title says="You see the cost before anything is sent. Whatever is not spent returns to your escrow.">New job</Title>
      {shipped.error ? (
        <Problem error={shipped.error} />
      ) : (
        <Answer of={usable} empty="No model that this page supports is registered yet. Suppliers register one with `ionet model publish`.">
          {(models) => <OrderForm models={models} />}
        </Answer>
      )}
    </>
  );
}

/** The content of an order. */
type What = { takes: "photo"; name: string; image: Image } | { takes: "prompt"; prompt: string; seed: bigint; pictures: number };

/** The content and the inputs prepared from it. */
interface Input {
  what: What;
  prepared: Prepared;
}

function OrderForm({ models }: { models: Usable[] }) {
  const [chosen, setChosen] = useState(models[0]?.name ?? "");
  const model = models.find(({ name }) => name === chosen) ?? models[0];
  const [what, setWhat] = useState<What | null>(null);
  const [made, setMade] = useState<Input | null>(null);
  const input = made?.what === what ? made : null;
  const [error, setError] = useState<string | null>(null);

  // Prepare the inputs right away: the price depends on their number.
  useEffect(() => {
    if (!what || !model || what.takes !== model.takes) return;
    let stale = false;
    setError(null);
    const preparing =
      what.takes === "photo" ? preparePhoto(model.name, what.image) : preparePrompt(model.name, what.prompt, what.seed, what.pictures);
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
        {error && (
          <p className="wrong" role="alert">
            {error}
          </p>
        )}
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

function PhotoInput({ model, onChange }: { model: string; onChange: (what: What | null) => void }) {
  const [error, setError] = useState<string | null>(null);
  const take = async (file: Blob, name: string) => {
    setError(null);
    try {
      onChange({ takes: "photo", name, image: await decode(file) });
    } catch (failure) {
      onChange(null);
      setError(explain(failure));
    }
  };
  const sample = async () => {
    const answer = await fetch(`/models/${model}/sample.png`);
    await take(await answer.blob(), "sample.png");
  };
  return (
    <>
      <Field
        label="Photo"
        type="file"
        accept="image/png,image/jpeg"
        error={error}
        hint="PNG or JPEG. The photo is uploaded only when you open the job and confirm its cost. A job's input is public."
        onChange={(event) => {
          const file = event.target.files?.[0];
          if (file) void take(file, file.name);
        }}
      />
      <div>
        <Button onClick={() => void sample()}>Use the sample photo</Button>
      </div>
    </>
  );
}

/** Milliseconds without a keystroke after which a prompt is used. */
const PAUSE = 300;
const MOST_PICTURES = 64;

function PromptInput({ onChange }: { onChange: (what: What | null) => void }) {
  const [prompt, setPrompt] = useState("");
  const [seed, setSeed] = useState("0");
  const [pictures, setPictures] = useState("1");
  const wrongSeed = /^\d{1,18}$/.test(seed) ? null : "enter a whole number";
  const wrongCount = /^\d+$/.test(pictures) && Number(pictures) >= 1 && Number(pictures) <= MOST_PICTURES ? null : `enter a number from 1 to ${MOST_PICTURES}`;
  useEffect(() => {
    const ok = prompt.trim() !== "" && !wrongSeed && !wrongCount;
    const timer = setTimeout(
      () => onChange(ok ? { takes: "prompt", prompt, seed: BigInt(seed), pictures: Number(pictures) } : null),
      PAUSE,
    );
    return () => clearTimeout(timer);
  }, [prompt, seed, pictures, wrongSeed, wrongCount, onChange]);
  return (
    <>
      <Field label="Prompt" value={prompt} maxLength={300} placeholder="a red circle on a blue background" onChange={(event) => setPrompt(event.target.value)} />
      <div className="columns">
        <Field label="Seed" inputMode="numeric" value={seed} error={wrongSeed} hint="A different seed gives a different picture for the same prompt." onChange={(event) => setSeed(event.target.value)} />
        <Field label="Pictures" inputMode="numeric" value={pictures} error={wrongCount} onChange={(event) => setPictures(event.target.value)} />
      </div>
    </>
  );
}

/** Parses an amount in a field. */
function typed(text: string): { amount: bigint; error: string | null } {
  try {
    return { amount: parseAmount(text, IO), error: null };
  } catch (failure) {
    return { amount: 0n, error: explain(failure) };
  }
}

/** The terms of an order. They stay as they are while its input changes, and it can be opened whenever that is prepared. */
function Offer({ model, input }: { model: Usable; input: Input | null }) {
  const market = useMarket();
  const { signer, address } = useWallet();
  const { send, close } = useSending();
  const [, navigate] = useLocation();
  const { data: configAddress } = useQuery({ queryKey: ["config", "jobs config"], queryFn: async () => (await findConfigPda())[0] });
  const config = useOne(CONFIG, configAddress ?? null);
  const gpus = useGpuModels();
  const escrow = useEscrow();
  const candidates = useCandidates();
  const [start, setStart] = useState("0.001");
  const [most, setMost] = useState("0.002");
  const [policy, setPolicy] = useState<Policy["id"]>(POLICIES[0].id);
  const [gpu, setGpu] = useState(String(ANY_GPU));
  const [vram, setVram] = useState("0");
  const [jobsDone, setJobsDone] = useState("0");
  const [risk, setRisk] = useState("0");
  const [failure, setFailure] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);

  const [from, to, atRisk] = [typed(start), typed(most), typed(risk)];
  const [memory, experience] = [asked(vram), asked(jobsDone)];
  const units = input?.prepared.units ?? 0;
  const order: Order = useMemo(
    () => ({
      units,
      startPrice: from.amount,
      maxPrice: to.amount,
      policy: POLICIES.find(({ id }) => id === policy) ?? POLICIES[0],
      gpuModel: Number(gpu),
      minVramGb: memory.number,
      minJobsDone: experience.number,
      valueAtRisk: atRisk.amount,
    }),
    [units, from.amount, to.amount, policy, gpu, memory.number, experience.number, atRisk.amount],
  );

  const open = async () => {
    if (!signer || !address || !config.data || !input) return;
    setFailure(null);
    setBusy(true);
    const { what, prepared } = input;
    const cost = quote(order, config.data);
    const jobs: Address[] = [];
    try {
      const [at] = await findEscrowPda({ owner: address, mint: market.config.mint });
      const missing = cost.locked - (escrow.data?.free ?? 0n);
      const instructions: Instruction[] = [];
      if (missing > 0n) {
        await mustCover(market, address, missing);
        instructions.push(...(await depositing(signer, market.config.mint, missing, !!escrow.data)));
      }
      const id = await chooseId(at);
      for (let replica = 0; replica < order.policy.replicas; replica++) {
        const [job] = await findJobPda({ escrow: at, id: id + BigInt(replica) });
        jobs.push(job);
        instructions.push(
          await getOpenJobInstructionAsync({
            owner: signer,
            config: config.data.address,
            model: model.account,
            escrow: at,
            job,
            id: id + BigInt(replica),
            terms: {
              ...TIMES,
              inputs: unhex(prepared.address),
              startPrice: order.startPrice,
              maxPrice: order.maxPrice,
              // The chain asks for more where the price or the value at risk needs it.
              bond: config.data.minBond,
              valueAtRisk: order.valueAtRisk,
              units: order.units,
              windowSeconds: order.policy.windowSeconds,
              minVramGb: order.minVramGb,
              minMultiplierX100: 0,
              gpuModel: order.gpuModel,
              minJobsDone: order.minJobsDone,
              auditBps: 0,
              replicas: order.policy.replicas,
              replica,
            },
          }),
        );
      }
      const { replicas } = order.policy;
      const times = replicas > 1 ? ` in ${replicas} replicas` : "";
      const title = `Open a job of ${many(order.units, "unit")}${times} for up to ${io(cost.locked)}`;
      await remembering(jobs, content(what), () => send({ title, instructions, before: () => upload(market.config.blobs, prepared) }));
      close();
      navigate(`/jobs/${jobs[0]}`);
    } catch (error) {
      // The job's page shows whether it was opened after all; opening it again would cost twice.
      if (error instanceof UnknownEnd) return navigate(`/jobs/${jobs[0]}`);
      setFailure(explain(error));
    } finally {
      setBusy(false);
    }
  };

  return (
    <Answer of={config}>
      {(parameters) => {
        if (!parameters) return <Problem error={new Error("the jobs program is not initialised on this cluster")} />;
        const cost = quote(order, parameters);
        const wrong = from.error ?? to.error ?? memory.error ?? experience.error ?? atRisk.error ?? problem(order, parameters);
        return (
          <>
            <Card title="Price and checks">
              <form
                onSubmit={(event) => {
                  event.preventDefault();
                  void open();
                }}
              >
                <div className="columns">
                  <Field label="Starting price per unit" unit="$IO" inputMode="decimal" value={start} error={from.error} onChange={(event) => setStart(event.target.value)} />
                  <Field
                    label="Maximum price per unit"
                    unit="$IO"
                    inputMode="decimal"
                    value={most}
                    error={to.error}
                    hint={`The price rises from the starting price to this within ${TIMES.auctionSeconds} s, until a device claims the job.`}
                    onChange={(event) => setMost(event.target.value)}
                  />
                </div>
                <fieldset>
                  <legend>How the result is checked</legend>
                  {POLICIES.map(({ id, name, says }) => (
                    <label key={id} className="radio">
                      <input type="radio" name="policy" value={id} checked={policy === id} onChange={() => setPolicy(id)} />
                      <span>
                        <b>{name}.</b> {says}
                      </span>
                    </label>
                  ))}
                </fieldset>
                <details>
                  <summary>Device requirements</summary>
                  <div className="columns">
                    <Choice
                      label="GPU model"
                      value={gpu}
                      onChange={setGpu}
                      options={[
                        [String(ANY_GPU), "Any"],
                        ...(gpus.data ?? [])
                          .filter(({ listed }) => listed)
                          .map(({ id }) => [String(id), gpuName(gpus.data, Number(id))] as [string, string])
                          .sort((a, b) => a[1].localeCompare(b[1])),
                      ]}
                    />
                    <Field
                      label="Minimum GPU memory"
                      unit="GiB"
                      inputMode="numeric"
                      value={vram}
                      error={memory.error}
                      onChange={(event) => setVram(event.target.value)}
                    />
                    <Field
                      label="Minimum jobs completed"
                      inputMode="numeric"
                      value={jobsDone}
                      error={experience.error}
                      onChange={(event) => setJobsDone(event.target.value)}
                    />
                  </div>
                </details>
                <details>
                  <summary>Value at risk</summary>
                  <Field
                    label="Cost of a wrong result to you"
                    unit="$IO"
                    inputMode="decimal"
                    value={risk}
                    error={atRisk.error}
                    hint="Raises the bond that the device must post. Jobs with a value at risk never contain deliberate test errors. Workers decline bonds that are out of proportion to the price, so raise the price as well."
                    onChange={(event) => setRisk(event.target.value)}
                  />
                </details>
                <Answer of={candidates}>
                  {(devices) => {
                    if (!input || cost.bond === null) return null;
                    const matched = match(devices, order, cost.bond);
                    const { able, reasons } = matched;
                    const short = shortage(matched, order);
                    return (
                      <div role="status">
                        <p>
                          {able === 0 ? <b className="wrong">No device can take this job now.</b> : `${count(able)} of ${many(devices.length, "device")} can take this job.`}
                        </p>
                        {short && <p className="wrong">{short}</p>}
                        {reasons.length > 0 && (
                          <ul className="small muted">
                            {reasons.map(([reason, number]) => (
                              <li key={reason}>
                                {many(number, "device")}: {reason}
                              </li>
                            ))}
                          </ul>
                        )}
                      </div>
                    );
                  }}
                </Answer>
                {input && (
                  <Facts
                    of={[
                      ["Units", count(order.units)],
                      ["Work, at most", <Io of={cost.work} />],
                      [`Fees (${parameters.feeBps / 100} % of the work)`, <Io of={cost.fees} />],
                      ["Locked in your escrow", <b><Io of={cost.locked} /></b>],
                      ["Bond of each device, at most", <Io of={cost.bond} />],
                    ]}
                  />
                )}
                {(wrong ?? failure) && (
                  <p className="wrong" role="alert">
                    {wrong ?? failure}
                  </p>
                )}
                {parameters.paused && <p className="wrong">New jobs are paused. You can open one once the pause is lifted.</p>}
                <footer>
                  <Button kind="primary" type="submit" disabled={!signer || !input || wrong !== null || parameters.paused} busy={busy}>
                    {signer ? "Open the job" : "Connect a wallet first"}
                  </Button>
                  <Link className="button" href="/jobs">
                    Cancel
                  </Link>
                </footer>
              </form>
            </Card>
          </>
        );
      }}
    </Answer>
  );
}

const content = (what: What): Content =>
  what.takes === "photo"
    ? {
        kind: "photo",
        layout: { width: what.image.width, height: what.image.height, alpha: what.image.rgba.some((value, index) => index % 4 === 3 && value !== 255) },
      }
    : { kind: "prompt", prompt: what.prompt, seed: what.seed.toString() };

/** A random id whose address has bump 255, which is cheapest to derive on the chain. Replicas take the ids after it. */
async function chooseId(escrow: Address): Promise<bigint> {
  for (;;) {
    const [id = 0n] = crypto.getRandomValues(new BigUint64Array(1));
    const small = id >> 1n;
    const [, bump] = await findJobPda({ escrow, id: small });
    if (bump === 255) return small;
  }
}

/** Uploads an input to the blob store, from which workers download it. */
async function upload(store: string, { address, blob }: Prepared): Promise<void> {
  const answer = await fetch(`${store}/${address}`, { method: "PUT", body: new Uint8Array(blob) }).catch(() => null);
  if (!answer?.ok) throw new Error(`the input cannot be uploaded to the blob store (${answer?.status ?? "unreachable"}); try again in a moment`);
}
