import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "wouter";
import { address as parse, type Address } from "@solana/kit";
import type { Job } from "../../generated/jobs";
import { useOne, type Found as OnChain } from "../../lib/accounts";
import { useAnswer, type Event, type JobRow, type Transaction } from "../../lib/api";
import { check, photoOf, pictures, type Finding, type Layout, type Shipped } from "../../lib/engine";
import { capital, count, sol, words } from "../../lib/format";
import { gpuName, useGpuModels } from "../../lib/gpus";
import { useMarket, useNow } from "../../lib/market";
import { useWallet } from "../../lib/wallet";
import { Answer, Badge, Button, Card, Empty, Facts, Io, Key, Loading, Moment, Problem, Table, Title, Wrong } from "../../ui";
import { Act, useAttempt } from "../../ui/act";
import { ESCROW, JOB, usePackage } from "./accounts";
import { committed, missing, type Committed } from "./committed";
import { cancelling, endOverdue } from "./instructions";
import { Download, Pixels, type Picture } from "./pictures";
import { progress, type Ending } from "./progress";
import { recall, type Content } from "./remembered";
import { cancellable, explainCancelling, useReplicas } from "./replicas";
import { JobAmount, JobStatus } from "./table";

/** Most pictures shown of a job. */
const MOST_PICTURES = 24;
/** Milliseconds between queries for the account of a job that the indexer does not have. */
const LOOK = 2_000;

/** One job, from its opening to its end. */
export default function JobPage({ address }: { address: Address }) {
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
      return <Unrecorded job={account.data} />;
    case "unknown":
      return <Empty>There is no job at this address. A job that was just sent appears here as soon as it is confirmed.</Empty>;
    default:
      return <Answer of={row}>{(job) => <Found job={job} account={account} />}</Answer>;
  }
}

/** A job that the indexer does not have yet. */
function Unrecorded({ job }: { job: OnChain<Job> | null | undefined }) {
  const { replicas } = useReplicas(job);
  return (
    <Card title="Progress">
      <Loading what="The job is on the chain; waiting for the indexer to record it" />
      <Cancel replicas={replicas} />
    </Card>
  );
}

/** Query for the job's account; `null` once it is closed. */
type Account = ReturnType<typeof useOne<Job>>;

function Found({ job, account }: { job: JobRow; account: Account }) {
  const at = usePackage(parse(account.data?.model ?? job.model));
  const escrow = useOne(ESCROW, account.data?.escrow ?? parse(job.escrow));
  const { replicas, isLoading: isSearching } = useReplicas(account.data);
  const { address: me } = useWallet();
  const content = recall(job.address);
  const isOwn = content !== null || (me !== null && escrow.data?.owner === me);
  // What decides the size of a card, which would move those below it.
  const isSized = !account.isPending && !escrow.isLoading && !isSearching && !at.isPending;
  return (
    <>
      <Steps job={job} account={account.data ?? null} replicas={replicas} />
      {isSized ? (
        <>
          <Answer of={account}>
            {(found) => {
              const result = committed(found, job);
              const isExpected = content !== null && isLive(job);
              return (result || isExpected) && <Results job={job} result={result} content={content} isOwn={isOwn} at={at} />;
            }}
          </Answer>
          <Details job={job} replicas={replicas} model={at.model?.name} />
        </>
      ) : (
        <Loading />
      )}
    </>
  );
}

/** A job's terms, receipt and transactions. */
function Details({ job, replicas, model }: { job: JobRow; replicas: OnChain<Job>[]; model: string | undefined }) {
  const gpus = useGpuModels();
  const others = replicas.filter(({ address }) => address !== job.address);
  return (
    <div className="columns">
      <Card title="Terms">
        <Facts
          of={[
            ["Status", <JobStatus of={job.status} />],
            ["Model", model ?? <Key of={job.model} />],
            ["Units", count(job.units)],
            ["Replicas", job.replicas > 1 ? `this is ${job.replica + 1} of ${job.replicas}` : "1"],
            ...others.map((at) => [`Replica ${at.replica + 1}`, <Key of={at.address} to={`/jobs/${at.address}`} />] as const),
            ["Price per unit", job.price === null ? <>up to <JobAmount job={job} of={job.max_price} /></> : <JobAmount job={job} of={job.price} />],
            ["Device", job.device ? <Key of={job.device} to={`/devices/${job.device}`} /> : "none yet"],
            ["GPU", gpuName(gpus.data, job.gpu_model)],
            ["Bond", <Io of={job.bond} />],
          ]}
        />
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
function Steps({ job, account, replicas }: { job: JobRow; account: OnChain<Job> | null; replicas: OnChain<Job>[] }) {
  const now = useNow();
  const done = STEPS.filter(([, at]) => at(job) !== null);
  const live = isLive(job);
  const { sentence, ending } = progress(job, account, now);
  return (
    <Card title="Progress">
      {/* Announced as they are taken; the sentence below counts down. */}
      <ol className="steps" aria-live="polite">
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
      <p>
        {sentence}{" "}
        {job.status === "convicted" && <Link href={`/disputes/${job.address}`}>See what was wrong</Link>}
      </p>
      {account && ending && <End job={account} how={ending} />}
      <Cancel replicas={replicas} />
    </Card>
  );
}

/** Lets anyone end an overdue job. For a job that no device claimed, its consumer has [`Cancel`] instead. */
function End({ job, how }: { job: OnChain<Job>; how: Ending }) {
  const { address } = useWallet();
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
      action={async (signer) => ({ title: "End the job", instructions: await endOverdue(signer, how, job, consumer) })}
    />
  );
}

interface Shown {
  job: JobRow;
  /** `null` before the reveal. */
  result: Committed | null;
  content: Content | null;
  isOwn: boolean;
  at: ReturnType<typeof usePackage>;
}

/** The pictures and their verification. Those of other people's jobs are fetched only on request. */
function Results({ job, result, content, isOwn, at: { model, error, retry } }: Shown) {
  const { config } = useMarket();
  const [asked, setAsked] = useState(false);
  const shown = asked || isOwn;
  const layout = content?.kind === "photo" ? content.layout : null;
  const { inputs, units } = result ?? job;
  const outputs = result?.outputs;
  const output = useQuery({
    queryKey: ["config", "pictures", outputs, model?.name, units, layout],
    queryFn: () => (model && outputs ? pictures({ model, store: config.blobs, outputs, units, layout, most: MOST_PICTURES }) : []),
    enabled: shown && !!model && !!outputs,
    retry: 2,
  });
  const input = useQuery({
    queryKey: ["config", "pictures", inputs, model?.name, units, layout],
    queryFn: () => (model && layout ? photoOf({ model, store: config.blobs, inputs, units, layout }) : []),
    enabled: !!layout && !!model,
    retry: 2,
  });
  const number = layout ? 1 : Math.min(units, MOST_PICTURES);
  const name = content?.kind === "prompt" ? content.prompt : "Result";
  const images = output.data ?? (model ? blank(model, layout, number) : []);
  return (
    <Card title="Result">
      {result?.isWrong && <p className="wrong">This result was proven wrong.</p>}
      {!model ? (
        error ? <Problem error={error} retry={retry} /> : <Empty>This server does not ship the job's model, so the result cannot be shown or verified here.</Empty>
      ) : (
        <>
          {(output.isLoading || input.isLoading) && (
            <p className="hidden" role="status">
              Loading…
            </p>
          )}
          {shown ? (
            <div className="pictures">
              {layout && !input.error && <Pixels of={input.data?.[0] ?? layout} name="Your photo" />}
              {output.error && !output.data ? (
                <Problem error={output.error} retry={() => void output.refetch()} />
              ) : (
                images.map((image, index) => <Pixels key={index} of={image} name={number > 1 ? `${name} ${index + 1}` : name} />)
              )}
            </div>
          ) : (
            <>
              <p className="muted small">This is somebody else's job, so its pictures are not downloaded unless you ask.</p>
              <Button onClick={() => setAsked(true)}>Show the pictures</Button>
            </>
          )}
          {shown && number > 1 && !content && model.takes === "photo" && (
            <p className="muted small">Only the browser that opened the job can join its tiles into one picture.</p>
          )}
          {shown && !layout && units > number && (
            <p className="muted small">
              Showing the first {number} of {count(units)} units.
            </p>
          )}
          {shown && number === 1 && (
            <div className="actions">
              <Download of={output.data?.[0]} name={`${job.address.slice(0, 8)}.png`} />
            </div>
          )}
          {result && <Verify address={job.address} result={result} model={model} />}
        </>
      )}
    </Card>
  );
}

/** The room for pictures that are not loaded yet: a photo of this layout, or as many pictures as units. */
function blank({ unit, scale }: Shipped, layout: Layout | null, number: number): Picture[] {
  const size = layout ? { width: layout.width * scale, height: layout.height * scale } : unit;
  return Array.from({ length: number }, () => size);
}

/** Recomputes the job in this browser. */
function Verify({ address, result, model }: { address: string; result: Committed; model: Shipped }) {
  const { config } = useMarket();
  const { attempt, busy, error } = useAttempt();
  const [done, setDone] = useState(0);
  const [finding, setFinding] = useState<Finding | null>(null);
  const { inputs, traces, outputs, units } = result;
  const run = () =>
    attempt(async () => {
      setDone(0);
      setFinding(await check({ model, store: config.blobs, inputs, traces, outputs }, setDone));
    });
  return (
    <section className="verify">
      <h3>Verify it yourself</h3>
      <p className="muted small">
        Your browser downloads the input, recomputes every op of every unit, and compares the result with the roots that the device committed to.{" "}
        {result.isOnChain
          ? "The roots come from the job's account, so you trust nobody but your Solana node."
          : "The job's account is closed, so the roots come from the indexer."}
      </p>
      {!finding && (
        <Button busy={busy} onClick={() => void run()}>
          Recompute in this browser
        </Button>
      )}
      {busy && (
        <p>
          <progress max={units} value={done} aria-label="Units recomputed" /> {count(done)} of {count(units)} units
        </p>
      )}
      <Wrong>{error}</Wrong>
      {finding && (
        <p role="status">
          {finding.right ? (
            <>
              <Badge tone="good">correct</Badge> Everything the device committed to matches the recomputation.
            </>
          ) : (
            <>
              <Badge tone="bad">wrong</Badge>{" "}
              {finding.where
                ? `The first difference is in unit ${finding.where.unit}, op ${finding.where.op} (${finding.where.name}).`
                : "The result does not match what the device committed to; its trace is not available, so the exact place is unknown."}{" "}
              {result.isOpen && (
                <>
                  Convict it and earn part of its bond with <code>ionet verify {address} --convict</code>.
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
function Cancel({ replicas }: { replicas: OnChain<Job>[] }) {
  const { address } = useWallet();
  const escrow = useOne(ESCROW, replicas[0]?.escrow ?? null);
  const jobs = cancellable(replicas, escrow.data?.owner, address);
  if (jobs.length === 0) return null;
  const isOne = jobs.length === 1;
  return (
    <Act
      name="Cancel the job"
      note={explainCancelling(jobs.length, replicas.length)}
      label={isOne ? "Cancel the job" : "Cancel the replicas"}
      kind="danger"
      action={(signer) => ({ title: isOne ? "Cancel the job" : `Cancel ${jobs.length} replicas`, instructions: cancelling(signer, jobs) })}
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
