// The computations made before signing match those of the programs: `tests/tests/vectors.rs` writes `vectors.json` from them.

import { getBase16Encoder, type ReadonlyUint8Array } from "@solana/kit";
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { getOfferDecoder, getPositionDecoder } from "../generated/costaking";
import { getDeviceDecoder } from "../generated/staking";
import { afterSharing, claimable, earningIn, part, worth } from "../pages/costaking/shares";
import { minimum, overflow, requiredMultiplier } from "../pages/devices/stake";
import { deviceWeight, positionWeight } from "../pages/governance/weight";
import { ofJob } from "../pages/jobs/bond";
import { block } from "../pages/rewards/emission";

const decode = <T>(decoder: { decode: (bytes: ReadonlyUint8Array) => T }, hex: string) => decoder.decode(getBase16Encoder().encode(hex));
const device = (hex: string) => decode(getDeviceDecoder(), hex);
const offer = (hex: string) => decode(getOfferDecoder(), hex);
const position = (hex: string) => decode(getPositionDecoder(), hex);

const COMPUTED: Record<string, (...given: string[]) => unknown> = {
  bond: (price = "", risk = "", watch, replicas) => ofJob(BigInt(price), BigInt(risk), Number(watch), Number(replicas)),
  minimum: (base = "", multiplier, quantity) => minimum(BigInt(base), Number(multiplier), Number(quantity)),
  multiplier: (current, previous, raiseAt = "", now) =>
    requiredMultiplier({ multiplierX100: Number(current), previousX100: Number(previous), raiseAt: BigInt(raiseAt) }, Number(now)),
  overflow: (own = "", least = "") => overflow(device(own), BigInt(least)),
  deviceWeight: (own = "", openedAt) => deviceWeight(device(own), Number(openedAt)).weight,
  positionWeight: (held = "", of = "", on = "", openedAt) => positionWeight(position(held), offer(of), device(on), Number(openedAt)).weight,
  claimable: (held = "", of = "") => claimable(position(held), offer(of)),
  shared: (of = "", on = "", hour, reward = "") => {
    const [sharing, books] = [offer(of), device(on)];
    const { shares, assets } = earningIn(Number(hour), sharing, books);
    const { owners, rewardIndex } = afterSharing(sharing, books, [{ hour: Number(hour), reward: BigInt(reward) }]);
    return [shares, assets, owners, rewardIndex].join(" ");
  },
  part: (reward = "", share, earning = "", capacity = "") => part(BigInt(reward), Number(share), BigInt(earning), BigInt(capacity)),
  worth: (some = "", shares = "", assets = "") => worth(BigInt(some), BigInt(shares), BigInt(assets)),
  block: (genesis, start) => block(Number(genesis), Number(start)),
};

const VECTORS = JSON.parse(readFileSync(new URL("vectors.json", import.meta.url), "utf8")) as Record<string, string[][]>;

test("all of the programs' test vectors are reproduced", () => {
  expect(Object.keys(VECTORS).sort()).toEqual(Object.keys(COMPUTED).sort());
});

test.each(Object.entries(VECTORS))("%s is what the programs compute", (name, rows) => {
  expect(rows.length).toBeGreaterThan(0);
  for (const row of rows) expect(String(COMPUTED[name]?.(...row.slice(0, -1))), row.join(", ").slice(0, 200)).toBe(row.at(-1));
});
