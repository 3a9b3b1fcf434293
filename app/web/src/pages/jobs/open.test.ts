import { generateKeyPairSigner } from "@solana/kit";
import { expect, test } from "vitest";
import { getConfigDecoder, getConfigSize, getEscrowDecoder, getEscrowSize, getOpenJobInstructionDataDecoder } from "../../generated/jobs";
import type { Market } from "../../lib/market";
import { opening } from "./open";
import { ANY_GPU, POLICIES, type Order, type Policy } from "./rules";

const someone = async () => (await generateKeyPairSigner()).address;
const [owner, model, mint] = [await generateKeyPairSigner(), await someone(), await someone()];
const market = { config: { mint } } as unknown as Market;
const config = { ...getConfigDecoder().decode(new Uint8Array(getConfigSize())), address: await someone(), watchBps: 500 };
const escrow = { ...getEscrowDecoder().decode(new Uint8Array(getEscrowSize())), free: 1n << 60n };
const amounts = { startPrice: 1n, maxPrice: 2n, valueAtRisk: 0n };
const order = { ...amounts, units: 3, policy: POLICIES[0], gpuModel: ANY_GPU, minVramGb: 0, minJobsDone: 0, auditBps: 0 };

/** Terms of the jobs that an order opens. */
async function opened(of: Order) {
  const { instructions } = await opening(market, { owner, model, inputs: "07".repeat(32), order: of, config, escrow });
  return instructions.map(({ data }) => getOpenJobInstructionDataDecoder().decode(data ?? new Uint8Array()).terms);
}

test("the terms sent are those of the order", async () => {
  expect(await opened({ ...order, auditBps: 1_000 })).toMatchObject([{ ...amounts, units: 3, auditBps: 1_000, replicas: 1, windowSeconds: 120 }]);
  const blind = await opened({ ...order, policy: POLICIES[2] as Policy });
  expect(blind).toMatchObject([0, 1].map((replica) => ({ auditBps: 0, replicas: 2, replica })));
});
