import { address as parse, isAddress } from "@solana/kit";
import type { ReactNode } from "react";
import { useQuery } from "@tanstack/react-query";
import { Link, useParams } from "wouter";
import { useAnswer, type DisputeRow, type Event, type JobRow, type Page } from "../../lib/api";
import { count, io, moment } from "../../lib/format";
import { useNow } from "../../lib/market";
import { Answer, Badge, Card, Empty, Facts, Io, Key, Moment, Problem, Table, Title } from "../../ui";
import { useModelName } from "../jobs/accounts";
import { JobAmount } from "../jobs/table";
import { moneyOf } from ".";
import { explainFault, Fault, faultName, fromCode, happened, heldUntil, inAll, loss, returnedBy, silentOn } from "./faults";

/** The conviction of one job. */
export function DisputePage() {
  const { address = "" } = useParams<{ address: string }>();
  const known = isAddress(address);
  const disputes = useAnswer<Page<DisputeRow>>("disputes", { address }, known);
  const job = useAnswer<JobRow>(`jobs/${address}`, {}, known);
  if (!known) return <Problem error={new Error(`“${address}” is not an address`)} />;
  return (
    <>
      <Title up={["/disputes", "All disputes"]} says={<>Job <Key of={address} to={`/jobs/${address}`} /></>}>Dispute</Title>
      <Answer of={{ ...disputes, data: disputes.data?.rows }} empty={<>The result of this job has not been proved wrong. <Link href={`/jobs/${address}`}>See the job</Link></>}>
        {([latest, ...earlier]) =>
          latest && (
            <>
              <Verdict dispute={latest} job={job.data} />
              <Answer of={job}>{(found) => <Timeline events={found.events ?? []} fees={new Map(found.transactions?.map(({ signature, fee }) => [signature, fee]))} />}</Answer>
              {earlier.length > 0 && <p className="muted small">The address had been used before: {count(earlier.length)} earlier convictions are in the list of all.</p>}
            </>
          )
        }
      </Answer>
    </>
  );
}

/** Name of an op of a shipped model. */
function useOpName(model: string | undefined, op: number): string | undefined {
  const { name } = useModelName(model === undefined ? null : parse(model));
  const ops = useQuery({
    queryKey: ["config", "ops", name],
    queryFn: async () => {
      const answer = await fetch(`/models/${name}/model.json`);
      if (!answer.ok) throw new Error(`the server does not have the model's package (${answer.status})`);
      return ((await answer.json()) as { ops: { name: string; op: string }[] }).ops;
    },
    enabled: name !== undefined,
    staleTime: Number.POSITIVE_INFINITY,
  });
  const found = ops.data?.[op];
  return found && `${found.name}, ${found.op}`;
}

function Verdict({ dispute, job }: { dispute: DisputeRow; job: JobRow | undefined }) {
  const now = useNow();
  const fault = Number(dispute.fault);
  const opName = useOpName(job?.model, dispute.op);
  const money = moneyOf(dispute);
  const events = [...(job?.events ?? [])].sort((a, b) => a.id - b.id);
  const returned = returnedBy(events);
  const consumer = inAll(money, job);
  const asked = fault === Fault.Silence ? silentOn({ ...dispute, fault }, dispute.challenger, events) : null;
  const priority = Number(events.findLast(({ name }) => name === "JobConvicted")?.data["priority_ends"] ?? 0);
  const held = job ? heldUntil(priority, job.replicas, events) : null;
  const unless = held !== null && held > now ? `, from ${moment(held)} on if the device has a sealed permit, which may excuse the error` : "";
  return (
    <div className="columns">
      <Card title="What was wrong">
        <p>
          <Badge tone="bad">{faultName(fault)}</Badge> {explainFault({ ...dispute, fault }, opName, asked)}
        </p>
        <Facts
          of={[
            // The sentence has what a silent device was asked for.
            ...(asked
              ? []
              : ([
                  ["Unit, counted from 0", `${count(dispute.unit)}${job ? ` of ${count(job.units)}` : ""}`],
                  ...(fault === Fault.Output ? [] : [["Op", `${dispute.op}${opName ? ` (${opName})` : ""}`]]),
                  [fault === Fault.Element ? "Element" : fault === Fault.Silence ? "Page or chunk" : "Chunk or node", count(dispute.element)],
                ] as [string, string][])),
            ...(fault === Fault.Element
              ? ([
                  ["It must be", String(fromCode(dispute.expected))],
                  ["The device claimed", String(fromCode(dispute.claimed))],
                ] as [string, string][])
              : []),
            ["Device", <Key of={dispute.device} to={`/devices/${dispute.device}`} />],
            ["Challenger", <Key of={dispute.challenger} />],
            ["Convicted", <Moment at={dispute.convicted_at} />],
            ["By transaction", <Key of={dispute.signature} />],
          ]}
        />
      </Card>
      <Card title="Money moved">
        <Facts
          of={[
            ["The consumer's lock is free again", job ? <JobAmount job={job} of={dispute.refund} /> : "–"],
            ["From the bond to the consumer", <Io of={money.compensation} />],
            ["From the bond to the challenger", <Io of={money.reward} />],
            ["Burned", <Io of={money.burned} />],
            ["The device lost in all", <b><Io of={loss(money)} /></b>],
            ...(returned === null
              ? []
              : ([
                  ["Returned to it: it erred by permit", <Io of={returned} />],
                  ["From the permit to the challenger", <Io of={money.jackpot} />],
                ] as [string, ReactNode][])),
            ...(consumer === null ? [] : [["The consumer has in all", <Io of={consumer} />] as [string, ReactNode]]),
          ]}
        />
        <p className="small" role="status">
          {dispute.awarded_at !== null ? (
            <>
              <Key of={dispute.awarded_to} /> was paid at <Moment at={dispute.awarded_at} />.
            </>
          ) : priority > now ? (
            <>Until <Moment at={priority} /> evidence that was sealed earlier may take the reward over; then anyone may pay it out{unless}.</>
          ) : (
            `The reward of ${io(money.reward + money.jackpot)} is to be paid out; anyone may do it${unless}.`
          )}
        </p>
      </Card>
    </div>
  );
}

function Timeline({ events, fees }: { events: Event[]; fees: Map<string, number> }) {
  if (events.length === 0) return <Empty>Its history is not there yet.</Empty>;
  return (
    <Card title="What happened">
      <Table
        caption="Everything that happened to the job, in its order"
        rows={[...events].sort((a, b) => a.id - b.id)}
        rowKey={({ id }) => id}
        columns={[
          { name: "What", cell: ({ name }) => <span className="wrap">{happened(name)}</span> },
          { name: "When", cell: ({ time }) => <Moment at={time} /> },
          { name: "Transaction", cell: ({ signature }) => <Key of={signature} /> },
          { name: "Slot", number: true, wide: true, cell: ({ slot }) => count(slot) },
          { name: "Fee, lamports", number: true, wide: true, cell: ({ signature }) => count(fees.get(signature) ?? 0) },
        ]}
      />
    </Card>
  );
}
