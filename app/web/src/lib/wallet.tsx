import {
  address,
  getTransactionDecoder,
  getTransactionEncoder,
  isAddress,
  type Address,
  type TransactionModifyingSigner,
} from "@solana/kit";
import { SolanaSignTransaction, type SolanaSignTransactionFeature } from "@solana/wallet-standard-features";
import { getWallets } from "@wallet-standard/app";
import type { Wallet, WalletAccount } from "@wallet-standard/base";
import {
  StandardConnect,
  StandardDisconnect,
  StandardEvents,
  type StandardConnectFeature,
  type StandardDisconnectFeature,
  type StandardEventsFeature,
} from "@wallet-standard/features";
import { createContext, useCallback, useContext, useEffect, useMemo, useState, useSyncExternalStore, type ReactNode } from "react";
import { offerBurner } from "./burner";
import { networkOf } from "./config";
import { useMarket } from "./market";
import { keep, kept } from "./store";

type Features = StandardConnectFeature & SolanaSignTransactionFeature & Partial<StandardDisconnectFeature & StandardEventsFeature>;
type Chain = `solana:${string}`;

/** The connected wallet, and the wallets that can be connected. */
export interface Wallets {
  /** Wallets in this browser that can sign for the market's chain. */
  usable: readonly Wallet[];
  /** Wallets that support only other chains. */
  foreign: readonly Wallet[];
  /** Signs for the connected account; `null` if none is connected. */
  signer: TransactionModifyingSigner | null;
  /** Address of the connected account. After a reload it is that of the last one at once, while its wallet reconnects. */
  address: Address | null;
  /** Name of the connected wallet. */
  name: string | null;
  /** Connects a wallet; throws if the user rejects it. */
  connect: (wallet: Wallet, silent?: boolean) => Promise<void>;
  /** Disconnects the wallet. */
  disconnect: () => void;
}

const Context = createContext<Wallets | null>(null);
/** Storage key for the wallet to reconnect after a reload. */
const LAST = "ionet.wallet";
/** Milliseconds in which the last wallet must have reconnected: it may have been removed from the browser. */
const RECONNECTING = 5_000;

/** An account and what signs for it; `null` until its wallet has reconnected. */
interface Connected {
  name: string;
  address: Address;
  by: { wallet: Wallet; account: WalletAccount } | null;
}

/** The account that was connected before the reload. */
function lastConnected(): Connected | null {
  const [at = "", ...name] = (kept(LAST) ?? "").split(" ");
  return isAddress(at) ? { name: name.join(" "), address: at, by: null } : null;
}

/** The user's wallet. */
export function useWallet(): Wallets {
  const wallets = useContext(Context);
  if (!wallets) throw new Error("useWallet needs a <WalletProvider> around it");
  return wallets;
}

// Wallets register at any time; React needs the same list object until it changes.
const registry = getWallets();
let present = registry.get();
const watchRegistry = (changed: () => void) => {
  const update = () => {
    present = registry.get();
    changed();
  };
  const ends = [registry.on("register", update), registry.on("unregister", update)];
  return () => ends.forEach((end) => end());
};

/** Gives the components below it access to the browser's wallets. */
export function WalletProvider({ children }: { children: ReactNode }) {
  const { config } = useMarket();
  const { chain } = config;
  const network = networkOf(config);
  const wallets = useSyncExternalStore(watchRegistry, () => present);
  const [connected, setConnected] = useState(lastConnected);

  useEffect(() => {
    if (config.faucet) void offerBurner();
  }, [config.faucet]);

  const able = wallets.filter(({ features }) => StandardConnect in features && SolanaSignTransaction in features);
  const usable = able.filter(({ chains }) => chains.includes(chain));
  const foreign = able.filter(({ chains }) => !chains.includes(chain));

  const connect = useCallback(
    async (wallet: Wallet, silent = false) => {
      const { accounts } = await (wallet.features as Features)[StandardConnect].connect({ silent });
      const account = accounts.find(({ chains }) => chains.includes(chain));
      if (!account) throw new Error(`${wallet.name} has no account on ${network}; switch its network and connect again`);
      setConnected(connectedTo(wallet, account));
    },
    [chain, network],
  );

  const disconnect = useCallback(() => {
    setConnected((now) => {
      void (now?.by?.wallet.features as Features | undefined)?.[StandardDisconnect]?.disconnect();
      return null;
    });
  }, []);

  useEffect(() => void keep(LAST, connected && `${connected.address} ${connected.name}`), [connected]);

  // Reconnect the wallet that was connected before the reload.
  const last = connected?.by === null ? usable.find(({ name }) => name === connected.name) : undefined;
  useEffect(() => {
    if (last) connect(last, true).catch(() => setConnected(null));
  }, [last, connect]);
  useEffect(() => {
    if (connected?.by !== null) return;
    const timer = setTimeout(() => setConnected(null), RECONNECTING);
    return () => clearTimeout(timer);
  }, [connected]);

  // The user may switch accounts in the wallet itself.
  useEffect(() => {
    if (!connected?.by) return;
    const { wallet } = connected.by;
    return (wallet.features as Features)[StandardEvents]?.on("change", ({ accounts }) => {
      const account = accounts?.find(({ chains }) => chains.includes(chain));
      if (accounts) setConnected(account ? connectedTo(wallet, account) : null);
    });
  }, [connected, chain]);

  const value = useMemo<Wallets>(
    () => ({
      usable,
      foreign,
      signer: connected && signerOf(connected, chain),
      address: connected && connected.address,
      name: connected && connected.name,
      connect,
      disconnect,
    }),
    // The lists are new objects on each render, but depend only on these.
    [wallets, chain, connected, connect, disconnect],
  );
  return <Context.Provider value={value}>{children}</Context.Provider>;
}

const connectedTo = (wallet: Wallet, account: WalletAccount): Connected => ({
  name: wallet.name,
  address: address(account.address),
  by: { wallet, account },
});

/** Signs with a wallet. The wallet may change the transaction, for example add a priority fee, so the signed one is sent. */
function signerOf({ name, address, by }: Connected, chain: Chain): TransactionModifyingSigner {
  return {
    address,
    modifyAndSignTransactions: async (transactions) => {
      if (!by) throw new Error(`${name} has not reconnected yet; try again in a moment`);
      const { wallet, account } = by;
      const { signTransaction } = (wallet.features as Features)[SolanaSignTransaction];
      const inputs = transactions.map((transaction) => ({
        account,
        chain: chain as never,
        transaction: new Uint8Array(getTransactionEncoder().encode(transaction)),
      }));
      const outputs = await signTransaction(...inputs);
      return outputs.map(({ signedTransaction }, index) => ({
        ...transactions[index],
        ...getTransactionDecoder().decode(signedTransaction),
      })) as never;
    },
  };
}
