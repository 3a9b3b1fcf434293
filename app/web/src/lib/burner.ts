import { createKeyPairSignerFromPrivateKeyBytes, getTransactionDecoder, getTransactionEncoder, partiallySignTransaction } from "@solana/kit";
import { SolanaSignTransaction, type SolanaSignTransactionFeature } from "@solana/wallet-standard-features";
import { getWallets } from "@wallet-standard/app";
import type { Wallet, WalletAccount } from "@wallet-standard/base";
import { StandardConnect, StandardEvents, type StandardConnectFeature, type StandardEventsFeature } from "@wallet-standard/features";
import { hex, unhex } from "./format";
import { keep, kept } from "./store";

const CHAIN = "solana:localnet";
/** Where this browser keeps the key. Tokens of a local market are worth nothing, so it needs no safer place. */
const STORED = "ionet.burner";
const ICON =
  "data:image/svg+xml;base64,PHN2ZyB4bWxucz0iaHR0cDovL3d3dy53My5vcmcvMjAwMC9zdmciIHZpZXdCb3g9IjAgMCAyNCAyNCI+PHBhdGggZD0iTTEyIDJjMSA0IDYgNiA2IDEyYTYgNiAwIDAgMS0xMiAwYzAtMyAyLTQgMi03IDIgMSAzIDIgMyA0IDEtMiAyLTUgMS05eiIgZmlsbD0iI2VhNTgwYyIvPjwvc3ZnPg==";

let offered = false;

type Features = StandardConnectFeature & StandardEventsFeature & SolanaSignTransactionFeature;

/**
 * Registers a wallet whose key is stored in this browser, on local markets only. The rest of the app treats it like any other wallet. Each
 * time it is connected, the local faucet gives it SOL and $IO.
 */
export async function offerBurner(): Promise<void> {
  if (offered) return;
  offered = true;
  const known = kept(STORED);
  const secret = known ? unhex(known) : crypto.getRandomValues(new Uint8Array(32));
  const signer = await createKeyPairSignerFromPrivateKeyBytes(secret);
  // Without storage, each visit gets a new wallet.
  keep(STORED, hex(secret));
  const account: WalletAccount = {
    address: signer.address,
    publicKey: new Uint8Array(await crypto.subtle.exportKey("raw", signer.keyPair.publicKey)),
    chains: [CHAIN],
    features: [SolanaSignTransaction],
    label: "burner",
  };
  const features: Features = {
    [StandardConnect]: {
      version: "1.0.0",
      connect: async ({ silent = false } = {}) => {
        if (!silent) await fund(signer.address);
        return { accounts: [account] };
      },
    },
    [StandardEvents]: { version: "1.0.0", on: () => () => {} },
    [SolanaSignTransaction]: {
      version: "1.0.0",
      supportedTransactionVersions: ["legacy", 0],
      signTransaction: async (...inputs) => {
        const transactions = inputs.map((input) => getTransactionDecoder().decode(input.transaction));
        const signed = await Promise.all(transactions.map((transaction) => partiallySignTransaction([signer.keyPair], transaction)));
        return signed.map((transaction) => ({ signedTransaction: new Uint8Array(getTransactionEncoder().encode(transaction)) }));
      },
    },
  };
  const wallet: Wallet = { version: "1.0.0", name: "Local burner", icon: ICON, chains: [CHAIN], accounts: [], features };
  getWallets().register(wallet);
}

/** Requests SOL and $IO from the local faucet. */
async function fund(address: string): Promise<void> {
  const answer = await fetch("/faucet", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ address }),
  }).catch(() => null);
  if (answer?.ok) return;
  const said = (await answer?.json().catch(() => null)) as { error?: string } | null | undefined;
  throw new Error(said?.error ?? `the local faucet does not respond (${answer?.status ?? "unreachable"}); try again in a moment`);
}
