import type { Address } from "@solana/kit";
import { useQueries } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { Link } from "wouter";
import type { Device } from "../../generated/staking";
import { useAll, type Found } from "../../lib/accounts";
import { ask, useList, type ClaimRow, type HourRow, type Page, type RewardRow, type ShareRow } from "../../lib/api";
import { count, io } from "../../lib/format";
import { gpuName, useGpuModels } from "../../lib/gpus";
import { useMarket, useNow } from "../../lib/market";
import { useWallet } from "../../lib/wallet";
import { Answer, Card, Choice, Empty, Facts, Figure, Figures, Io, Key, Loading, Moment, Problem, Table, Title } from "../../ui";
import { Chart } from "../../ui/chart";
import { ClaimPosition } from "../costaking/offer";
import { useHoldings } from "../costaking/hooks";
import { claimable } from "../costaking/shares";
import { addressBytes, DEVICE, OWNER_AT, useEmission, useHours, useStaking } from "../devices/accounts";
import { ClaimDevice } from "../devices/acts";
import { minimumOf } from "../devices/stake";
import { DAY, gathered, incomeLines, io as amount, ofPositions } from "./chart";
import { block, emission, HOUR, monthOf, monthStart, MONTHS } from "./emission";

/** Rows of income asked for a device or an offer: more than a week of hours. */
const ROWS = 200;

/** What the connected wallet earns and can claim; what the market mints and shares by the hour. */
export function RewardsPage() {
  const { address } = useWallet();
  return (
    <>
      <Title says="Each hour the market mints a block, which the devices that were there for the whole of it share by their scores.">Rewards</Title>
      {address && <Own owner={address} />}
      <Month />
      <Hours />
    </>
  );
}

function Own({ owner }: { owner: Address }) {
  const devices = useAll(["devices of", owner], DEVICE, [{ offset: OWNER_AT, bytes: addressBytes(owner) }]);
  const holdings = useHoldings(owner);
  const sum = (devices.data ?? []).reduce((all, { rewards }) => all + rewards, 0n);
  const shared = holdings.positions.reduce((all, position) => {
    const offer = holdings.offers.get(position.offer);
    return all + (offer ? claimable(position, offer) : 0n);
  }, 0n);
  const nothing = devices.data?.length === 0 && holdings.known && holdings.positions.length === 0;
  if (devices.error && !devices.data) return <Problem error={devices.error} retry={() => void devices.refetch()} />;
  if (!devices.data || !holdings.known) return holdings.error ? <Problem error={holdings.error} /> : <Loading />;
  if (nothing) {
    return (
      <Empty>
        This wallet has no device and no co-stake, so nothing comes in. <Link href="/devices">Register a device</Link> or{" "}
        <Link href="/co-staking">join an offer</Link>.
      </Empty>
    );
  }
  return (
    <>
      <Figures>
        <Figure name="To claim of devices" says={`devices: ${count(devices.data.length)}`}>
          <Io of={sum} rough />
        </Figure>
        <Figure name="To claim of co-stake" says={`positions: ${count(holdings.positions.length)}`}>
          <Io of={shared} rough />
        </Figure>
      </Figures>
      <Claims devices={devices.data} holdings={holdings} />
      <Income devices={devices.data} holdings={holdings} />
      <History owner={owner} devices={devices.data} />
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
    <Card title="What can be claimed">
      <div className="acts">
        {devices.map((device) => {
          const gpu = gpus.data?.find(({ id }) => id === device.gpuModel);
          if (!gpu || !staking.data) return null;
          const standing = { device, gpu, config: staking.data, least: minimumOf(device, gpu, staking.data, now), now };
          const name = `${device.quantity} × ${gpuName(gpus.data, gpu.id)}`;
          return (
            <div key={device.address}>
              <p>
                {name}: device <Key of={device.address} to={`/devices/${device.address}`} />
              </p>
              <ClaimDevice device={device} standing={standing} blocks={blocks} />
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
                Co-stake: offer <Key of={position.offer} to={`/co-staking/${position.offer}`} />
              </p>
              <ClaimPosition position={position} offer={offer} device={device} />
            </div>
          );
        })}
      </div>
    </Card>
  );
}

/** What came in by the hour: what own devices collected, and of offers the part of the shares held now. */
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
      title="What came in, $IO"
      actions={
        <Choice
          label="By"
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
        <Empty>Nothing has come in yet. An hour is paid when it is settled, two hours or more after it began.</Empty>
      ) : (
        <>
          <Chart label={`Rewards by ${by}, $IO`} times={times} lines={lines} format={amount} />
          <p className="muted small">
            Of devices it is the owner's part; of offers, what the shares that you hold now got. The last {ROWS} hours of each.
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
    <Card title="Claims">
      <Answer of={{ ...claims, data: claims.rows }} empty="This wallet has claimed nothing yet.">
        {(rows) => (
          <Table
            caption="Claims"
            rows={rows}
            rowKey={({ id }) => id}
            more={claims}
            columns={[
              { name: "When", cell: ({ time }) => <Moment at={time} /> },
              {
                name: "Of",
                cell: ({ device, offer }) =>
                  offer ? (
                    <>
                      offer <Key of={offer} to={`/co-staking/${offer}`} />
                    </>
                  ) : (
                    <>
                      {device && own.has(device) ? "device" : "former device"} <Key of={device} to={`/devices/${device}`} />
                    </>
                  ),
              },
              { name: "Amount", number: true, cell: ({ amount }) => <Io of={amount} /> },
              { name: "Transaction", wide: true, cell: ({ signature }) => <Key of={signature} /> },
            ]}
          />
        )}
      </Answer>
    </Card>
  );
}

function Month() {
  const rules = useEmission();
  const now = useNow();
  const market = useMarket();
  return (
    <Card title="Emission">
      <Answer of={{ ...rules, data: rules.data === null ? [] : rules.data && [rules.data] }} empty={`The emission of ${market.config.cluster} has not been started; nothing is minted yet.`}>
        {([of]) => {
          if (!of) return null;
          const month = monthOf(now);
          const number = month - of.genesisMonth;
          const end = monthStart(month + 1);
          return (
            <Facts
              of={[
                ["This month", number >= 0 && number < MONTHS ? `${io(emission(number))}, month ${number + 1} of ${MONTHS}` : "none: outside the 240 months"],
                ["This hour's block", io(block(of.genesisMonth, now))],
                ["To the enterprise pool", `${of.enterpriseBps / 100} %, the rest to the community's`],
                ["Next month", `${io(emission(number + 1))}, from ${new Date(end * 1000).toISOString().slice(0, 10)} UTC`],
                ["Next hour to settle", <Moment at={of.nextHour} />],
                ["Settled and not paid out yet", io(of.owed)],
                ["Paid after", `more than ${of.minUptime / HOUR} h without a gap`],
              ]}
            />
          );
        }}
      </Answer>
    </Card>
  );
}

function Hours() {
  const hours = useList<HourRow>("hours", { limit: 24 });
  const chart = useMemo(() => {
    const rows = [...(hours.rows ?? [])].reverse();
    return {
      times: rows.map(({ hour }) => hour),
      lines: [
        { name: "enterprise", values: rows.map(({ enterprise }) => enterprise) },
        { name: "community", values: rows.map(({ community }) => community) },
      ],
    };
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [hours.data]);
  return (
    <Card title="Hours">
      <Answer of={{ ...hours, data: hours.rows }} empty="No hour has been settled yet.">
        {(rows) => (
          <>
            {rows.length > 1 && <Chart label="What devices shared by hour, $IO, by pool" {...chart} format={amount} />}
            <Table
              caption="Settled hours"
              rows={rows}
              step={8}
              rowKey={({ hour }) => hour}
              more={hours}
              columns={[
                { name: "Hour", cell: ({ hour }) => <Moment at={hour} /> },
                { name: "Block", number: true, cell: ({ block }) => <Io of={block} /> },
                { name: "Enterprise", number: true, cell: ({ enterprise }) => <Io of={enterprise} /> },
                { name: "Community", number: true, cell: ({ community }) => <Io of={community} /> },
                { name: "Enterprise scores", number: true, wide: true, cell: ({ enterprise_score }) => count(enterprise_score) },
                { name: "Community scores", number: true, wide: true, cell: ({ community_score }) => count(community_score) },
              ]}
            />
            <p className="muted small">A pool that nobody shares leaves its part in the vault.</p>
          </>
        )}
      </Answer>
    </Card>
  );
}
