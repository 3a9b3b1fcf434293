import { useState } from "react";
import { useList, type DeviceRow } from "../../lib/api";
import { count, many } from "../../lib/format";
import { gpuName, nameOf, useGpuModels } from "../../lib/gpus";
import { useWallet } from "../../lib/wallet";
import { Answer, Badge, Button, Card, Choice, Empty, Figure, Io, Key, Table, Title, type More } from "../../ui";
import { NetworkFigures } from "../market/figures";
import { Register } from "./register";

type Whose = "all" | "mine";
type Active = "any" | "active" | "retired" | "busy";

/** All devices, those of the connected wallet first, and the form for registering one. */
export default function DevicesPage() {
  const [registering, setRegistering] = useState(false);
  return (
    <>
      <Title
        note="A device is one or more GPUs with $IO staked on them. It earns from the jobs it completes and a share of the rewards of every hour it is online."
        actions={
          <Button kind="primary" aria-expanded={registering} onClick={() => setRegistering(!registering)}>
            Register a device
          </Button>
        }
      >
        Devices
      </Title>
      {registering && <Register />}
      <NetworkFigures>
        {(number, amount) => (
          <>
            <Figure name="Devices">{number("devices")}</Figure>
            <Figure name="GPUs registered">{number("gpus")}</Figure>
            <Figure name="GPUs staked">{number("gpus_staked")}</Figure>
            <Figure name="GPUs verified">{number("gpus_verified")}</Figure>
            <Figure name="GPUs busy">{number("gpus_busy")}</Figure>
            <Figure name="Staked">{amount("staked")}</Figure>
          </>
        )}
      </NetworkFigures>
      <DeviceList />
    </>
  );
}

function DeviceList() {
  const { address } = useWallet();
  const gpus = useGpuModels();
  const [whose, setWhose] = useState<Whose>("all");
  const [model, setModel] = useState("any");
  const [active, setActive] = useState<Active>("any");
  const own = useList<DeviceRow>("devices", { owner: address ?? undefined, limit: 100 }, address !== null);
  const all = useList<DeviceRow>("devices", { limit: 100 });
  const mine = whose === "mine";
  const shown = mine && address ? own : all;
  const wanted = (device: DeviceRow) =>
    (model === "any" || device.gpu_model === Number(model)) &&
    (active === "any" || (active === "busy" ? device.open_jobs > 0 : device.active === (active === "active" ? 1 : 0)));
  const others = (all.data ?? []).filter(({ owner }) => owner !== address);
  const rows = [...(own.data ?? []), ...(mine ? [] : others)];
  const matching = rows.filter(wanted);
  const models = (gpus.data ?? []).map((gpu): [string, string] => [String(gpu.id), nameOf(gpu)]);
  models.sort(([, a], [, b]) => a.localeCompare(b));
  return (
    <Card title="Devices">
      <div className="filters">
        <Choice
          label="Show"
          value={whose}
          onChange={setWhose}
          options={[
            ["all", "All devices"],
            ["mine", "My devices"],
          ]}
        />
        <Choice label="GPU model" value={model} onChange={setModel} options={[["any", "Any"], ...models]} />
        <Choice
          label="Status"
          value={active}
          onChange={setActive}
          options={[
            ["any", "Any"],
            ["active", "Active"],
            ["busy", "Running jobs"],
            ["retired", "Retired"],
          ]}
        />
      </div>
      {mine && !address ? (
        <Empty>Connect a wallet to see your devices.</Empty>
      ) : (
        // Not before the wallet's own devices, which would move the others down.
        <Answer of={{ ...shown, data: own.isLoading ? undefined : shown.data && matching }}>
          {() => (
            <>
              {matching.length > 0 ? (
                <DeviceTable rows={matching} mine={address} more={shown} />
              ) : (
                <>
                  <Empty>
                    {rows.length > 0
                      ? `None of the ${many(rows.length, "device")}${shown.hasNextPage ? " loaded so far" : ""} matches; change a filter${shown.hasNextPage ? " or load more" : ""}.`
                      : mine
                        ? "This wallet has no devices yet. Register one above."
                        : "No devices have been registered yet."}
                  </Empty>
                  {rows.length > 0 && shown.hasNextPage && (
                    <Button className="more" busy={shown.isFetchingNextPage} onClick={() => void shown.fetchNextPage()}>
                      Load more
                    </Button>
                  )}
                </>
              )}
              {rows.length > 0 && (
                <p className="muted small" role="status">
                  Showing {count(matching.length)} of {many(rows.length, "device")}
                  {shown.hasNextPage ? " loaded" : ""}
                </p>
              )}
            </>
          )}
        </Answer>
      )}
    </Card>
  );
}

function DeviceTable({ rows, mine, more }: { rows: DeviceRow[]; mine: string | null; more: More }) {
  const gpus = useGpuModels();
  return (
    <Table
      caption="Devices"
      rows={rows}
      rowKey={({ address }) => address}
      more={more}
      columns={[
        {
          name: "Device",
          cell: ({ address, owner }) => (
            <>
              <Key of={address} to={`/devices/${address}`} /> {owner === mine && <Badge tone="good">yours</Badge>}
            </>
          ),
        },
        { name: "GPUs", cell: ({ gpu_model, quantity }) => `${quantity} × ${gpuName(gpus.data, gpu_model)}` },
        { name: "Status", cell: (device) => <DeviceState of={device} /> },
        { name: "Stake", number: true, cell: ({ own_stake, co_stake }) => <Io of={own_stake + co_stake} /> },
        { name: "Jobs completed", number: true, wide: true, cell: ({ jobs_done }) => count(jobs_done) },
        { name: "Convictions", number: true, wide: true, cell: ({ jobs_convicted }) => count(jobs_convicted) },
        { name: "Owner", wide: true, cell: ({ owner }) => <Key of={owner} /> },
      ]}
    />
  );
}

function DeviceState({ of }: { of: DeviceRow }) {
  if (!of.active) return <Badge>retired</Badge>;
  if (of.cooling > 0) return <Badge>cooling down</Badge>;
  if (of.open_jobs > 0) return <Badge tone="busy">{many(of.open_jobs, "job")}</Badge>;
  return of.own_stake > 0 ? <Badge tone="good">active</Badge> : <Badge>not staked</Badge>;
}
