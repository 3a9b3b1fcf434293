import {
  address,
  appendTransactionMessageInstructions,
  compileTransaction,
  createTransactionMessage,
  getBase64EncodedWireTransaction,
  getProgramDerivedAddress,
  getAddressEncoder,
  getSignatureFromTransaction,
  pipe,
  setTransactionMessageFeePayerSigner,
  setTransactionMessageLifetimeUsingBlockhash,
  signTransactionMessageWithSigners,
  type Address,
  type Instruction,
  type Signature,
  type Transaction,
} from "@solana/kit";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { createContext, useCallback, useContext, useState, type ReactNode } from "react";
import { explain, explainLogs } from "./errors";
import { useMarket, type Market } from "./market";
import { useWallet } from "./wallet";

const TOKEN_PROGRAM = address("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA");
const ASSOCIATED = address("ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL");
/** Milliseconds between looks at a transaction that is under way. */
const LOOK = 300;

/** Something to be done on the chain. */
export interface Deed {
  /** What it does, as a command: "stake 300 $IO". */
  title: string;
  /** What happens on the chain, in order. */
  instructions: readonly Instruction[];
}

/** What a deed would change for the wallet: base units of $IO and lamports. */
export interface Effect {
  io: bigint;
  lamports: bigint;
  computeUnits: bigint;
}

/** Where a deed stands. */
export type Stage =
  | { at: "asking"; deed: Deed; effect: Effect }
  | { at: "signing"; deed: Deed }
  | { at: "sent"; deed: Deed; signature: Signature }
  | { at: "done"; deed: Deed; signature: Signature }
  | { at: "failed"; deed: Deed; sentence: string; signature?: Signature };

interface Sending {
  stage: Stage | null;
  answer: (yes: boolean) => void;
  close: () => void;
  send: (deed: Deed) => Promise<Signature>;
}

const Context = createContext<Sending | null>(null);

/** Sends deeds: simulated first, shown, signed by the wallet, confirmed by the chain. */
export function useSending(): Sending {
  const sending = useContext(Context);
  if (!sending) throw new Error("nothing can be sent outside of <SendingProvider>");
  return sending;
}

/** The wallet's token account for a mint. */
export async function tokenAccount(owner: Address, mint: Address): Promise<Address> {
  const seeds = [owner, TOKEN_PROGRAM, mint].map((seed) => getAddressEncoder().encode(seed));
  return (await getProgramDerivedAddress({ programAddress: ASSOCIATED, seeds }))[0];
}

/** Base units in a token account's data; none when there is no account. */
export function tokensIn(data: Uint8Array | null): bigint {
  return data && data.length >= 72 ? new DataView(data.buffer, data.byteOffset).getBigUint64(64, true) : 0n;
}

const bytes = (base64: string): Uint8Array => Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));

/** Balances of a wallet. */
export async function balances({ rpc, config }: Market, owner: Address): Promise<{ lamports: bigint; io: bigint }> {
  const tokens = await tokenAccount(owner, config.mint);
  const { value } = await rpc.getMultipleAccounts([owner, tokens], { encoding: "base64" }).send();
  const [wallet, account] = value;
  return { lamports: wallet?.lamports ?? 0n, io: tokensIn(account ? bytes(account.data[0]) : null) };
}

/** Balances of the connected wallet. */
export function useBalances() {
  const market = useMarket();
  const { address } = useWallet();
  return useQuery({
    queryKey: ["balances", address],
    queryFn: () => (address ? balances(market, address) : null),
    enabled: address !== null,
  });
}

/** Runs a transaction without sending it; an error says in a sentence why the chain would refuse it. */
async function simulate(market: Market, owner: Address, transaction: Transaction): Promise<Effect> {
  const tokens = await tokenAccount(owner, market.config.mint);
  const before = await balances(market, owner);
  const { value } = await market.rpc
    .simulateTransaction(getBase64EncodedWireTransaction(transaction), {
      encoding: "base64",
      replaceRecentBlockhash: true,
      sigVerify: false,
      accounts: { addresses: [owner, tokens], encoding: "base64" },
    })
    .send();
  if (value.err) {
    const poor = before.lamports === 0n ? "the wallet has no SOL to pay for it" : undefined;
    throw new Error(explainLogs(value.logs) ?? poor ?? `the chain refuses this: ${JSON.stringify(value.err, plain)}`);
  }
  const [wallet, account] = value.accounts ?? [];
  return {
    io: tokensIn(account ? bytes(account.data[0]) : null) - before.io,
    lamports: (wallet?.lamports ?? before.lamports) - before.lamports,
    computeUnits: value.unitsConsumed ?? 0n,
  };
}

const plain = (_: string, value: unknown) => (typeof value === "bigint" ? value.toString() : value);

/** Waits until the chain has confirmed a transaction, or cannot any more. */
async function confirm({ rpc }: Market, signature: Signature, blockhash: Parameters<Market["rpc"]["isBlockhashValid"]>[0]): Promise<void> {
  for (;;) {
    const { value } = await rpc.getSignatureStatuses([signature], { searchTransactionHistory: true }).send();
    const [status] = value;
    if (status?.err) {
      const landed = await rpc.getTransaction(signature, { encoding: "base64", maxSupportedTransactionVersion: 0 }).send();
      throw new Error(explainLogs(landed?.meta?.logMessages) ?? `the chain refused it: ${JSON.stringify(status.err, plain)}`);
    }
    if (status?.confirmationStatus === "confirmed" || status?.confirmationStatus === "finalized") return;
    if (!status && !(await rpc.isBlockhashValid(blockhash, { commitment: "confirmed" }).send()).value) {
      throw new Error("the transaction came too late and changed nothing; send it again");
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK));
  }
}

/** Lets everything below it send deeds. */
export function SendingProvider({ children }: { children: ReactNode }) {
  const market = useMarket();
  const { signer } = useWallet();
  const queries = useQueryClient();
  const [stage, setStage] = useState<Stage | null>(null);
  const [answer, setAnswer] = useState<{ give: (yes: boolean) => void } | null>(null);

  const send = useCallback(
    async (deed: Deed): Promise<Signature> => {
      if (!signer) throw new Error("connect a wallet first");
      let signature: Signature | undefined;
      try {
        const { value: lifetime } = await market.rpc.getLatestBlockhash().send();
        const message = pipe(
          createTransactionMessage({ version: 0 }),
          (empty) => setTransactionMessageFeePayerSigner(signer, empty),
          (payed) => setTransactionMessageLifetimeUsingBlockhash(lifetime, payed),
          (timed) => appendTransactionMessageInstructions(deed.instructions, timed),
        );
        const effect = await simulate(market, signer.address, compileTransaction(message));
        setStage({ at: "asking", deed, effect });
        const yes = await new Promise<boolean>((give) => setAnswer({ give }));
        setAnswer(null);
        if (!yes) throw new Error("you did not sign, so nothing happened");
        setStage({ at: "signing", deed });
        const signed = await signTransactionMessageWithSigners(message);
        signature = getSignatureFromTransaction(signed);
        await market.rpc.sendTransaction(getBase64EncodedWireTransaction(signed), { encoding: "base64" }).send();
        setStage({ at: "sent", deed, signature });
        await confirm(market, signature, lifetime.blockhash);
        setStage({ at: "done", deed, signature });
        await queries.invalidateQueries({ predicate: ({ queryKey }) => queryKey[0] !== "config" });
        return signature;
      } catch (error) {
        const sentence = explain(error);
        setStage({ at: "failed", deed, sentence, signature });
        throw new Error(sentence, { cause: error });
      }
    },
    [market, signer, queries],
  );

  const value: Sending = {
    stage,
    send,
    answer: (yes) => answer?.give(yes),
    close: () => setStage(null),
  };
  return <Context.Provider value={value}>{children}</Context.Provider>;
}

