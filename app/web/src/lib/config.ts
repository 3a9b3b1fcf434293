import { address, type Address } from "@solana/kit";

const CHAINS = ["solana:mainnet", "solana:devnet", "solana:testnet", "solana:localnet"] as const;
/** Clusters that the command-line tools know by name, each with a node of its own. */
const NAMED = ["devnet", "testnet", "mainnet-beta"];

/** Where this market is, as its server says in `/config.json`. */
export interface Config {
  /** Name of the cluster, for people: localnet, devnet, testnet, mainnet-beta, or custom where an RPC URL was named. */
  cluster: string;
  /** The chain as wallets know it, whatever the URL of its node. */
  chain: (typeof CHAINS)[number];
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
  return readConfig((await answer.json()) as Record<string, unknown>);
}

/** What the server says, checked. */
export function readConfig({ cluster, chain, rpc, blobs, mint, faucet }: Record<string, unknown>): Config {
  const known = CHAINS.find((name) => name === chain);
  if (typeof cluster !== "string" || !known || typeof rpc !== "string" || typeof blobs !== "string" || typeof mint !== "string") {
    throw new Error(`the server's config.json is incomplete; it needs cluster, rpc, blobs, mint and as chain one of ${CHAINS.join(", ")}`);
  }
  return { cluster, chain: known, rpc, blobs, mint: address(mint), faucet: faucet === true };
}

/** The network that a wallet has to be set to. */
export const networkOf = ({ chain }: Config): string => chain.slice("solana:".length);

/** What the command-line tools take for the cluster. */
export const clusterFlag = ({ cluster, rpc }: Config): string => (NAMED.includes(cluster) ? cluster : rpc);
