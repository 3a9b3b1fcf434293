import type { Address } from "@solana/kit";
import { Link } from "wouter";
import type { Device } from "../../generated/staking";
import { gpuName, gpuWith, useGpuModels } from "../../lib/gpus";
import { useNow } from "../../lib/market";
import { roughly, span } from "../../lib/format";
import { Badge, Card, Empty, Io, Key, Loading, Problem, Table } from "../../ui";
import { useOutlook, type useHoldings } from "./hooks";
import { backAt, claimable, earning, exitRewards, exitStake, stakeOf } from "./shares";

/** A wallet's positions and exits, each with a link to its offer and the actions there. */
export function HoldingsCard({ holdings }: { holdings: ReturnType<typeof useHoldings> }) {
  const gpus = useGpuModels();
  const { outlook } = useOutlook();
  const now = useNow();
  const of = (offer: Address) => {
    const found = holdings.offers.get(offer);
    const device = found && holdings.deviceOf(found);
    return found && device ? { found, device } : null;
  };
  const named = ({ quantity, gpuModel }: Device) => (quantity > 0 ? `${quantity} × ${gpuName(gpus.data, gpuModel)}` : "closed");
  const rows = [
    ...holdings.positions.map((position) => {
      const known = of(position.offer);
      const stake = known && stakeOf(position.shares, known.found, known.device);
      const gpu = known && gpuWith(gpus.data, known.device.gpuModel);
      const idle = known && (known.device.quantity === 0 ? "closed" : gpu && outlook.idle(known.device, gpu));
      const earns = known && earning(position.shares, known.found, known.device);
      const brings = known && gpu && earns !== null && outlook.hours > 0 ? outlook.weekly(earns, known.found, known.device, gpu) : null;
      return { kind: "in" as const, at: position, known, stake, rewards: known && claimable(position, known.found), brings, idle };
    }),
    ...holdings.exits.map((exit) => {
      const known = of(exit.offer);
      const stake = known && exitStake(exit, known.found, known.device);
      const back = known ? backAt(exit, known.found, known.device) : exit.endsAt;
      return { kind: "out" as const, at: exit, back, known, stake, rewards: known && exitRewards(exit, known.found), brings: null };
    }),
  ];
  return (
    <Card title="Your co-stake">
      {holdings.error && !holdings.known ? (
        <Problem error={holdings.error} />
      ) : !holdings.known ? (
        <Loading />
      ) : rows.length === 0 ? (
        <Empty>You have no co-stake yet. Join an offer on its page.</Empty>
      ) : (
        <Table
          caption="Your co-stake"
          rows={rows}
          rowKey={({ at }) => at.address}
          columns={[
            { name: "Offer", cell: ({ at }) => <Key of={at.offer} to={`/co-staking/${at.offer}`} /> },
            { name: "GPUs", wide: true, cell: ({ known }) => known && named(known.device) },
            { name: "Stake", number: true, cell: ({ stake }) => <Io of={stake} /> },
            { name: "Rewards", number: true, cell: ({ rewards }) => <Io of={rewards} rough /> },
            { name: "Est. weekly rewards", number: true, wide: true, cell: ({ brings }) => (brings === null ? "–" : roughly(brings)) },
            {
              name: "Status",
              cell: (row) => {
                if (row.kind === "in") {
                  if (row.idle === undefined) return "…";
                  return row.idle === null ? <Badge tone="good">active</Badge> : <Badge tone="bad">device {row.idle}</Badge>;
                }
                const left = Number(row.back) - now;
                return left > 0 ? (
                  <Badge tone="busy">available in {span(left)}</Badge>
                ) : (
                  <Link href={`/co-staking/${row.at.offer}`}>
                    <Badge tone="good">ready to withdraw</Badge>
                  </Link>
                );
              },
            },
          ]}
        />
      )}
    </Card>
  );
}
