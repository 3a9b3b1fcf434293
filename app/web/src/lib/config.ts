import { address, type Address } from "@solana/kit";

const CHAINS = ["solana:mainnet", "solana:devnet", "solana:testnet", "solana:localnet"] as const;
/** Clusters that the command-line tools know by name. */
const NAMED = ["devnet", "testnet", "mainnet-beta"];

/** Where this market runs, from the server's `/config.json`. */
export interface Config {
  /** Name of the cluster for display: localnet, devnet, testnet, mainnet-beta, or custom for an RPC URL. */
  cluster: string;
  /** The chain's identifier in the Wallet Standard. */
  chain: (typeof CHAINS)[number];
  /** JSON-RPC of the chain. */
  rpc: string;
  /** Base URL of the blob store; a blob is at `/{address}` below it. */
  blobs: string;
  /** The $IO mint. */
  mint: Address;
  /** Whether `/faucet` gives out SOL and $IO; local markets only. */
  faucet: boolean;
}

/** Fetches `/config.json`. */
export async function loadConfig(): Promise<Config> {
  const answer = await fetch("/config.json").catch(() => null);
  if (!answer?.ok) throw new Error(`the server's config.json cannot be loaded (${answer?.status ?? "unreachable"}); reload the page in a moment`);
  return readConfig((await answer.json()) as Record<string, unknown>);
}

/** Validates the server's configuration. */
export function readConfig({ cluster, chain, rpc, blobs, mint, faucet }: Record<string, unknown>): Config {
  const known = CHAINS.find((name) => name === chain);
  if (typeof cluster !== "string" || !known || typeof rpc !== "string" || typeof blobs !== "string" || typeof mint !== "string") {
    throw new Error(`the server's config.json is incomplete: it needs cluster, rpc, blobs, mint, and a chain that is one of ${CHAINS.join(", ")}`);
  }
  return { cluster, chain: known, rpc, blobs, mint: address(mint), faucet: faucet === true };
}

/** The network that a wallet must be on. */
export const networkOf = ({ chain }: Config): string => chain.slice("solana:".length);

/** The `--cluster` value for the command-line tools. */
export const clusterFlag = ({ cluster, rpc }: Config): string => (NAMED.includes(cluster) ? cluster : rpc);
