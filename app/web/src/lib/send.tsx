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
import { chainOf, confirm, UnknownEnd, type End } from "./confirm";
import { explain, explainLogs, explainRefusal, UNSIGNED } from "./errors";
import { io } from "./format";
import { oneAtATime } from "./gate";
import { useMarket, type Market } from "./market";
import { changes } from "./refresh";
import { useWallet } from "./wallet";

const TOKEN_PROGRAM = address("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA");
const ASSOCIATED = address("ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL");

/** Something to be done on the chain. */
export interface Deed {
  /** What it does, as a command: "stake 300 $IO". */
  title: string;
  /** What happens on the chain, in order. */
  instructions: readonly Instruction[];
  /** What has to be done first, after the yes and before anything is signed. */
  before?: () => Promise<void>;
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
  | { at: "preparing"; deed: Deed }
  | { at: "signing"; deed: Deed }
  | { at: "sent"; deed: Deed; signature: Signature }
  | { at: "done"; deed: Deed; signature: Signature }
  | { at: "unknown"; deed: Deed; signature: Signature }
  | { at: "failed"; deed: Deed; sentence: string; signature?: Signature };

interface Sending {
  stage: Stage | null;
  /** Whether to go on: to sign, or to look again at what is unknown. A no gives up what is not signed yet. */
  answer: (yes: boolean) => void;
  close: () => void;
  /** Sends a deed. Throws [`UnknownEnd`] when it may still land, [`Busy`] while another is on, anything else when nothing happened. */
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

/**
 * Fails with a sentence when a wallet does not hold an amount of $IO; programs say it less plainly. It asks the chain: the page does not hear
 * of money that comes from outside the market.
 */
export async function mustCover(market: Market, owner: Address, amount: bigint): Promise<void> {
  const { io: held } = await balances(market, owner);
  if (held < amount) throw new Error(`the wallet holds ${io(held)} and this takes ${io(amount)}; get more first`);
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
    // Some nodes say nothing of an account that the transaction does not name.
    io: account ? tokensIn(bytes(account.data[0])) - before.io : 0n,
    lamports: (wallet?.lamports ?? before.lamports) - before.lamports,
    computeUnits: value.unitsConsumed ?? 0n,
  };
}

/** Lets everything below it send deeds. */
export function SendingProvider({ children }: { children: ReactNode }) {
  const market = useMarket();
  const { signer } = useWallet();
  const queries = useQueryClient();
  const [stage, setStage] = useState<Stage | null>(null);
  const [answer, setAnswer] = useState<{ give: (yes: boolean) => void } | null>(null);
  const [gate] = useState(oneAtATime);

  const ask = useCallback(async (question: Stage): Promise<boolean> => {
    setStage(question);
    const yes = await new Promise<boolean>((give) => setAnswer({ give }));
    setAnswer(null);
    return yes;
  }, []);

  /** Waits for what a stage is about, unless it is given up first: then nothing is sent, whatever comes of it later. */
  const unlessGivenUp = useCallback(
    <Result,>(stage: Stage, work: Promise<Result>): Promise<Result> => {
      const givenUp = ask(stage).then(() => Promise.reject(new Error(UNSIGNED)));
      return Promise.race([work, givenUp]);
    },
    [ask],
  );

  const send = useCallback(
    async (deed: Deed): Promise<Signature> => {
      const { signature, end } = await gate(async () => {
        if (!signer) throw new Error("connect a wallet first");
        try {
          const message = pipe(
            createTransactionMessage({ version: 0 }),
            (empty) => setTransactionMessageFeePayerSigner(signer, empty),
            (payed) => appendTransactionMessageInstructions(deed.instructions, payed),
          );
          const effect = await simulate(market, signer.address, compileTransaction(message));
          if (!(await ask({ at: "asking", deed, effect }))) throw new Error(UNSIGNED);
          if (deed.before) await unlessGivenUp({ at: "preparing", deed }, deed.before());
          const signing: Stage = { at: "signing", deed };
          // Taken now: one from before the question would expire with whoever reads for long.
          const { value: lifetime } = await unlessGivenUp(signing, market.rpc.getLatestBlockhash().send());
          const timed = setTransactionMessageLifetimeUsingBlockhash(lifetime, message);
          const signed = await unlessGivenUp(signing, signTransactionMessageWithSigners(timed));
          const signature = getSignatureFromTransaction(signed);
          const chain = chainOf(market.rpc, signed, lifetime);
          let end: End;
          do {
            setStage({ at: "sent", deed, signature });
            end = await confirm(chain);
          } while (end.at === "unknown" && (await ask({ at: "unknown", deed, signature })));
          setStage(end.at === "unknown" ? null : { ...end, deed, signature });
          return { signature, end };
        } catch (error) {
          const sentence = explain(error);
          setStage({ at: "failed", deed, sentence });
          throw new Error(sentence, { cause: error });
        }
      });
      // Outside of the gate: an answer that the page waits for keeps nobody from the next deed.
      const refreshed = queries.invalidateQueries({ predicate: changes });
      if (end.at === "unknown") throw new UnknownEnd();
      if (end.at === "failed") throw new Error(end.sentence);
      await refreshed;
      return signature;
    },
    [market, signer, queries, gate, ask, unlessGivenUp],
  );

  const value: Sending = {
    stage,
    send,
    answer: (yes) => answer?.give(yes),
    close: () => setStage(null),
  };
  return <Context.Provider value={value}>{children}</Context.Provider>;
}

