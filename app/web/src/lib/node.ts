import { createDefaultRpcTransport, createSolanaRpcFromTransport, type Rpc, type SolanaRpcApi } from "@solana/kit";

/** Milliseconds that a server has for an answer: all accounts of a kind take a node seconds. */
export const PATIENCE = 20_000;

/** A node of the chain. A question that it takes and does not answer in time fails with a `TimeoutError`. */
export function nodeAt(url: string, patience = PATIENCE): Rpc<SolanaRpcApi> {
  const transport = createDefaultRpcTransport({ url });
  return createSolanaRpcFromTransport(({ payload }) => transport({ payload, signal: AbortSignal.timeout(patience) }));
}
