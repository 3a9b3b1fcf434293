import { Link } from "wouter";
import { getDemandHeaderDecoder, getDemandHeaderDiscriminatorBytes, JOBS_PROGRAM_ADDRESS, type DemandHeader } from "../../generated/jobs";
import { useAll, type Kind } from "../../lib/accounts";
import { useList, type DisputeRow } from "../../lib/api";
import { io, percent, span } from "../../lib/format";
import { useNow } from "../../lib/market";
import { Answer, Badge, Card, Key, Moment, Table, Title } from "../../ui";
import { demandName, faultName, loss, reasonName } from "./faults";

/** What challengers have asked devices to show. */
const DEMAND: Kind<DemandHeader> = { program: JOBS_PROGRAM_ADDRESS, discriminator: getDemandHeaderDiscriminatorBytes(), decoder: getDemandHeaderDecoder() };

/** A slash that people decide, as the indexer tells it. */
interface SlashRow {
  id: number;
  device: string;
  number: number;
  status: "proposed" | "approved" | "appealed" | "upheld" | "overturned" | "dropped";
  reason: number;
  share_bps: number;
  evidence: string;
  own: number;
  active: number;
  cooling: number;
  proposed_at: number | null;
  ends_at: number | null;
  signature: string;
}

/** Wrong results, what they cost, and what people judged. */
export function DisputesPage() {
  return (
    <>
      <Title says="Whoever recomputes a result and finds it wrong proves it to the chain with a single element, and the chain itself computes that element and takes the device's bond: no judge, no vote, no appeal.">
        Disputes
      </Title>
      <Convictions />
      <Demands />
      <How />
      <Slashes />
    </>
  );
}

function Convictions() {
  const list = useList<DisputeRow>("disputes");
  return (
    <Card title="Convictions">
      <Answer of={{ ...list, data: list.rows }} empty="No result has been proved wrong.">
        {(rows) => (
          <Table
            caption="Convictions, the latest first"
            rows={rows}
            rowKey={({ id }) => id}
            more={list}
            columns={[
              { name: "When", cell: ({ convicted_at, address }) => <Link href={`/disputes/${address}`}><Moment at={convicted_at} /></Link> },
              { name: "What was wrong", cell: ({ fault }) => <Badge tone="bad">{faultName(Number(fault))}</Badge> },
              { name: "Job", cell: ({ address }) => <Key of={address} to={`/jobs/${address}`} /> },
              { name: "Device", cell: ({ device }) => <Key of={device} to={`/devices/${device}`} /> },
              { name: "It lost", number: true, cell: (row) => io(loss(moneyOf(row))) },
              { name: "Challenger got", number: true, cell: (row) => io(moneyOf(row).reward + moneyOf(row).jackpot) },
            ]}
          />
        )}
      </Answer>
    </Card>
  );
}

/** Amounts of a conviction, exact. */
export const moneyOf = ({ refund, reward, compensation, burned, jackpot }: DisputeRow) => ({
  refund: BigInt(refund),
  reward: BigInt(reward),
  compensation: BigInt(compensation),
  burned: BigInt(burned),
  jackpot: BigInt(jackpot),
});

function Demands() {
  const demands = useAll(["demands"], DEMAND);
  const now = useNow();
  return (
    <Card title="Open questions">
      <Answer of={demands} empty="No device is being asked to show a part of its result.">
        {(rows) => (
          <Table
            caption="Parts of results that devices are asked to show"
            rows={[...rows].sort((a, b) => Number(a.deadlineAt - b.deadlineAt))}
            rowKey={({ address }) => address}
            columns={[
              { name: "Job", cell: ({ job }) => <Key of={job} to={`/jobs/${job}`} /> },
              { name: "Asked for", cell: (demand) => <span className="wrap">{demandName(demand)}</span> },
              {
                name: "Answer",
                cell: ({ answered, deadlineAt }) =>
                  answered ? <Badge tone="good">shown</Badge> : now < deadlineAt ? <Badge tone="busy">due in {span(Number(deadlineAt) - now)}</Badge> : <Badge tone="bad">silent</Badge>,
              },
              { name: "Device", cell: ({ device }) => <Key of={device} to={`/devices/${device}`} /> },
              { name: "Asked by", wide: true, cell: ({ challenger }) => <Key of={challenger} /> },
            ]}
          />
        )}
      </Answer>
    </Card>
  );
}

function How() {
  return (
    <Card title="How it works">
      <p>
        A device commits to every value it computed before it is paid; within the job's time of challenge anybody may recompute it and show the chain one element that
        is not what its op makes of the committed inputs. The chain computes that element itself: when it differs, the consumer's money is free at once and the device's
        bond is lost: a part goes to the consumer, a part to the challenger, the rest burns. Nothing about it can be appealed, and an honest result cannot be convicted.
      </p>
      <p>
        Check one job with <code>ionet verify JOB</code>, or in the browser on its page; <code>ionet verify JOB --convict</code> posts the evidence and takes the bond.{" "}
        <code>ionet-watchtower</code> does it for every job it can recompute. A device that hides its bytes is asked for them on the chain, and silence convicts, too.
      </p>
    </Card>
  );
}

const TONES: Partial<Record<SlashRow["status"], "bad" | "busy">> = { approved: "busy", appealed: "busy", upheld: "bad" };

function Slashes() {
  const list = useList<SlashRow>("slashes");
  return (
    <Card title="Slashes that people decide">
      <p className="muted small">
        What the chain cannot tell by itself. Two keys have to agree; then the stake is set aside, its owner may answer, and a vote of the stakers may give it back before
        it burns.
      </p>
      <Answer of={{ ...list, data: list.rows }} empty="Nobody has been slashed by people.">
        {(rows) => (
          <Table
            caption="Slashes, the latest first"
            rows={rows}
            rowKey={({ id }) => id}
            more={list}
            columns={[
              { name: "Device", cell: ({ device }) => <Key of={device} to={`/devices/${device}`} /> },
              { name: "Status", cell: ({ status }) => <Badge tone={TONES[status] ?? "plain"}>{status}</Badge> },
              { name: "Why", cell: ({ reason }) => reasonName(reason) },
              { name: "Share", number: true, cell: ({ share_bps }) => percent(share_bps) },
              { name: "Set aside", number: true, cell: ({ own, active, cooling }) => io(BigInt(own) + BigInt(active) + BigInt(cooling)) },
              { name: "Proposed", wide: true, cell: ({ proposed_at }) => <Moment at={proposed_at} /> },
              { name: "Appeal until", wide: true, cell: ({ ends_at }) => <Moment at={ends_at} /> },
              { name: "Evidence", wide: true, cell: ({ evidence }) => <Key of={evidence} /> },
            ]}
          />
        )}
      </Answer>
    </Card>
  );
}
