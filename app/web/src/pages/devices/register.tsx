import { useState } from "react";
import type { Address } from "@solana/kit";
import { Link } from "wouter";
import { findDevicePda } from "../../generated/staking";
import { useCostaking } from "../costaking/accounts";
import { lastWeek, newcomer, weekly } from "../rewards/week";
import { clusterFlag, type Config } from "../../lib/config";
import { io, many, roughly, sol } from "../../lib/format";
import { nameOf, useGpuModels } from "../../lib/gpus";
import { useMarket, useNow } from "../../lib/market";
import { useWallet } from "../../lib/wallet";
import { Card, Choice, Facts, Key } from "../../ui";
import { Act } from "../../ui/act";
import { useHours, useStaking } from "./accounts";
import { FUND, register } from "./instructions";
import { KeyFile, useKeyFile } from "./keyfile";
import { coStakeLimit, MAX_QUANTITY, minimumOf } from "./stake";

/** The form that registers GPUs under a device key, which this page makes and the owner saves as a file. */
export function Register() {
  const { config } = useMarket();
  const { signer } = useWallet();
  const now = useNow();
  const gpus = useGpuModels();
  const staking = useStaking();
  const costaking = useCostaking();
  const hours = useHours();
  const [chosen, setChosen] = useState<string | null>(null);
  const [quantity, setQuantity] = useState("1");
  const file = useKeyFile();
  const { key } = file;
  const [registered, setRegistered] = useState<Address | null>(null);

  const listed = (gpus.data ?? []).filter(({ listed }) => listed).sort((a, b) => a.id - b.id);
  const gpu = listed.find(({ id }) => String(id) === chosen) ?? listed[0];
  const settled = lastWeek(hours.data ?? [], now);
  const least = gpu && staking.data && minimumOf({ quantity: Number(quantity) }, gpu, staking.data, now);
  const why = !signer
    ? "connect the wallet that will own the device"
    : staking.data?.paused
      ? "new registrations are paused"
      : !gpu
        ? "no GPU model is listed yet"
        : file.why;

  if (registered && key) return <Started device={registered} name={key.name} />;
  return (
    <Card title="Register a device">
      <Act
        name="GPUs and device key"
        note="A device has its own key, with which its worker signs and pays fees. The key cannot move stake. Your browser creates it and keeps no copy: the only copy is the file that you save."
        label="Register"
        kind="primary"
        why={why}
        always
        action={async (signer) => {
          if (!gpu || !key) throw new Error("create the device key first");
          return {
            title: `Register ${quantity} × ${nameOf(gpu)} with device key ${key.signer.address}`,
            instructions: await register(signer, key.signer, config.mint, gpu.id, Number(quantity)),
          };
        }}
        done={() => {
          if (key) void findDevicePda({ key: key.signer.address }).then(([device]) => setRegistered(device));
        }}
      >
        <div className="filters">
          <Choice
            label="GPU model"
            value={String(gpu?.id ?? "")}
            onChange={setChosen}
            options={listed.map((gpu) => [String(gpu.id), `${nameOf(gpu)} (× ${gpu.multiplierX100 / 100})`])}
          />
          <Choice
            label="Number of GPUs"
            value={quantity}
            onChange={setQuantity}
            options={Array.from({ length: MAX_QUANTITY }, (_, at) => [String(at + 1), String(at + 1)])}
          />
        </div>
        {gpu && least !== undefined && least !== null && (
          <Facts
            of={[
              ["Minimum stake", io(least)],
              ["Of which co-stakers may fund", costaking.data ? `up to ${io(coStakeLimit(least, costaking.data))}, if you make an offer` : "–"],
              [
                "Est. weekly rewards",
                settled.length > 0
                  ? `${roughly(weekly(settled, newcomer(gpu, Number(quantity))))}, based on ${many(settled.length, "hour")}`
                  : "known once the first hour is settled",
              ],
              ["SOL for the key's fees", sol(FUND)],
            ]}
          />
        )}
        <KeyFile of={file} />
      </Act>
    </Card>
  );
}

/** Command-line flags for a worker with this key file. */
export function workerFlags(config: Config, key: string): string {
  const blobs = new URL(config.blobs, location.href).href;
  return `--keypair ${key} --cluster ${clusterFlag(config)} --blobs ${blobs} --models models`;
}

/** The steps after a registration. */
function Started({ device, name }: { device: Address; name: string }) {
  const { config } = useMarket();
  const flags = workerFlags(config, name);
  return (
    <Card title="The device is registered">
      <ol>
        <li>
          <Link href={`/devices/${device}`}>Stake on it</Link>: below its minimum stake it takes no jobs and earns no rewards.
        </li>
        <li>
          Check the machine with the GPUs, in the folder that contains the key file:
          <pre tabIndex={0}>ionet-worker doctor {flags}</pre>
        </li>
        <li>
          Start the worker in the same folder, and keep it running:
          <pre tabIndex={0}>ionet-worker {flags}</pre>
        </li>
      </ol>
      <p className="muted small">
        Device <Key of={device} to={`/devices/${device}`} /> can take jobs after its probation, and earns hourly rewards once it has been online for
        some hours without interruption.
      </p>
    </Card>
  );
}
