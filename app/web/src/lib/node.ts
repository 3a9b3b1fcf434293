import { createDefaultRpcTransport, createSolanaRpcFromTransport, type Rpc, type SolanaRpcApi } from "@solana/kit";

/** Timeout of a request, in milliseconds: listing all accounts of a kind can take a node seconds. */
export const PATIENCE = 20_000;

/** A client of a Solana node. A request that is not answered in time fails with a `TimeoutError`. */
export function nodeAt(url: string, patience = PATIENCE): Rpc<SolanaRpcApi> {
  const transport = createDefaultRpcTransport({ url });
  return createSolanaRpcFromTransport(({ payload }) => transport({ payload, signal: AbortSignal.timeout(patience) }));
}
