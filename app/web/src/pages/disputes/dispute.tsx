import { address as parse, type Address } from "@solana/kit";
import { useQuery } from "@tanstack/react-query";
import { Link } from "wouter";
import { useAnswer, useList, type DisputeRow, type Event, type JobRow } from "../../lib/api";
import { capital, count, io, many, moment } from "../../lib/format";
import { useNow } from "../../lib/market";
import { Answer, Badge, Card, Empty, Facts, Io, Key, Moment, Table, Title } from "../../ui";
import { usePackage } from "../jobs/accounts";
import { JobAmount } from "../jobs/table";
import { moneyOf } from ".";
import { explainFault, Fault, faultName, fromCode, happened, heldUntil, inAll, loss, returnedBy, silentOn } from "./faults";

/** The conviction of one job. */
export default function DisputePage({ address }: { address: Address }) {
  const disputes = useList<DisputeRow>("disputes", { address });
  const job = useAnswer<JobRow>(`jobs/${address}`);
  return (
    <>
      <Title up={["/disputes", "All disputes"]} note={<>Job <Key of={address} to={`/jobs/${address}`} /></>}>Dispute</Title>
      <Answer of={disputes} empty={<>The result of this job has not been proven wrong. <Link href={`/jobs/${address}`}>See the job</Link></>}>
        {([latest, ...earlier]) =>
          latest && (
            <>
              <Verdict dispute={latest} job={job.data} />
              <Answer of={job}>{(found) => <Timeline events={found.events ?? []} fees={new Map(found.transactions?.map(({ signature, fee }) => [signature, fee]))} />}</Answer>
              {earlier.length > 0 && <p className="muted small">This address was used before: the list of all convictions has {many(earlier.length, "earlier conviction")} for it.</p>}
            </>
          )
        }
      </Answer>
    </>
  );
}

/** Name of an op of a shipped model. */
function useOpName(model: string | undefined, op: number): string | undefined {
  const name = usePackage(model === undefined ? null : parse(model)).model?.name;
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
  const held = job ? heldUntil(priority, job, events) : null;
  const unless = held !== null && held > now ? `; while there are sealed permits to err, one of which may excuse this error, only from ${moment(held)}` : "";
  return (
    <div className="columns">
      <Card title="What was wrong">
        <p>
          <Badge tone="bad">{faultName(fault)}</Badge> {explainFault({ ...dispute, fault }, opName, asked)}
        </p>
        <Facts
          of={[
            // For a silent device, the sentence already says what it was asked for.
            !asked && ["Unit (from 0)", `${count(dispute.unit)}${job ? ` of ${count(job.units)}` : ""}`],
            !asked && fault !== Fault.Output && ["Op", `${dispute.op}${opName ? ` (${opName})` : ""}`],
            !asked && [fault === Fault.Element ? "Element" : fault === Fault.Silence ? "Page or chunk" : "Chunk or node", count(dispute.element)],
            fault === Fault.Element && ["Correct value", fromCode(dispute.expected)],
            fault === Fault.Element && ["Device's value", fromCode(dispute.claimed)],
            ["Device", <Key of={dispute.device} to={`/devices/${dispute.device}`} />],
            ["Challenger", <Key of={dispute.challenger} />],
            ["Convicted on", <Moment at={dispute.convicted_at} />],
            ["Transaction", <Key of={dispute.signature} />],
          ]}
        />
      </Card>
      <Card title="Payments">
        <Facts
          of={[
            ["Returned to the consumer's escrow", job ? <JobAmount job={job} of={dispute.refund} /> : "–"],
            ["Bond paid to the consumer", <Io of={money.compensation} />],
            ["Bond paid to the challenger", <Io of={money.reward} />],
            ["Bond burned", <Io of={money.burned} />],
            ["Total loss of the device", <b><Io of={loss(money)} /></b>],
            returned !== null && ["Returned to the device (permitted error)", <Io of={returned} />],
            returned !== null && ["Permit jackpot to the challenger", <Io of={money.jackpot} />],
            consumer !== null && ["Total for the consumer", <Io of={consumer} />],
          ]}
        />
        <p className="small" role="status">
          {dispute.awarded_at !== null ? (
            <>
              <Key of={dispute.awarded_to} /> was paid on <Moment at={dispute.awarded_at} />.
            </>
          ) : priority > now ? (
            <>Until <Moment at={priority} />, a challenger whose evidence was sealed earlier can take over the reward. After that, anyone can pay it out{unless}.</>
          ) : (
            `The reward of ${io(money.reward + money.jackpot)} has not been paid out yet; anyone can do it${unless}.`
          )}
        </p>
      </Card>
    </div>
  );
}

function Timeline({ events, fees }: { events: Event[]; fees: Map<string, number> }) {
  if (events.length === 0) return <Empty>Its history is not recorded yet.</Empty>;
  return (
    <Card title="Timeline">
      <Table
        caption="Everything that happened to the job, in order"
        rows={[...events].sort((a, b) => a.id - b.id)}
        rowKey={({ id }) => id}
        columns={[
          { name: "Event", cell: ({ name }) => <span className="wrap">{capital(happened(name))}</span> },
          { name: "When", cell: ({ time }) => <Moment at={time} /> },
          { name: "Transaction", cell: ({ signature }) => <Key of={signature} /> },
          { name: "Slot", number: true, wide: true, cell: ({ slot }) => count(slot) },
          { name: "Fee (lamports)", number: true, wide: true, cell: ({ signature }) => count(fees.get(signature) ?? 0) },
        ]}
      />
    </Card>
  );
}
