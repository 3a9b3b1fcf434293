import { useQuery } from "@tanstack/react-query";
import { useState, type ReactNode } from "react";
import { Link, useParams } from "wouter";
import { address as parse, isAddress, type Address } from "@solana/kit";
import type { Job } from "../../generated/jobs";
import { useOne, type Found as OnChain } from "../../lib/accounts";
import { useAnswer, type Event, type JobRow, type Transaction } from "../../lib/api";
import { check, photoOf, pictures, type Finding } from "../../lib/engine";
import { explain } from "../../lib/errors";
import { capital, count, sol, words } from "../../lib/format";
import { gpuName, useGpuModels } from "../../lib/gpus";
import { useMarket, useNow } from "../../lib/market";
import { useWallet } from "../../lib/wallet";
import { Answer, Badge, Button, Card, Empty, Facts, Io, Key, Loading, Moment, Problem, Table, Title } from "../../ui";
import { Act } from "../../ui/act";
import { ESCROW, JOB, useModelName } from "./accounts";
import { committed, missing, type Committed } from "./committed";
import { cancelling, endOverdue } from "./instructions";
import { Download, Pixels } from "./pictures";
import { progress, type Ending } from "./progress";
import { recall } from "./remembered";
import { cancellable, explainCancelling, useReplicas } from "./replicas";
import { JobAmount, JobStatus } from "./table";

/** Most pictures shown of a job. */
const MOST_PICTURES = 24;
/** Milliseconds between queries for the account of a job that the indexer does not have. */
const LOOK = 2_000;

/** One job, from its opening to its end. */
export function JobPage() {
  const { address = "" } = useParams<{ address: string }>();
  if (!isAddress(address)) return <Problem error={new Error(`“${address}” is not a valid address`)} />;
  return (
    <>
      <Title up={["/jobs", "All jobs"]} note={<Key of={address} />}>
        Job
      </Title>
      <Asked address={address} />
    </>
  );
}

function Asked({ address }: { address: Address }) {
  const row = useAnswer<JobRow>(`jobs/${address}`);
  const account = useOne(JOB, address, row.data ? false : LOOK);
  switch (row.data ? null : missing(row.error, account.data)) {
    case "unrecorded":
      return (
        <Card title="Progress">
          <Loading what="The job is on the chain; waiting for the indexer to record it" />
          <Cancel job={account.data} />
        </Card>
      );
    case "unknown":
      return <Empty>There is no job at this address. A job that was just sent appears here as soon as it is confirmed.</Empty>;
    default:
      return <Answer of={row}>{(job) => <Found address={address} job={job} account={account} />}</Answer>;
  }
}

/** Query for the job's account; `null` once it is closed. */
type Account = ReturnType<typeof useOne<Job>>;

function Found({ address, job, account }: { address: Address; job: JobRow; account: Account }) {
  const model = useModelName(parse(account.data?.model ?? job.model));
  return (
    <>
      <Steps job={job} account={account.data ?? null} />
      <Answer of={account}>
        {(found) => {
          const result = committed(found, job);
          const escrow = found?.escrow ?? parse(job.escrow);
          return result && <Results job={address} escrow={escrow} result={result} model={model.name} waiting={model.isPending} />;
        }}
      </Answer>
      {/* Not before the account is loaded: the result, which depends on it, would move them down. */}
      {!account.isPending && <Details address={address} job={job} account={account.data} model={model.name} />}
    </>
  );
}

interface Detailed {
  address: Address;
  job: JobRow;
  account: OnChain<Job> | null | undefined;
  model: string | undefined;
}

/** A job's terms, receipt and transactions. */
function Details({ address, job, account, model }: Detailed) {
  const gpus = useGpuModels();
  const others = useReplicas(account).filter((replica) => replica.address !== address);
  return (
    <div className="columns">
      <Card title="Terms">
        <Facts
          of={[
            ["Status", <JobStatus of={job.status} />],
            ["Model", model ?? <Key of={job.model} />],
            ["Units", count(job.units)],
            ["Replicas", job.replicas > 1 ? `this is ${job.replica + 1} of ${job.replicas}` : "1"],
            ...others.map((at): [string, ReactNode] => [`Replica ${at.replica + 1}`, <Key of={at.address} to={`/jobs/${at.address}`} />]),
            ["Price per unit", job.price === null ? <>up to <JobAmount job={job} of={job.max_price} /></> : <JobAmount job={job} of={job.price} />],
            ["Device", job.device ? <Key of={job.device} to={`/devices/${job.device}`} /> : "none yet"],
            ["GPU", gpuName(gpus.data, job.gpu_model)],
            ["Bond", <Io of={job.bond} />],
          ]}
        />
        <Cancel job={account} />
      </Card>
      <Card title="Receipt">
        {job.consumer_pays === null ? (
          <Empty>{isLive(job) ? "Nothing has been paid yet." : "Nothing was paid."}</Empty>
        ) : (
          <Facts
            of={[
              ["Paid by the consumer", <JobAmount job={job} of={job.consumer_pays} />],
              ["Received by the supplier", <JobAmount job={job} of={job.supplier_gets} />],
              ["Fees", <JobAmount job={job} of={job.fees} />],
              ["Paid on", <Moment at={job.ended_at} />],
            ]}
          />
        )}
        <Transactions of={job} />
      </Card>
    </div>
  );
}

const STEPS: [name: string, at: (job: JobRow) => number | null][] = [
  ["opened", ({ opened_at }) => opened_at],
  ["claimed", ({ claimed_at }) => claimed_at],
  ["committed", ({ committed_at }) => committed_at],
  ["revealed", ({ revealed_at }) => revealed_at],
];

/** Whether a job has not ended. */
const isLive = ({ status }: JobRow) => ["open", "claimed", "committed", "revealed"].includes(status);

/** The job's progress: the steps it has taken, and what it is waiting for. */
function Steps({ job, account }: { job: JobRow; account: OnChain<Job> | null }) {
  const now = useNow();
  const done = STEPS.filter(([, at]) => at(job) !== null);
  const live = isLive(job);
  const { sentence, ending } = progress(job, account, now);
  return (
    <Card title="Progress">
      <ol className="steps">
        {done.map(([name, at]) => (
          <li key={name}>
            <b>{capital(name)}</b> <Moment at={at(job)} />
          </li>
        ))}
        {!live && (
          <li className={job.status === "settled" ? undefined : "unpaid"}>
            <b>{capital(job.status)}</b> <Moment at={job.ended_at} />
          </li>
        )}
      </ol>
      <p role="status">
        {sentence}{" "}
        {job.status === "convicted" && <Link href={`/disputes/${job.address}`}>See what was wrong</Link>}
      </p>
      {account && ending && <End job={account} how={ending} />}
    </Card>
  );
}

/** Lets anybody end an overdue job. For a job that no device claimed, its consumer has [`Cancel`] instead. */
function End({ job, how }: { job: OnChain<Job>; how: Ending }) {
  const { signer, address } = useWallet();
  const escrow = useOne(ESCROW, job.escrow);
  const consumer = escrow.data?.owner;
  if (!consumer || (how === "expire" && consumer === address)) return null;
  const free = "Unlocks the full amount in the consumer's escrow and returns the job's rent to the consumer.";
  const penalty = how === "timeout" ? " The device loses part of its bond." : "";
  return (
    <Act
      name="End the job"
      note={`${free}${penalty} You receive a bounty of ${sol(job.bounty)}.`}
      label="End the job"
      why={signer ? null : "connect a wallet to pay the transaction fee"}
      action={async () => {
        if (!signer) throw new Error("connect a wallet first");
        return { title: "End the job", instructions: await endOverdue(signer, how, job, consumer) };
      }}
    />
  );
}

interface Shown {
  job: Address;
  escrow: Address;
  result: Committed;
  model: string | undefined;
  /** Whether the model is still being looked up. */
  waiting: boolean;
}

/** The pictures and their verification. Those of other people's jobs are fetched only on request. */
function Results({ job, escrow, result, model, waiting }: Shown) {
  const { config } = useMarket();
  const { address } = useWallet();
  const owner = useOne(ESCROW, address && escrow).data?.owner;
  const [asked, setAsked] = useState(false);
  const content = recall(job);
  const shown = asked || content !== null || owner === address;
  const layout = content?.kind === "photo" ? content.layout : null;
  const { inputs, outputs, units } = result;
  const output = useQuery({
    queryKey: ["config", "pictures", outputs, model, units, layout],
    queryFn: () => pictures({ model: model ?? "", store: config.blobs, outputs, units, layout, most: MOST_PICTURES }),
    enabled: shown && !!model,
    retry: 2,
  });
  const input = useQuery({
    queryKey: ["config", "pictures", inputs, model, units, layout],
    queryFn: () => (layout ? photoOf({ model: model ?? "", store: config.blobs, inputs, units, layout }) : []),
    enabled: !!layout && !!model,
    retry: 2,
  });
  const name = content?.kind === "prompt" ? content.prompt : "result";
  return (
    <Card title="Result">
      {result.isWrong && <p className="wrong">This result was proven wrong.</p>}
      {!model && !waiting ? (
        <Empty>This server does not ship the job's model, so the result cannot be shown or verified here.</Empty>
      ) : (
        <>
          {shown ? (
            <div className="pictures">
              {input.data?.map((image, index) => <Pixels key={index} of={image} name="Your photo" />)}
              <Answer of={output}>
                {(images) =>
                  images.map((image, index) => <Pixels key={index} of={image} name={images.length > 1 ? `${name} ${index + 1}` : name} />)
                }
              </Answer>
            </div>
          ) : (
            <>
              <p className="muted small">This is somebody else's job, so its pictures are not downloaded unless you ask.</p>
              <Button onClick={() => setAsked(true)}>Show the pictures</Button>
            </>
          )}
          {!layout && output.data && output.data.length > 1 && content?.kind !== "prompt" && (
            <p className="muted small">Only the browser that opened the job can join its tiles into one picture.</p>
          )}
          {!layout && output.data && units > output.data.length && (
            <p className="muted small">
              Showing the first {output.data.length} of {count(units)} units.
            </p>
          )}
          <div className="actions">
            {output.data?.length === 1 && output.data[0] && <Download of={output.data[0]} name={`${job.slice(0, 8)}.png`} />}
          </div>
          <Verify job={job} result={result} model={model} />
        </>
      )}
    </Card>
  );
}

/** Recomputes the job in this browser. */
function Verify({ job, result, model }: { job: Address; result: Committed; model: string | undefined }) {
  const { config } = useMarket();
  const [state, setState] = useState<{ done: number; units: number } | Finding | Error | null>(null);
  const { inputs, traces, outputs, units } = result;
  const run = async () => {
    if (!model) return;
    setState({ done: 0, units });
    try {
      setState(await check({ model, store: config.blobs, inputs, traces, outputs }, (done, units) => setState({ done, units })));
    } catch (error) {
      setState(new Error(explain(error)));
    }
  };
  return (
    <section className="verify">
      <h3>Verify it yourself</h3>
      <p className="muted small">
        Your browser downloads the input, recomputes every op of every unit, and compares the result with the roots that the device committed to.{" "}
        {result.isOnChain
          ? "The roots come from the job's account, so you trust nobody but your Solana node."
          : "The job's account is closed, so the roots come from the indexer."}
      </p>
      {state === null && (
        <Button disabled={!model} onClick={() => void run()}>
          Recompute in this browser
        </Button>
      )}
      {state && "done" in state && (
        <p role="status">
          <progress max={state.units} value={state.done} aria-label="Units recomputed" /> {count(state.done)} of {count(state.units)} units
        </p>
      )}
      {state instanceof Error && <Problem error={state} retry={() => void run()} />}
      {state && "right" in state && (
        <p role="status">
          {state.right ? (
            <>
              <Badge tone="good">correct</Badge> Everything the device committed to matches the recomputation.
            </>
          ) : (
            <>
              <Badge tone="bad">wrong</Badge>{" "}
              {state.where
                ? `The first difference is in unit ${state.where.unit}, op ${state.where.op} (${state.where.name}).`
                : "The result does not match what the device committed to; its trace is not available, so the exact place is unknown."}{" "}
              {result.isOpen && (
                <>
                  Convict it and earn part of its bond with <code>ionet verify {job} --convict</code>.
                </>
              )}
            </>
          )}
        </p>
      )}
    </section>
  );
}

/** Lets the consumer cancel a job that no device has claimed, with its replicas. */
function Cancel({ job }: { job: OnChain<Job> | null | undefined }) {
  const { signer, address } = useWallet();
  const escrow = useOne(ESCROW, job?.escrow ?? null);
  const replicas = useReplicas(job);
  const jobs = cancellable(replicas, escrow.data?.owner, address);
  if (!signer || jobs.length === 0) return null;
  const isOne = jobs.length === 1;
  return (
    <Act
      name="Cancel the job"
      note={explainCancelling(jobs.length, replicas.length)}
      label={isOne ? "Cancel the job" : "Cancel the replicas"}
      kind="danger"
      why={null}
      action={() => ({ title: isOne ? "Cancel the job" : `Cancel ${jobs.length} replicas`, instructions: cancelling(signer, jobs) })}
    />
  );
}

/** Every transaction of a job and what it did. */
function Transactions({ of: { events = [], transactions = [] } }: { of: { events?: Event[]; transactions?: Transaction[] } }) {
  if (transactions.length === 0) return <Loading what="Waiting for the first transaction" />;
  const names = (signature: string) => capital([...new Set(events.filter((event) => event.signature === signature).map(({ name }) => words(name)))].join(", "));
  return (
    <Table
      caption="Transactions"
      rows={transactions}
      rowKey={({ signature }) => signature}
      columns={[
        { name: "Transaction", cell: ({ signature }) => <Key of={signature} /> },
        { name: "Event", cell: ({ signature }) => names(signature) },
        { name: "Compute units", number: true, cell: ({ compute_units }) => count(compute_units) },
        { name: "Fee", number: true, cell: ({ fee }) => sol(fee) },
      ]}
    />
  );
}
