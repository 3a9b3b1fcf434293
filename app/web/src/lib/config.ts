import { address, type Address } from "@solana/kit";

/** Where this market is, as its server says in `/config.json`. */
export interface Config {
  /** Name of the cluster: localnet, devnet, testnet or mainnet-beta. */
  cluster: string;
  /** JSON-RPC of the chain. */
  rpc: string;
  /** Blob store, to which `/{address}` is added. */
  blobs: string;
  /** The $IO mint. */
  mint: Address;
  /** Whether `/faucet` gives away SOL and $IO: a local market alone. */
  faucet: boolean;
}

/** Asks the server where the market is. */
export async function loadConfig(): Promise<Config> {
  const answer = await fetch("/config.json");
  if (!answer.ok) throw new Error(`the server does not say where the market is (${answer.status}); reload in a moment`);
  const { cluster, rpc, blobs, mint, faucet } = (await answer.json()) as Record<string, unknown>;
  if (typeof cluster !== "string" || typeof rpc !== "string" || typeof blobs !== "string" || typeof mint !== "string") {
    throw new Error("the server's config.json is incomplete; it needs cluster, rpc, blobs and mint");
  }
  return { cluster, rpc, blobs, mint: address(mint), faucet: faucet === true };
}

/** Name of the chain as wallets know it. */
export function chainOf(config: Config): `solana:${string}` {
  return `solana:${config.cluster === "mainnet-beta" ? "mainnet" : config.cluster}`;
}
