import { type Address, type Rpc, type SolanaRpcApi } from "@solana/kit";
import { useQuery } from "@tanstack/react-query";
import { createContext, useContext, useMemo, type ReactNode } from "react";
import { unbase64 } from "./bytes";
import { loadConfig, type Config } from "./config";
import { nodeAt } from "./node";

/** A market's configuration and its Solana node. */
export interface Market {
  config: Config;
  rpc: Rpc<SolanaRpcApi>;
}

const Context = createContext<Market | null>(null);

/** The market that this page belongs to. */
export function useMarket(): Market {
  const market = useContext(Context);
  if (!market) throw new Error("useMarket needs a <MarketProvider> around it");
  return market;
}

/** Loads the market's configuration; shows `waiting` until then. */
export function MarketProvider({ children, waiting }: { children: ReactNode; waiting: (error: Error | null) => ReactNode }) {
  const { data: config, error } = useQuery({ queryKey: ["config"], queryFn: loadConfig, staleTime: Number.POSITIVE_INFINITY });
  const market = useMemo(() => (config ? { config, rpc: nodeAt(config.rpc) } : null), [config]);
  return market ? <Context.Provider value={market}>{children}</Context.Provider> : waiting(error);
}

/** The chain's clock in unix seconds, polled every few seconds: deadlines go by it, not by this machine's clock. */
export function useNow(): number {
  const { rpc } = useMarket();
  const { data } = useQuery({
    queryKey: ["clock"],
    queryFn: async () => {
      const { value } = await rpc.getAccountInfo(CLOCK, { encoding: "base64" }).send();
      if (!value) throw new Error("the node does not have the clock sysvar");
      return Number(new DataView(unbase64(value.data[0]).buffer).getBigInt64(32, true));
    },
    refetchInterval: 5_000,
  });
  return data ?? Math.floor(Date.now() / 1000);
}

const CLOCK = "SysvarC1ock11111111111111111111111111111111" as Address;
