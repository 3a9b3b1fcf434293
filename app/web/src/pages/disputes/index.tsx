import { Link } from "wouter";
import { getDemandHeaderDecoder, getDemandHeaderDiscriminatorBytes, JOBS_PROGRAM_ADDRESS, type DemandHeader } from "../../generated/jobs";
import { useAll, type Kind } from "../../lib/accounts";
import { useList, type DisputeRow } from "../../lib/api";
import { io, percent, span } from "../../lib/format";
import { useNow } from "../../lib/market";
import { Answer, Badge, Card, Key, List, Moment, Table, Title } from "../../ui";
import { demandName, faultName, loss, reasonName } from "./faults";

/** Demands: parts of results that challengers have asked devices to show. */
const DEMAND: Kind<DemandHeader> = { program: JOBS_PROGRAM_ADDRESS, discriminator: getDemandHeaderDiscriminatorBytes(), decoder: getDemandHeaderDecoder() };

/** A slash by the judge keys, as the indexer reports it. */
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

/** Convictions, open demands, and slashes by the judge keys. */
export default function DisputesPage() {
  return (
    <>
      <Title note="Anyone who recomputes a job and finds a wrong result can prove it on the chain with a single element. The chain computes that element itself and takes the device's bond: no judge, no vote, no appeal.">
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
      <List
        of={list}
        empty="No result has been proven wrong."
        caption="Convictions, latest first"
        rowKey={({ id }) => id}
        columns={[
          { name: "When", cell: ({ convicted_at, address }) => <Link href={`/disputes/${address}`}><Moment at={convicted_at} /></Link> },
          { name: "What was wrong", cell: ({ fault }) => <Badge tone="bad">{faultName(Number(fault))}</Badge> },
          { name: "Job", cell: ({ address }) => <Key of={address} to={`/jobs/${address}`} /> },
          { name: "Device", cell: ({ device }) => <Key of={device} to={`/devices/${device}`} /> },
          { name: "Device lost", number: true, cell: (row) => io(loss(moneyOf(row))) },
          { name: "Challenger got", number: true, cell: (row) => io(moneyOf(row).reward + moneyOf(row).jackpot) },
        ]}
      />
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
    <Card title="Open demands">
      <Answer of={demands} empty="No device is being asked to show part of its result.">
        {(rows) => (
          <Table
            caption="Parts of results that devices are asked to show"
            rows={[...rows].sort((a, b) => Number(a.deadlineAt - b.deadlineAt))}
            rowKey={({ address }) => address}
            columns={[
              { name: "Job", cell: ({ job }) => <Key of={job} to={`/jobs/${job}`} /> },
              { name: "Demanded", cell: (demand) => <span className="wrap">{demandName(demand)}</span> },
              {
                name: "Answer",
                cell: ({ answered, deadlineAt }) =>
                  answered ? <Badge tone="good">answered</Badge> : now < deadlineAt ? <Badge tone="busy">due in {span(Number(deadlineAt) - now)}</Badge> : <Badge tone="bad">overdue</Badge>,
              },
              { name: "Device", cell: ({ device }) => <Key of={device} to={`/devices/${device}`} /> },
              { name: "Challenger", wide: true, cell: ({ challenger }) => <Key of={challenger} /> },
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
        Before it is paid, a device commits to every value it computed. During the challenge window anyone can recompute the job and point the chain at one element that
        does not follow from the committed inputs. The chain computes that element itself. If it differs, the consumer's payment is unlocked at once and the device loses
        its bond: part goes to the consumer, part to the challenger, and the rest is burned. There is no appeal, and an honest result cannot be convicted.
      </p>
      <p>
        Verify a job in the browser on its page, or with <code>ionet verify JOB</code>; <code>ionet verify JOB --convict</code> posts the evidence and convicts the device.{" "}
        <code>ionet-watchtower</code> does this for every job it can recompute. If a device withholds its data, challengers demand it on the chain, and a device that does
        not answer is convicted as well.
      </p>
    </Card>
  );
}

const TONES: Partial<Record<SlashRow["status"], "bad" | "busy">> = { approved: "busy", appealed: "busy", upheld: "bad" };

function Slashes() {
  const list = useList<SlashRow>("slashes");
  return (
    <Card title="Manual slashes">
      <p className="muted small">
        For offences that the chain cannot prove. A slash needs two keys: one proposes it, the other approves it. The stake is then set aside, its owner can appeal, and
        stakers can vote to return it before it is burned.
      </p>
      <List
        of={list}
        empty="No device has been slashed."
        caption="Slashes, latest first"
        rowKey={({ id }) => id}
        columns={[
          { name: "Device", cell: ({ device }) => <Key of={device} to={`/devices/${device}`} /> },
          { name: "Status", cell: ({ status }) => <Badge tone={TONES[status] ?? "plain"}>{status}</Badge> },
          { name: "Reason", cell: ({ reason }) => reasonName(reason) },
          { name: "Share", number: true, cell: ({ share_bps }) => percent(share_bps) },
          { name: "Set aside", number: true, cell: ({ own, active, cooling }) => io(BigInt(own) + BigInt(active) + BigInt(cooling)) },
          { name: "Proposed", wide: true, cell: ({ proposed_at }) => <Moment at={proposed_at} /> },
          { name: "Appeal until", wide: true, cell: ({ ends_at }) => <Moment at={ends_at} /> },
          { name: "Evidence", wide: true, cell: ({ evidence }) => <Key of={evidence} /> },
        ]}
      />
    </Card>
  );
}
