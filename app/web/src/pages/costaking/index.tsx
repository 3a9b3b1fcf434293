import { useState } from "react";
import type { Offer } from "../../generated/costaking";
import { COSTAKING_OFFER_AT } from "../../generated/offsets";
import type { Device, GpuModel } from "../../generated/staking";
import { trouble, useAll, type Found } from "../../lib/accounts";
import { count, IO, many, percent, PERCENT, roughly } from "../../lib/format";
import { gpuName, gpuWith, nameOf, useGpuModels } from "../../lib/gpus";
import { useNow } from "../../lib/market";
import { useWallet } from "../../lib/wallet";
import { Answer, Card, Choice, Empty, Field, Io, Key, Table, Title } from "../../ui";
import { AmountField, useAmount } from "../../ui/amount";
import { useStaking } from "../devices/accounts";
import { uptimeText } from "../devices/presence";
import { minimumOf } from "../devices/stake";
import { OFFER, useCostaking } from "./accounts";
import { HoldingsCard } from "./holdings";
import { useDevices, useHoldings, useOutlook } from "./hooks";
import { room } from "./rules";
import { Status } from "./shares";

type Sort = "reward" | "share" | "room" | "record";
/** Offers shown at first. */
const SHOWN = 100;

interface Row {
  offer: Found<Offer>;
  device: Found<Device>;
  gpu: Found<GpuModel>;
  left: bigint;
  weekly: bigint;
}

const descending = (a: bigint | number, b: bigint | number) => (a < b ? 1 : a > b ? -1 : 0);
const ORDER: Record<Sort, (a: Row, b: Row) => number> = {
  reward: (a, b) => descending(a.weekly, b.weekly),
  share: (a, b) => descending(a.offer.shareBps, b.offer.shareBps),
  room: (a, b) => descending(a.left, b.left),
  record: (a, b) => descending(b.device.jobsConvicted, a.device.jobsConvicted) || descending(a.device.cleanJobs, b.device.cleanJobs),
};

/** Open offers, and the wallet's positions. */
export default function OffersPage() {
  const { address } = useWallet();
  const staking = useStaking();
  const costaking = useCostaking();
  const holdings = useHoldings(address);
  // Shown once the wallet's co-stake is loaded, which would move it down; then it stays, and with it what the user has typed.
  const [isShown, setShown] = useState(false);
  if (!isShown && (!address || holdings.known || holdings.error)) setShown(true);
  const back = staking.data && costaking.data ? many((staking.data.cooldown + costaking.data.wait) / 86_400, "day") : "a notice period";
  return (
    <>
      <Title
        note={`Fund part of a device's stake and earn a share of its rewards. You can leave at any time and withdraw ${back} later. If the device is slashed, you lose part of your stake.`}
      >
        Co-staking
      </Title>
      {address && <HoldingsCard holdings={holdings} />}
      {isShown && <Marketplace />}
    </>
  );
}

function Marketplace() {
  const offers = useAll(["open offers"], OFFER, [{ offset: COSTAKING_OFFER_AT.status, bytes: Uint8Array.of(Status.Open) }]);
  const devices = useDevices(offers.data?.map(({ device }) => device));
  const gpus = useGpuModels();
  const staking = useStaking();
  const costaking = useCostaking();
  const { outlook } = useOutlook();
  const now = useNow();
  const stake = useAmount("100");
  const least = useAmount();
  const ticket = useAmount();
  const [model, setModel] = useState("any");
  const share = useAmount("", PERCENT);
  const [sort, setSort] = useState<Sort>("reward");

  const amount = stake.amount ?? 100n * IO;
  const rows = (offers.data ?? []).flatMap((offer): Row[] => {
    const device = devices.data?.get(offer.device);
    const gpu = device && gpuWith(gpus.data, device.gpuModel);
    if (!device || !gpu || !staking.data || !costaking.data) return [];
    const left = room(offer, device, minimumOf(device, gpu, staking.data, now), costaking.data);
    return [{ offer, device, gpu, left, weekly: outlook.weekly(amount, offer, device, gpu) }];
  });
  const fitting = rows
    .filter(({ device, offer, left }) => {
      const fitsModel = model === "any" || device.gpuModel === Number(model);
      const fitsTicket = ticket.amount === null || offer.ticket <= ticket.amount;
      return fitsModel && fitsTicket && left > 0n && left >= (least.amount ?? 0n) && BigInt(offer.shareBps) >= (share.amount ?? 0n);
    })
    .sort(ORDER[sort]);
  const models = [...new Set(rows.map(({ device }) => device.gpuModel))].map((id): [string, string] => [String(id), gpuName(gpus.data, id)]);
  const ready = offers.data && devices.data && gpus.data && staking.data && costaking.data;
  return (
    <Card title="Offers">
      <div className="filters">
        <AmountField label="Amount to stake" typed={stake} />
        <Choice label="GPU model" value={model} onChange={setModel} options={[["any", "Any"], ...models]} />
        <AmountField label="Min. capacity left" typed={least} />
        <Field
          label="Min. share"
          unit="%"
          inputMode="decimal"
          value={share.text}
          error={share.error}
          onChange={(event) => share.setText(event.target.value)}
        />
        <AmountField label="Min. stake up to" typed={ticket} />
        <Choice
          label="Sort by"
          value={sort}
          onChange={setSort}
          options={[
            ["reward", "Highest rewards"],
            ["share", "Largest share"],
            ["room", "Most capacity left"],
            ["record", "Best record"],
          ]}
        />
      </div>
      <Answer of={{ data: ready ? fitting : undefined, ...trouble(offers, devices, gpus, staking, costaking) }}>
        {(all) =>
          all.length === 0 ? (
            <Empty>{rows.length > 0 ? "No open offer matches; change a filter." : "No offer is open right now. Device owners make offers on their device's page."}</Empty>
          ) : (
            <>
              <OfferTable rows={all} known={outlook.hours > 0} />
              <p className="muted small">
                {outlook.hours > 0
                  ? `Estimates are based on ${many(outlook.hours, "settled hour")} of the last 7 days, extrapolated to a week. They are not a promise.`
                  : "Estimates appear once the first hour is settled."}{" "}
                A device that is retired, offline or below its minimum stake earns nothing.{" "}
                Done, missed and wrong count the device's jobs: completed, late, and proven wrong.
              </p>
            </>
          )
        }
      </Answer>
    </Card>
  );
}

function OfferTable({ rows, known }: { rows: Row[]; known: boolean }) {
  const now = useNow();
  return (
    <Table
      caption="Offers to co-stakers"
      rows={rows}
      rowKey={({ offer }) => offer.address}
      step={SHOWN}
      columns={[
        { name: "Offer", cell: ({ offer }) => <Key of={offer.address} to={`/co-staking/${offer.address}`} /> },
        { name: "GPUs", cell: ({ device, gpu }) => `${device.quantity} × ${nameOf(gpu)}` },
        { name: "Est. weekly", number: true, cell: ({ weekly }) => (known ? roughly(weekly) : "–") },
        { name: "Share", number: true, cell: ({ offer }) => percent(offer.shareBps) },
        { name: "Capacity left", number: true, cell: ({ left }) => <Io of={left} /> },
        { name: "Min. stake", number: true, cell: ({ offer }) => <Io of={offer.ticket} /> },
        { name: "Uptime", number: true, cell: ({ device }) => uptimeText(device, now) },
        { name: "Owner's stake", number: true, wide: true, cell: ({ device }) => <Io of={device.ownStake} /> },
        { name: "Hours rewarded", number: true, wide: true, cell: ({ offer }) => count(offer.distributed) },
        {
          name: "Done / missed / wrong",
          number: true,
          wide: true,
          cell: ({ device }) => `${count(device.jobsDone)} / ${count(device.jobsMissed)} / ${count(device.jobsConvicted)}`,
        },
      ]}
    />
  );
}
