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
import { createContext, useCallback, useContext, useEffect, useRef, useState, useSyncExternalStore, type ReactNode } from "react";
import { offerBurner } from "./burner";
import { networkOf } from "./config";
import { short } from "./format";
import { useMarket } from "./market";
import { keep, kept } from "./store";

type Features = StandardConnectFeature & SolanaSignTransactionFeature & Partial<StandardDisconnectFeature & StandardEventsFeature>;
type Chain = `solana:${string}`;

/** Signs for an account. */
export interface Signer extends TransactionModifyingSigner {
  /** Fails with a sentence while it cannot sign. */
  mustBeReady: () => void;
}

/** The connected wallet, and the wallets that can be connected. */
export interface Wallets {
  /** Wallets in this browser that can sign for the market's chain. */
  usable: readonly Wallet[];
  /** Wallets that support only other chains. */
  foreign: readonly Wallet[];
  /** Signs for the account at `address`, once its wallet has reconnected; `null` if there is no such account. */
  signer: Signer | null;
  /** Address of the connected account. After a reload it is that of the last one at once, while its wallet reconnects. */
  address: Address | null;
  /** Name of the connected wallet. */
  name: string | null;
  /** Connects a wallet; throws if the user rejects it. */
  connect: (wallet: Wallet) => Promise<void>;
  /** Disconnects the wallet. */
  disconnect: () => void;
}

const Context = createContext<Wallets | null>(null);
/** Storage key for the wallet to reconnect after a reload. */
const LAST = "ionet.wallet";
/** Milliseconds for which the last account is shown without its wallet, which may have been removed from the browser. */
const RECONNECTING = 30_000;

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

  /** Asks a wallet for its account, without a dialog if it is the `remembered` one. */
  const accountOf = useCallback(
    async (wallet: Wallet, remembered?: Address) => {
      const { accounts } = await (wallet.features as Features)[StandardConnect].connect({ silent: remembered !== undefined });
      const fitting = accounts.filter(({ chains }) => chains.includes(chain));
      const account = fitting.find(({ address }) => address === remembered) ?? fitting[0];
      if (!account) throw new Error(`${wallet.name} has no account on ${network}; switch its network and connect again`);
      return connectedTo(wallet, account);
    },
    [chain, network],
  );

  const connect = async (wallet: Wallet) => setConnected(await accountOf(wallet));

  const disconnect = () => {
    void (connected?.by?.wallet.features as Features | undefined)?.[StandardDisconnect]?.disconnect();
    setConnected(null);
  };

  // An action may begin before the wallet has reconnected, so what signs is looked up when it signs.
  const current = useRef(connected);
  useEffect(() => {
    current.current = connected;
    keep(LAST, connected && `${connected.address} ${connected.name}`);
  }, [connected]);

  // Reconnect the wallet that was connected before the reload, unless the user connects or disconnects one first.
  const remembered = connected?.by === null ? connected : null;
  const last = remembered ? usable.find(({ name }) => name === remembered.name) : undefined;
  useEffect(() => {
    if (!last || !remembered) return;
    let isWanted = true;
    accountOf(last, remembered.address).then(
      (account) => isWanted && setConnected(account),
      () => isWanted && setConnected(null),
    );
    return () => {
      isWanted = false;
    };
  }, [last, remembered, accountOf]);

  // A wallet that is late is still waited for, but no longer shown, and forgotten if it is not in the browser.
  const [isLate, setLate] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setLate(true), RECONNECTING);
    return () => clearTimeout(timer);
  }, []);
  const isGone = isLate && remembered !== null && last === undefined;
  useEffect(() => {
    if (isGone) setConnected(null);
  }, [isGone]);
  const { name = null, address = null } = (isLate && remembered ? null : connected) ?? {};

  // The user may switch accounts in the wallet itself.
  useEffect(() => {
    if (!connected?.by) return;
    const { wallet } = connected.by;
    return (wallet.features as Features)[StandardEvents]?.on("change", ({ accounts }) => {
      const account = accounts?.find(({ chains }) => chains.includes(chain));
      if (accounts) setConnected(account ? connectedTo(wallet, account) : null);
    });
  }, [connected, chain]);

  const signer = address && signerOf(address, () => current.current, chain);
  return <Context.Provider value={{ usable, foreign, signer, address, name, connect, disconnect }}>{children}</Context.Provider>;
}

const connectedTo = (wallet: Wallet, account: WalletAccount): Connected => ({
  name: wallet.name,
  address: address(account.address),
  by: { wallet, account },
});

/**
 * Signs for an account with the wallet that is connected by then. The wallet may change the transaction, for example add a priority fee, so
 * the signed one is sent.
 */
function signerOf(address: Address, connected: () => Connected | null, chain: Chain): Signer {
  const ready = () => {
    const now = connected();
    if (now?.address !== address) throw new Error(`${short(address)} is no longer connected; connect it and try again`);
    if (!now.by) throw new Error(`${now.name} has not reconnected yet; try again in a moment`);
    return now.by;
  };
  return {
    address,
    mustBeReady: () => void ready(),
    modifyAndSignTransactions: async (transactions) => {
      const { wallet, account } = ready();
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
