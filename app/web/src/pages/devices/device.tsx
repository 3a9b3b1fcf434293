import { isAddress, type Address } from "@solana/kit";
import { useMemo } from "react";
import { useParams } from "wouter";
import type { Device, RewardBlock } from "../../generated/staking";
import { useAll, useOne, type Found } from "../../lib/accounts";
import { useAnswer, useList, type DeviceRow, type JobRow, type RewardRow } from "../../lib/api";
import { count, io, moment, percent, roughly, short, span } from "../../lib/format";
import { gpuName, useGpuModels } from "../../lib/gpus";
import { useNow } from "../../lib/market";
import { useWallet } from "../../lib/wallet";
import { Answer, Badge, Card, Empty, Facts, Figure, Figures, Io, Key, Loading, Moment, Table, Title } from "../../ui";
import { Chart } from "../../ui/chart";
import { addressBytes, useEmission, useHours, useStaking, DEVICE } from "./accounts";
import { OwnerActs } from "./acts";
import { History } from "./history";
import { hireableAt, whyNotHired, type Standing } from "./rules";
import { Slashes } from "./slashes";
import { minimumOf, nextRaise, Offering, overflow, pending, requiredMultiplier, TERMINATED } from "./stake";
import { DEVICE_AT, OFFER } from "../costaking/accounts";
import { Status } from "../costaking/shares";
import { io as amount, perHour } from "../rewards/chart";
import { HOUR } from "../rewards/emission";
import { lastWeek, rated, weekly } from "../rewards/week";
import { JobTable } from "../jobs/table";

const UP: [string, string] = ["/devices", "All devices"];

/** One device: what it has staked, done and earned, and what its owner can do. */
export function DevicePage() {
  const { address } = useParams<{ address: string }>();
  if (!address || !isAddress(address)) return <Empty>This is no address of a device.</Empty>;
  return <Page address={address} />;
}

function Page({ address }: { address: Address }) {
  const device = useOne(DEVICE, address);
  const gpus = useGpuModels();
  const staking = useStaking();
  const hours = useHours();
  const now = useNow();
  const { address: me } = useWallet();
  const known = useAnswer<DeviceRow>(`devices/${address}`);
  if (device.data === null) {
    return (
      <>
        <Title up={UP}>Device</Title>
        <Empty>
          {known.data ? `Device ${short(address)} was retired and closed; its history is below.` : "There is no device at this address."}
        </Empty>
        {known.data && <History events={known.data.events ?? []} />}
      </>
    );
  }
  const gpu = gpus.data?.find(({ id }) => id === device.data?.gpuModel);
  return (
    <Answer of={device.data === undefined ? device : { ...staking, data: staking.data ?? undefined }}>
      {(config) => {
        if (!device.data) return null;
        if (!gpu) return <Loading />;
        const standing = { device: device.data, gpu, config, least: minimumOf(device.data, gpu, config, now), now };
        return (
          <>
            <Title
              up={UP}
              says={
                <>
                  <Key of={address} /> of <Key of={device.data.owner} />
                </>
              }
            >
              {device.data.quantity} × {gpuName(gpus.data, gpu.id)} <State of={standing} />
            </Title>
            <Overview standing={{ ...standing, device: device.data }} blocks={hours.data ?? []} />
            {device.data.owner === me ? (
              <OwnerActs standing={{ ...standing, device: device.data }} blocks={hours.data ?? []} />
            ) : (
              <Card title="What its owner can do">
                <p>
                  To stake, withdraw, claim rewards, offer co-stakers a share, replace its key or retire it, connect its owner's wallet
                  {me ? " instead of this one" : ""}: <Key of={device.data.owner} />
                </p>
              </Card>
            )}
            <Offers device={address} />
            <Rewards device={device.data} />
            <Slashes device={address} owner={device.data.owner} />
            <Jobs device={address} />
            <Answer of={known}>{({ events }) => <History events={events ?? []} />}</Answer>
          </>
        );
      }}
    </Answer>
  );
}

function State({ of }: { of: Standing }) {
  if (of.device.status === TERMINATED) return <Badge>retired</Badge>;
  if (of.device.cooling > 0n) return <Badge>cooling down</Badge>;
  if (of.device.openJobs > 0) return <Badge tone="busy">at work</Badge>;
  return whyNotHired(of) ? <Badge tone="busy">not for hire</Badge> : <Badge tone="good">for hire</Badge>;
}

function Overview({ standing, blocks }: { standing: Standing & { device: Found<Device> }; blocks: readonly RewardBlock[] }) {
  const { device, gpu, config, least, now } = standing;
  const emission = useEmission();
  const why = whyNotHired(standing);
  const settled = lastWeek(blocks, now);
  const raise = nextRaise(device, gpu, config, now);
  const week = weekly(settled, rated(device, gpu, emission.data?.minUptime ?? 0));
  return (
    <>
      <Figures>
        <Figure name="Own stake" says={`minimum ${io(least)}`}>
          <Io of={device.ownStake} rough />
        </Figure>
        <Figure name="Co-stake">
          <Io of={device.coStake} rough />
        </Figure>
        <Figure name="To claim" says={waits(device)}>
          <Io of={device.rewards} rough />
        </Figure>
        <Figure name="A week brings" says={settled.length > 0 ? `about, by ${settled.length} hours` : "no hour is settled yet"}>
          {settled.length > 0 ? roughly(week) : "–"}
        </Figure>
        <Figure name="Jobs done" says={`${count(device.cleanJobs)} since the last fault`}>
          {count(device.jobsDone)}
        </Figure>
        <Figure name="Convicted" says={`${count(device.jobsMissed)} missed a deadline`}>
          {count(device.jobsConvicted)}
        </Figure>
      </Figures>
      {why && <p className="banner">It takes no jobs now: {why}.</p>}
      <div className="columns">
        <Card title="Stake">
          <Facts
            of={[
              ["Minimum", `${io(least)} for a multiplier of ${requiredMultiplier(gpu, now) / 100}`],
              ...(raise ? [["Minimum raised", `to ${io(raise.least)} at ${moment(raise.at)}`] as [string, string]] : []),
              ["Bonded for open jobs", `${io(device.lockedBond)}, ${count(device.openJobs)} open`],
              ["Free for bonds", device.dues > 0 ? "nothing" : io(device.ownStake - device.lockedBond)],
              ["Overflow", `${io(overflow(device, least))}, can leave at once`],
              ["Cooling down", device.cooling > 0n ? `${io(device.cooling)}, ${until(Number(device.cooldownEnds), now)}` : "nothing"],
              ["Co-stake cooling down", device.coCooling > 0n ? io(device.coCooling) : "nothing"],
              ["Set aside by slashes", device.escrowed > 0n ? io(device.escrowed) : "nothing"],
              ["Owed for convictions", device.owed > 0n ? io(device.owed) : "nothing"],
              ["Forfeited", device.forfeited > 0n ? io(device.forfeited) : "nothing"],
            ]}
          />
        </Card>
        <Card title="Presence">
          <Facts
            of={[
              ["There without a gap", presence(device, now, emission.data?.minUptime ?? 0)],
              ["Last hour checked in", device.lastHour > 0 ? moment(device.lastHour * HOUR) : "never; its worker does that"],
              ["Calls answered this hour", answered(device, now, 0)],
              ["Calls answered the hour before", answered(device, now, 1)],
              ["Connectivity", `tier ${device.tier} of 4`],
              ["Registered", moment(device.registeredAt)],
              ["Probation", now < hireableAt(standing) ? until(hireableAt(standing), now) : "over"],
              ["Device key", <Key of={device.key} />],
              ["Job payments go to", <Key of={device.payout} />],
            ]}
          />
        </Card>
      </div>
    </>
  );
}

const until = (end: number, now: number) => (now < end ? `until ${moment(end)} (${span(end - now)})` : "over");

function waits(device: Device): string {
  const hours = pending(device).length;
  return hours === 0 ? "nothing waits" : `${count(hours)} h wait to be collected`;
}

function presence(device: Device, now: number, minUptime: number): string {
  if (device.lastHour === 0) return "not yet";
  const behind = now - device.lastHour * HOUR;
  const hours = device.lastHour - device.streakHour;
  if (behind >= 3 * HOUR) return `interrupted: last there ${span(behind)} ago`;
  return hours * HOUR <= minUptime ? `${hours} h of the ${minUptime / HOUR} h before pay begins` : `${hours} h`;
}

/** Calls answered in the hour that is `back` before this one. The account knows two hours. */
function answered(device: Device, now: number, back: number): string {
  const kept = device.answersHour - (Math.floor(now / HOUR) - back);
  const bits = kept === 0 ? device.answers : kept === 1 ? device.answersBefore : 0;
  return count([...bits.toString(2)].filter((bit) => bit === "1").length);
}

function Offers({ device }: { device: Address }) {
  const offers = useAll(["offers of", device], OFFER, [{ offset: DEVICE_AT, bytes: addressBytes(device) }]);
  const rows = [...(offers.data ?? [])].sort((a, b) => b.index - a.index);
  if (rows.length === 0) return null;
  return (
    <Card title="Offers to co-stakers">
      <Table
        caption="Offers to co-stakers"
        rows={rows}
        rowKey={({ address }) => address}
        columns={[
          { name: "Offer", cell: ({ address }) => <Key of={address} to={`/co-staking/${address}`} /> },
          { name: "State", cell: ({ status }) => Status[status]?.toLowerCase() ?? status },
          { name: "Share", number: true, cell: ({ shareBps }) => percent(shareBps) },
          { name: "Capacity", number: true, cell: ({ capacity }) => <Io of={capacity} /> },
          { name: "Paid to co-stakers", number: true, wide: true, cell: ({ received }) => <Io of={received} /> },
        ]}
      />
    </Card>
  );
}

function Rewards({ device }: { device: Found<Device> }) {
  const rewards = useList<RewardRow>("rewards", { device: device.address, limit: 200 });
  const chart = useMemo(() => perHour(rewards.rows ?? []), [rewards.rows]);
  return (
    <Card title="Rewards by hour">
      <Answer of={{ ...rewards, data: rewards.rows }} empty="No hour has been paid yet.">
        {(rows) => (
          <>
            {chart.times.length > 1 && <Chart label="Rewards by hour, $IO" {...chart} format={amount} />}
            <p className="muted small">
              {device.offering === Offering.Nothing ? "All of it is the owner's." : "This is the owner's part; what co-stakers got is on the offer's page."}
            </p>
            <Table
              caption="Hours paid"
              rows={rows}
              rowKey={({ id }) => id}
              more={rewards}
              columns={[
                { name: "Hour", cell: ({ hour }) => <Moment at={hour} /> },
                { name: "Reward", number: true, cell: ({ reward }) => <Io of={reward} /> },
                { name: "Collected", wide: true, cell: ({ time }) => <Moment at={time} /> },
              ]}
            />
          </>
        )}
      </Answer>
    </Card>
  );
}

function Jobs({ device }: { device: Address }) {
  const jobs = useList<JobRow>("jobs", { device, limit: 20 });
  return (
    <Card title="Jobs">
      <Answer of={{ ...jobs, data: jobs.rows }} empty="It has taken no job yet.">
        {(rows) => <JobTable rows={rows} more={jobs} ofOne />}
      </Answer>
    </Card>
  );
}
