// Opening the jobs of an order, with a deposit for what the escrow lacks.

import type { Address, Instruction, TransactionSigner } from "@solana/kit";
import { findEscrowPda, findJobPda, getOpenJobInstructionAsync, type Config, type Escrow } from "../../generated/jobs";
import type { Found } from "../../lib/accounts";
import { unhex } from "../../lib/format";
import type { Market } from "../../lib/market";
import { mustCover } from "../../lib/send";
import { depositing } from "./instructions";
import { quote, type Order } from "./rules";

/** Times of every order, in seconds: for the price to rise, for a device to claim it, and for the result. */
export const TIMES = { auctionSeconds: 30, openSeconds: 600, runSeconds: 600 };

/** Everything that the instructions for an order depend on. */
interface Opening {
  owner: TransactionSigner;
  /** Address of the model's account. */
  model: Address;
  /** Address of the inputs: their batch root. */
  inputs: string;
  order: Order;
  config: Found<Config>;
  /** The owner's escrow; `null` if there is none. */
  escrow: Escrow | null;
}

/** The instructions that open an order's jobs, one per replica, and the addresses of the jobs. */
export async function opening(market: Market, { owner, model, inputs, order, config, escrow }: Opening) {
  const { mint } = market.config;
  const [at] = await findEscrowPda({ owner: owner.address, mint });
  const missing = quote(order, config).locked - (escrow?.free ?? 0n);
  const instructions: Instruction[] = [];
  if (missing > 0n) {
    await mustCover(market, owner.address, missing);
    instructions.push(...(await depositing(owner, mint, missing, !!escrow)));
  }
  const { startPrice, maxPrice, valueAtRisk, units, minVramGb, gpuModel, minJobsDone, auditBps } = order;
  const { replicas, windowSeconds } = order.policy;
  const asked = { startPrice, maxPrice, valueAtRisk, units, minVramGb, gpuModel, minJobsDone, auditBps, replicas, windowSeconds };
  // The program raises the bond where the price or the value at risk requires it.
  const terms = { ...TIMES, ...asked, inputs: unhex(inputs), bond: config.minBond, minMultiplierX100: 0 };
  const first = await chooseId(at);
  const jobs: Address[] = [];
  for (let replica = 0; replica < replicas; replica++) {
    const id = first + BigInt(replica);
    const [job] = await findJobPda({ escrow: at, id });
    const accounts = { owner, config: config.address, model, escrow: at, job };
    jobs.push(job);
    instructions.push(await getOpenJobInstructionAsync({ ...accounts, id, terms: { ...terms, replica } }));
  }
  return { jobs, instructions };
}

/** A random id whose address has bump 255, which is cheapest to derive on the chain. Replicas take the ids after it. */
async function chooseId(escrow: Address): Promise<bigint> {
  for (;;) {
    const [id = 0n] = crypto.getRandomValues(new BigUint64Array(1));
    const small = id >> 1n;
    const [, bump] = await findJobPda({ escrow, id: small });
    if (bump === 255) return small;
  }
}
