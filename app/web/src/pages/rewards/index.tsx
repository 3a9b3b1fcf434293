import type { Address } from "@solana/kit";
import { useQueries } from "@tanstack/react-query";
import { useMemo, useState, type ReactNode } from "react";
import { Link } from "wouter";
import { STAKING_DEVICE_AT } from "../../generated/offsets";
import type { Device, Emission } from "../../generated/staking";
import { trouble, useAll, withAddress, type Found } from "../../lib/accounts";
import { ask, useList, type ClaimRow, type HourRow, type Page, type RewardRow, type ShareRow } from "../../lib/api";
import { count, many, percent } from "../../lib/format";
import { gpuWith, nameOf, useGpuModels } from "../../lib/gpus";
import { useMarket, useNow } from "../../lib/market";
import { useWallet } from "../../lib/wallet";
import { Answer, Card, Choice, Empty, Facts, Figure, Figures, Io, Key, List, Loading, Moment, Problem, Table, Title } from "../../ui";
import { Chart } from "../../ui/chart";
import { ClaimPosition } from "../costaking/offer";
import { useHoldings } from "../costaking/hooks";
import { claimable } from "../costaking/shares";
import { DEVICE, useEmission, useHours, useStaking } from "../devices/accounts";
import { ClaimDevice } from "../devices/acts";
import { minimumOf } from "../devices/stake";
import { DAY, gathered, incomeLines, io as amount, ofPositions } from "./chart";
import { block, emission, HOUR, monthOf, MONTHS } from "./emission";

/** Rows fetched for the income of a device or an offer: more than a week of hours. */
const ROWS = 200;

/** The rewards of the connected wallet, and what the market mints and distributes each hour. */
export default function RewardsPage() {
  const { address } = useWallet();
  const market = (
    <>
      <Month />
      <Hours />
    </>
  );
  return (
    <>
      <Title note="Every hour the market mints a block of $IO. Devices that were online for the whole hour share it in proportion to their scores.">Rewards</Title>
      {address ? <Own owner={address}>{market}</Own> : market}
    </>
  );
}

/** The rewards of a wallet, above those of the market, which follow once they cannot be moved by what loads above them. */
function Own({ owner, children }: { owner: Address; children: ReactNode }) {
  const devices = useAll(["devices of", owner], DEVICE, [withAddress(STAKING_DEVICE_AT.owner, owner)]);
  const holdings = useHoldings(owner);
  const [gpus, staking] = [useGpuModels(), useStaking()];
  const sum = (devices.data ?? []).reduce((all, { rewards }) => all + rewards, 0n);
  const shared = holdings.positions.reduce((all, position) => {
    const offer = holdings.offers.get(position.offer);
    return all + (offer ? claimable(position, offer) : 0n);
  }, 0n);
  const nothing = devices.data?.length === 0 && holdings.known && holdings.positions.length === 0;
  const { error, refetch } = trouble(devices, gpus, staking);
  // Where staking is not set up there is no config to wait for.
  if (!devices.data || !gpus.data || staking.data === undefined || !holdings.known) {
    if (!error && !holdings.error) return <Loading />;
    return (
      <>
        <Problem error={error ?? holdings.error} retry={refetch && (() => void refetch())} />
        {children}
      </>
    );
  }
  if (nothing) {
    return (
      <>
        <Empty>
          This wallet has no devices and no co-stake, so it earns no rewards. <Link href="/devices">Register a device</Link> or{" "}
          <Link href="/co-staking">join an offer</Link>.
        </Empty>
        {children}
      </>
    );
  }
  return (
    <>
      <Figures>
        <Figure name="Claimable from devices" note={many(devices.data.length, "device")}>
          <Io of={sum} rough />
        </Figure>
        <Figure name="Claimable from co-stake" note={many(holdings.positions.length, "position")}>
          <Io of={shared} rough />
        </Figure>
      </Figures>
      <Claims devices={devices.data} holdings={holdings} />
      <Income devices={devices.data} holdings={holdings} />
      <History owner={owner} devices={devices.data} />
      {children}
    </>
  );
}

type Holdings = ReturnType<typeof useHoldings>;
interface Earning {
  devices: Found<Device>[];
  holdings: Holdings;
}

function Claims({ devices, holdings }: Earning) {
  const gpus = useGpuModels();
  const staking = useStaking();
  const hours = useHours();
  const now = useNow();
  const blocks = hours.data ?? [];
  return (
    <Card title="Claim">
      <div className="acts">
        {devices.map((device) => {
          const gpu = gpuWith(gpus.data, device.gpuModel);
          if (!gpu || !staking.data) return null;
          const standing = { device, gpu, config: staking.data, least: minimumOf(device, gpu, staking.data, now), now };
          const name = `${device.quantity} × ${nameOf(gpu)}`;
          return (
            <div key={device.address}>
              <p>
                {name}, device <Key of={device.address} to={`/devices/${device.address}`} />
              </p>
              <ClaimDevice standing={standing} blocks={blocks} />
            </div>
          );
        })}
        {holdings.positions.map((position) => {
          const offer = holdings.offers.get(position.offer);
          const device = offer && holdings.deviceOf(offer);
          if (!offer || !device) return null;
          return (
            <div key={position.address}>
              <p>
                Co-stake in offer <Key of={position.offer} to={`/co-staking/${position.offer}`} />
              </p>
              <ClaimPosition position={position} offer={offer} device={device} />
            </div>
          );
        })}
      </div>
    </Card>
  );
}

/** Hourly income: rewards collected by the wallet's devices, and the part of its current positions in those of offers. */
function useIncome({ devices, holdings: { positions } }: Earning) {
  const collected = useQueries({
    queries: devices.map(({ address }) => ({
      queryKey: ["api", "rewards", { device: address, limit: ROWS }],
      queryFn: () => ask<Page<RewardRow>>("rewards", { device: address, limit: ROWS }),
    })),
    combine: gathered<RewardRow>,
  });
  const offers = [...new Set(positions.map(({ offer }) => offer))];
  const shared = useQueries({
    queries: offers.map((offer) => ({
      queryKey: ["api", "shares", { offer, limit: ROWS }],
      queryFn: () => ask<Page<ShareRow>>("shares", { offer, limit: ROWS }),
    })),
    combine: gathered<ShareRow>,
  });
  const ofShares = useMemo(() => ofPositions(shared.rows, positions), [shared.rows, positions]);
  return { ofDevices: collected.rows, ofShares, isPending: collected.isPending || shared.isPending, error: collected.error ?? shared.error };
}

function Income(of: Earning) {
  const income = useIncome(of);
  const [by, setBy] = useState<"hour" | "day">("hour");
  const step = by === "hour" ? HOUR : DAY;
  const { times, lines } = useMemo(() => incomeLines(income.ofDevices, income.ofShares, step), [income.ofDevices, income.ofShares, step]);
  return (
    <Card
      title="Income, $IO"
      actions={
        <Choice
          label="Per"
          value={by}
          onChange={setBy}
          options={[
            ["hour", "Hour"],
            ["day", "Day"],
          ]}
        />
      }
    >
      {income.error ? (
        <Problem error={income.error} />
      ) : income.isPending ? (
        <Loading />
      ) : times.length === 0 ? (
        <Empty>No rewards yet. An hour is paid once it is settled, two hours or more after it began.</Empty>
      ) : (
        <>
          <Chart label={`Rewards per ${by}, $IO`} times={times} lines={lines} format={amount} />
          <p className="muted small">
            Your part as the owner of devices, and the part of your current positions in offers. Up to {ROWS} hours of each.
          </p>
        </>
      )}
    </Card>
  );
}

function History({ owner, devices }: { owner: Address; devices: Found<Device>[] }) {
  const claims = useList<ClaimRow>("claims", { holder: owner, limit: 50 });
  const own = new Set(devices.map(({ address }) => address as string));
  return (
    <Card title="Claim history">
      <List
        of={claims}
        empty="This wallet has not claimed any rewards yet."
        caption="Claims"
        rowKey={({ id }) => id}
        columns={[
          { name: "When", cell: ({ time }) => <Moment at={time} /> },
          {
            name: "From",
            cell: ({ device, offer }) =>
              offer ? (
                <>
                  Offer <Key of={offer} to={`/co-staking/${offer}`} />
                </>
              ) : (
                <>
                  {device && own.has(device) ? "Device" : "Former device"} <Key of={device} to={`/devices/${device}`} />
                </>
              ),
          },
          { name: "Amount", number: true, cell: ({ amount }) => <Io of={amount} /> },
          { name: "Transaction", wide: true, cell: ({ signature }) => <Key of={signature} /> },
        ]}
      />
    </Card>
  );
}

/** The emission. Dots stand for the values while they load, so that nothing moves when they arrive. */
function Month() {
  const rules = useEmission();
  const now = useNow();
  const market = useMarket();
  const { data: of } = rules;
  const month = monthOf(now);
  const number = of ? month - of.genesisMonth : 0;
  const value = (known: (rules: Emission) => ReactNode) => (of ? known(of) : "…");
  return (
    <Card title="Emission">
      {of === null ? (
        <Empty>Rewards have not started on {market.config.cluster}; nothing is minted yet.</Empty>
      ) : rules.error && !of ? (
        <Problem error={rules.error} retry={() => void rules.refetch()} />
      ) : (
        <Facts
          of={[
            ["Month", value(() => (number >= 0 && number < MONTHS ? `${number + 1} of ${MONTHS}` : `outside the ${MONTHS} months`))],
            ["Minted this month", value(() => <Io of={emission(number)} rough />)],
            ["Minted this hour", value(({ genesisMonth }) => <Io of={block(genesisMonth, now)} rough />)],
            ["Minted next month", value(() => <Io of={emission(number + 1)} rough />)],
            ["Enterprise / community", value(({ enterpriseBps }) => `${percent(enterpriseBps)} / ${percent(10_000 - enterpriseBps)}`)],
            ["Next hour to settle", value(({ nextHour }) => <Moment at={nextHour} />)],
            ["Settled, not paid out yet", value(({ owed }) => <Io of={owed} rough />)],
            ["Uptime before rewards", value(({ minUptime }) => `more than ${minUptime / HOUR} h`)],
          ]}
        />
      )}
    </Card>
  );
}

function Hours() {
  const hours = useList<HourRow>("hours", { limit: 24 });
  const chart = useMemo(() => {
    const rows = [...(hours.data ?? [])].reverse();
    return {
      times: rows.map(({ hour }) => hour),
      lines: [
        { name: "Enterprise", values: rows.map(({ enterprise }) => enterprise) },
        { name: "Community", values: rows.map(({ community }) => community) },
      ],
    };
  }, [hours.data]);
  return (
    <Card title="Hourly blocks" tall>
      <Answer of={hours} empty="No hour has been settled yet.">
        {(rows) => (
          <>
            {rows.length > 1 && <Chart label="Rewards distributed per hour, by pool, $IO" {...chart} format={amount} />}
            <Table
              caption="Settled hours"
              rows={rows}
              step={8}
              rowKey={({ hour }) => hour}
              more={hours}
              columns={[
                { name: "Hour", cell: ({ hour }) => <Moment at={hour} /> },
                { name: "Block", number: true, cell: ({ block }) => <Io of={block} rough /> },
                { name: "Enterprise", number: true, cell: ({ enterprise }) => <Io of={enterprise} rough /> },
                { name: "Community", number: true, cell: ({ community }) => <Io of={community} rough /> },
                { name: "Enterprise scores", number: true, wide: true, cell: ({ enterprise_score }) => count(enterprise_score) },
                { name: "Community scores", number: true, wide: true, cell: ({ community_score }) => count(community_score) },
              ]}
            />
            <p className="muted small">If a pool has no devices in an hour, its part stays in the vault.</p>
          </>
        )}
      </Answer>
    </Card>
  );
}
