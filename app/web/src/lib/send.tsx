import {
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
import { createContext, useContext, useState, type ReactNode } from "react";
import { unbase64 } from "./bytes";
import { chainOf, confirm, UnknownEnd, type End } from "./confirm";
import { explain, explainLogs, explainRefusal, UNSIGNED } from "./errors";
import { io } from "./format";
import { oneAtATime } from "./gate";
import { useMarket, type Market } from "./market";
import { ASSOCIATED_TOKEN_PROGRAM, TOKEN_PROGRAM } from "./programs";
import { changes } from "./refresh";
import { useWallet } from "./wallet";

/** A transaction for the wallet to sign. */
export interface Action {
  /** What it does, in the imperative: "Stake 300 $IO". */
  title: string;
  /** Its instructions, in order. */
  instructions: readonly Instruction[];
  /** Runs after the user has agreed and before anything is signed. */
  before?: () => Promise<void>;
}

/** What an action would change in the wallet: base units of $IO and lamports. */
export interface Effect {
  io: bigint;
  lamports: bigint;
  computeUnits: bigint;
}

/** Stage of an action. */
export type Stage =
  | { at: "asking"; action: Action; effect: Effect }
  | { at: "preparing"; action: Action }
  | { at: "signing"; action: Action }
  | { at: "sent"; action: Action; signature: Signature }
  | { at: "done"; action: Action; signature: Signature }
  | { at: "unknown"; action: Action; signature: Signature }
  | { at: "failed"; action: Action; sentence: string; signature?: Signature };

interface Sending {
  stage: Stage | null;
  /** Answers the dialog: whether to sign, or to check an unknown outcome again. `false` abandons an action that is not signed yet. */
  answer: (yes: boolean) => void;
  close: () => void;
  /**
   * Sends an action. Throws [`UnknownEnd`] if it may still land, [`Busy`] while another is in progress, anything else if nothing happened.
   */
  send: (action: Action) => Promise<Signature>;
}

const Context = createContext<Sending | null>(null);

/** Sends actions: each is simulated, shown, signed by the wallet and confirmed by the chain. */
export function useSending(): Sending {
  const sending = useContext(Context);
  if (!sending) throw new Error("useSending needs a <SendingProvider> around it");
  return sending;
}

/** The wallet's token account for a mint. */
export async function tokenAccount(owner: Address, mint: Address): Promise<Address> {
  const seeds = [owner, TOKEN_PROGRAM, mint].map((seed) => getAddressEncoder().encode(seed));
  return (await getProgramDerivedAddress({ programAddress: ASSOCIATED_TOKEN_PROGRAM, seeds }))[0];
}

/** Base units in a token account's data; 0 if there is no account. */
export function tokensIn(data: Uint8Array | null): bigint {
  return data && data.length >= 72 ? new DataView(data.buffer, data.byteOffset).getBigUint64(64, true) : 0n;
}

/** Balances of a wallet. */
export async function balances({ rpc, config }: Market, owner: Address): Promise<{ lamports: bigint; io: bigint }> {
  const tokens = await tokenAccount(owner, config.mint);
  const { value } = await rpc.getMultipleAccounts([owner, tokens], { encoding: "base64" }).send();
  const [wallet, account] = value;
  return { lamports: wallet?.lamports ?? 0n, io: tokensIn(account ? unbase64(account.data[0]) : null) };
}

/**
 * Fails with a clear sentence if a wallet does not hold an amount of $IO. It queries the chain, because no event announces a transfer from
 * outside the market.
 */
export async function mustCover(market: Market, owner: Address, amount: bigint): Promise<void> {
  const { io: held } = await balances(market, owner);
  if (held < amount) throw new Error(`this takes ${io(amount)} and your wallet holds ${io(held)}; add more $IO first`);
}

/** Milliseconds before a node that did not respond is asked again: no event announces that it is back. */
const RETRY = 5_000;

/** Balances of the connected wallet. */
export function useBalances() {
  const market = useMarket();
  const { address } = useWallet();
  return useQuery({
    queryKey: ["balances", address],
    queryFn: () => (address ? balances(market, address) : null),
    enabled: address !== null,
    refetchInterval: ({ state: { status } }) => status === "error" && RETRY,
  });
}

/** Simulates a transaction; fails with a sentence if the chain would reject it. */
async function simulate(market: Market, owner: Address, transaction: Transaction): Promise<Effect> {
  const at = await tokenAccount(owner, market.config.mint);
  const before = await balances(market, owner);
  const { value } = await market.rpc
    .simulateTransaction(getBase64EncodedWireTransaction(transaction), {
      encoding: "base64",
      replaceRecentBlockhash: true,
      sigVerify: false,
      accounts: { addresses: [owner, at], encoding: "base64" },
    })
    .send();
  if (value.err) throw new Error(explainLogs(value.logs) ?? explainRefusal(value.err));
  const [wallet, account] = value.accounts ?? [];
  return {
    // Some nodes return nothing for an account that the transaction does not name.
    io: account ? tokensIn(unbase64(account.data[0])) - before.io : 0n,
    lamports: (wallet?.lamports ?? before.lamports) - before.lamports,
    computeUnits: value.unitsConsumed ?? 0n,
  };
}

/** Lets the components below it send actions. */
export function SendingProvider({ children }: { children: ReactNode }) {
  const market = useMarket();
  const { signer } = useWallet();
  const queries = useQueryClient();
  const [stage, setStage] = useState<Stage | null>(null);
  const [answer, setAnswer] = useState<{ give: (yes: boolean) => void } | null>(null);
  const [gate] = useState(oneAtATime);

  const ask = async (question: Stage): Promise<boolean> => {
    setStage(question);
    const yes = await new Promise<boolean>((give) => setAnswer({ give }));
    setAnswer(null);
    return yes;
  };

  /** Waits for work to finish, unless the user abandons it first: then nothing is sent, even if the work finishes later. */
  const unlessAbandoned = <Result,>(stage: Stage, work: Promise<Result>): Promise<Result> => {
    const abandoned = ask(stage).then(() => Promise.reject(new Error(UNSIGNED)));
    return Promise.race([work, abandoned]);
  };

  const send = async (action: Action): Promise<Signature> => {
    const { signature, end } = await gate(async () => {
      if (!signer) throw new Error("connect a wallet first");
      try {
        signer.mustBeReady();
        const message = pipe(
          createTransactionMessage({ version: 0 }),
          (empty) => setTransactionMessageFeePayerSigner(signer, empty),
          (paid) => appendTransactionMessageInstructions(action.instructions, paid),
        );
        const effect = await simulate(market, signer.address, compileTransaction(message));
        if (!(await ask({ at: "asking", action, effect }))) throw new Error(UNSIGNED);
        if (action.before) await unlessAbandoned({ at: "preparing", action }, action.before());
        const signing: Stage = { at: "signing", action };
        // Fetched only now, or it could expire while the user reads the dialog.
        const { value: lifetime } = await unlessAbandoned(signing, market.rpc.getLatestBlockhash().send());
        const timed = setTransactionMessageLifetimeUsingBlockhash(lifetime, message);
        const signed = await unlessAbandoned(signing, signTransactionMessageWithSigners(timed));
        const signature = getSignatureFromTransaction(signed);
        const chain = chainOf(market.rpc, signed, lifetime);
        let end: End;
        do {
          setStage({ at: "sent", action, signature });
          end = await confirm(chain);
        } while (end.at === "unknown" && (await ask({ at: "unknown", action, signature })));
        setStage(end.at === "unknown" ? null : { ...end, action, signature });
        return { signature, end };
      } catch (error) {
        const sentence = explain(error);
        setStage({ at: "failed", action, sentence });
        throw new Error(sentence, { cause: error });
      }
    });
    // After the gate: the next action need not wait until the page is refreshed.
    const refreshed = queries.invalidateQueries({ predicate: changes });
    if (end.at === "unknown") throw new UnknownEnd();
    if (end.at === "failed") throw new Error(end.sentence);
    await refreshed;
    return signature;
  };

  const value: Sending = { stage, send, answer: (yes) => answer?.give(yes), close: () => setStage(null) };
  return <Context.Provider value={value}>{children}</Context.Provider>;
}
