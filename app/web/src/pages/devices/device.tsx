import type { Address } from "@solana/kit";
import { useMemo } from "react";
import { COSTAKING_OFFER_AT } from "../../generated/offsets";
import type { Device, RewardBlock } from "../../generated/staking";
import { useAll, useOne, withAddress, type Found } from "../../lib/accounts";
import { useAnswer, useList, type DeviceRow, type JobRow, type RewardRow } from "../../lib/api";
import { count, io, many, moment, percent, roughly, short, span } from "../../lib/format";
import { gpuWith, nameOf, useGpuModels } from "../../lib/gpus";
import { useNow } from "../../lib/market";
import { useWallet } from "../../lib/wallet";
import { Answer, Badge, Card, Empty, Facts, Figure, Figures, Io, Key, Loading, Moment, Table, Title } from "../../ui";
import { Chart } from "../../ui/chart";
import { useEmission, useHours, useStaking, DEVICE } from "./accounts";
import { OwnerActs } from "./acts";
import { History } from "./history";
import { idle, uptime } from "./presence";
import { hireableAt, whyNotHired, type Standing } from "./rules";
import { Slashes } from "./slashes";
import { minimumOf, nextRaise, Offering, overflow, pending, requiredMultiplier, TERMINATED } from "./stake";
import { OFFER } from "../costaking/accounts";
import { Status } from "../costaking/shares";
import { io as amount, perHour } from "../rewards/chart";
import { HOUR } from "../rewards/emission";
import { lastWeek, weeklyOf } from "../rewards/week";
import { JobTable } from "../jobs/table";

const UP: [string, string] = ["/devices", "All devices"];

/** A device: its stake, work and rewards, and its owner's actions. */
export default function DevicePage({ address }: { address: Address }) {
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
          {known.data ? `Device ${short(address)} was retired and closed. Its history is below.` : "There is no device at this address."}
        </Empty>
        {known.data && <History events={known.data.events ?? []} />}
      </>
    );
  }
  const gpu = device.data && gpuWith(gpus.data, device.data.gpuModel);
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
              note={
                <>
                  Device <Key of={address} /> owned by <Key of={device.data.owner} />
                </>
              }
            >
              {device.data.quantity} × {nameOf(gpu)} <State of={standing} />
            </Title>
            <Overview standing={standing} blocks={hours.data ?? []} />
            {device.data.owner === me ? (
              <OwnerActs standing={standing} blocks={hours.data ?? []} />
            ) : (
              <Card title="Owner's actions">
                <p>
                  To stake, withdraw, claim rewards, make an offer to co-stakers, replace the device key or retire the device, connect its owner's wallet
                  {me ? " instead of the current one" : ""}: <Key of={device.data.owner} />
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
  if (of.device.openJobs > 0) return <Badge tone="busy">working</Badge>;
  return whyNotHired(of) ? <Badge tone="busy">unavailable</Badge> : <Badge tone="good">available</Badge>;
}

function Overview({ standing, blocks }: { standing: Standing; blocks: readonly RewardBlock[] }) {
  const { device, gpu, config, least, now } = standing;
  const emission = useEmission();
  const why = whyNotHired(standing);
  const settled = lastWeek(blocks, now);
  const raise = nextRaise(device, gpu, config, now);
  const week = weeklyOf(settled, standing, emission.data?.minUptime ?? 0);
  const unearned = idle(device, least, now);
  const part = device.offering === Offering.Nothing ? "" : "co-stakers' part included, ";
  const basis = settled.length > 0 ? `${part}based on ${many(settled.length, "hour")}` : "no hour is settled yet";
  return (
    <>
      <Figures>
        <Figure name="Own stake" note={`minimum ${io(least)}`}>
          <Io of={device.ownStake} rough />
        </Figure>
        <Figure name="Co-stake">
          <Io of={device.coStake} rough />
        </Figure>
        <Figure name="Claimable rewards" note={uncollected(device)}>
          <Io of={device.rewards} rough />
        </Figure>
        <Figure name="Est. weekly rewards" note={unearned ? `the device is ${unearned}` : basis}>
          {settled.length > 0 ? roughly(week) : "–"}
        </Figure>
        <Figure name="Jobs completed" note={`${count(device.cleanJobs)} since the last fault`}>
          {count(device.jobsDone)}
        </Figure>
        <Figure name="Convictions" note={many(device.jobsMissed, "missed deadline")}>
          {count(device.jobsConvicted)}
        </Figure>
      </Figures>
      {why && <p className="banner">This device takes no jobs at the moment: {why}.</p>}
      <div className="columns">
        <Card title="Stake">
          <Facts
            of={[
              ["Minimum", `${io(least)} (multiplier ${requiredMultiplier(gpu, now) / 100})`],
              raise !== null && ["Minimum rises", `to ${io(raise.least)} on ${moment(raise.at)}`],
              ["Locked in bonds", `${io(device.lockedBond)} for ${many(device.openJobs, "open job")}`],
              ["Available for bonds", device.dues > 0 ? "nothing" : io(device.ownStake - device.lockedBond)],
              ["Excess, withdrawable now", io(overflow(device, least))],
              ["Cooling down", device.cooling > 0n ? `${io(device.cooling)}, ${until(Number(device.cooldownEnds), now)}` : "nothing"],
              ["Co-stake cooling down", device.coCooling > 0n ? io(device.coCooling) : "nothing"],
              ["Set aside by slashes", device.aside > 0n ? io(device.aside) : "nothing"],
              ["Owed for convictions", device.owed > 0n ? io(device.owed) : "nothing"],
              ["Forfeited", device.forfeited > 0n ? io(device.forfeited) : "nothing"],
            ]}
          />
        </Card>
        <Card title="Uptime">
          <Facts
            of={[
              ["Uninterrupted uptime", presence(device, now, emission.data?.minUptime ?? 0)],
              ["Last check-in", device.lastHour > 0 ? moment(device.lastHour * HOUR) : "never (its worker checks in)"],
              ["Calls answered, this hour", answered(device, now, 0)],
              ["Calls answered, last hour", answered(device, now, 1)],
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

function uncollected(device: Device): string {
  const hours = pending(device).length;
  return hours === 0 ? "all hours collected" : `${many(hours, "hour")} to collect`;
}

function presence(device: Device, now: number, minUptime: number): string {
  if (device.lastHour === 0) return "none yet";
  const hours = uptime(device, now);
  if (hours === null) return `interrupted; last seen ${span(now - device.lastHour * HOUR)} ago`;
  // An hour is paid if more than the required uptime came before it.
  const unpaid = Math.floor(minUptime / HOUR) + 1;
  return hours <= unpaid ? `${hours} h of the first ${unpaid} h, which go unpaid` : `${hours} h`;
}

/** Calls answered in the hour that is `back` hours ago. The account holds two hours. */
function answered(device: Device, now: number, back: number): string {
  const kept = device.answersHour - (Math.floor(now / HOUR) - back);
  const bits = kept === 0 ? device.answers : kept === 1 ? device.answersBefore : 0;
  return count([...bits.toString(2)].filter((bit) => bit === "1").length);
}

function Offers({ device }: { device: Address }) {
  const offers = useAll(["offers of", device], OFFER, [withAddress(COSTAKING_OFFER_AT.device, device)]);
  return (
    <Card title="Offers to co-stakers">
      <Answer of={offers} empty="The owner has made no offer to co-stakers.">
        {(rows) => (
          <Table
            caption="Offers to co-stakers"
            rows={[...rows].sort((a, b) => b.index - a.index)}
            rowKey={({ address }) => address}
            columns={[
              { name: "Offer", cell: ({ address }) => <Key of={address} to={`/co-staking/${address}`} /> },
              { name: "State", cell: ({ status }) => Status[status] ?? status },
              { name: "Share", number: true, cell: ({ shareBps }) => percent(shareBps) },
              { name: "Capacity", number: true, cell: ({ capacity }) => <Io of={capacity} /> },
              { name: "Earned by co-stakers", number: true, wide: true, cell: ({ received }) => <Io of={received} /> },
            ]}
          />
        )}
      </Answer>
    </Card>
  );
}

function Rewards({ device }: { device: Found<Device> }) {
  const rewards = useList<RewardRow>("rewards", { device: device.address, limit: 200 });
  const chart = useMemo(() => perHour(rewards.data ?? []), [rewards.data]);
  return (
    <Card title="Hourly rewards">
      <Answer of={rewards} empty="No rewards have been collected yet.">
        {(rows) => (
          <>
            {chart.times.length > 1 && <Chart label="Hourly rewards, $IO" {...chart} format={amount} />}
            <p className="muted small">
              {device.offering === Offering.Nothing ? "The owner receives all of these rewards." : "The owner's part of the rewards. The offer's page lists the co-stakers' part."}
            </p>
            <Table
              caption="Hourly rewards"
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
      <Answer of={jobs} empty="This device has not claimed a job yet.">
        {(rows) => <JobTable rows={rows} more={jobs} ofOne />}
      </Answer>
    </Card>
  );
}
