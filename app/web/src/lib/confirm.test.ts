import {
  appendTransactionMessageInstructions,
  compileTransaction,
  createTransactionMessage,
  pipe,
  setTransactionMessageFeePayer,
  setTransactionMessageLifetimeUsingBlockhash,
  SolanaError,
  SOLANA_ERROR__JSON_RPC__SERVER_ERROR_SEND_TRANSACTION_PREFLIGHT_FAILURE,
  SOLANA_ERROR__TRANSACTION_ERROR__BLOCKHASH_NOT_FOUND,
  type Address,
  type Blockhash,
  type Rpc,
  type SignatureBytes,
  type SolanaRpcApi,
  type Transaction,
} from "@solana/kit";
import { expect, test, vi } from "vitest";
import { chainOf, confirm, EXPIRED, type Chain, type Clock } from "./confirm";
import { nodeAt } from "./node";

/** A clock that advances when a wait is requested. */
function clock(): Clock & { waits: number[] } {
  const waits: number[] = [];
  return { waits, now: () => waits.reduce((sum, time) => sum + time, 0), wait: async (time) => void waits.push(time) };
}

type Look = Awaited<ReturnType<Chain["look"]>>["found"] | Error;

/** A chain that answers status queries in turn, repeating the last; each takes a slot. The blockhash expires at slot `expiry`. */
function chain(looks: Look[], expiry = Number.POSITIVE_INFINITY) {
  let slot = 0;
  const sends: number[] = [];
  const of: Chain = {
    send: async () => (sends.push(slot), null),
    look: async () => {
      const found = looks[Math.min(slot, looks.length - 1)] ?? null;
      slot += 1;
      if (found instanceof Error) throw found;
      return { slot: BigInt(slot), found };
    },
    expired: async () => (slot >= expiry ? BigInt(slot) : null),
  };
  return { ...of, sends };
}

const BUSY = new Error("429");
const DONE = { at: "done" } as const;

test("a transaction that landed just before its blockhash expired is done", async () => {
  expect(await confirm(chain([null, null, DONE], 2), clock())).toEqual(DONE);
});

test("a transaction that was never seen has expired once a query is newer than its blockhash's expiry", async () => {
  expect(await confirm(chain([null], 2), clock())).toEqual(EXPIRED);
  // A query to a node that is behind is no proof.
  const stale: Chain = { ...chain([]), look: async () => ({ slot: 6n, found: null }), expired: async () => 7n };
  expect(await confirm(stale, clock())).toEqual({ at: "unknown" });
});

test("a node that refuses to answer is asked again with growing pauses, and decides nothing about the transaction", async () => {
  const time = clock();
  expect(await confirm(chain([BUSY, BUSY, null, DONE]), time)).toEqual(DONE);
  expect(time.waits).toEqual([600, 1_200, 300]);
});

test("without any answer the outcome is unknown, not failed", async () => {
  const time = clock();
  expect(await confirm(chain([BUSY]), time)).toEqual({ at: "unknown" });
  expect(time.now()).toBeGreaterThan(120_000);
  expect(Math.max(...time.waits)).toBe(5_000);
  expect(await confirm({ ...chain([null]), expired: () => Promise.reject(BUSY) }, clock())).toEqual({ at: "unknown" });
});

test("a transaction on a fork is neither done nor expired", async () => {
  expect(await confirm(chain(["on its way", "on its way", DONE], 1), clock())).toEqual(DONE);
});

test("a node that is slow to refuse does not delay the status queries", async () => {
  const time = clock();
  const send = async () => {
    await time.wait(20_000);
    throw BUSY;
  };
  expect(await confirm({ ...chain([DONE]), send }, time)).toEqual(DONE);
});

test("the transaction is sent again from time to time until it has expired", async () => {
  const lost = chain([...Array<null>(40).fill(null), DONE]);
  expect(await confirm(lost, clock())).toEqual(DONE);
  expect(lost.sends).toEqual([0, 17, 34]);
  const late = chain([null], 1);
  await confirm(late, clock());
  expect(late.sends).toEqual([0]);
});

test("a refusal ends the wait", async () => {
  expect(await confirm({ ...chain([null]), send: async () => "it does not fit" }, clock())).toEqual({ at: "failed", sentence: "it does not fit" });
  expect(await confirm(chain([null, { at: "failed", sentence: "too late" }]), clock())).toEqual({ at: "failed", sentence: "too late" });
});

const GIVEN = { blockhash: "CktRuQ2mttgRGkXJtyksdKHjUdc2C4TgDzyB98oEzy8" as Blockhash, lastValidBlockHeight: 9n };
const ANOTHER = "4uQeVj5tqViQh7yWWGStvkEG1Zmhx6uasJtWCJziofM" as Blockhash;
const PAYER = "8opHzTAnfzRpPEx21XtnrVTX28YQuCpAjcn1PczScKh" as Address;

/** A transaction signed by a wallet. */
function signed(blockhash = GIVEN.blockhash): Transaction {
  const message = pipe(
    createTransactionMessage({ version: 0 }),
    (empty) => setTransactionMessageFeePayer(PAYER, empty),
    (payed) => setTransactionMessageLifetimeUsingBlockhash({ ...GIVEN, blockhash }, payed),
    (timed) => appendTransactionMessageInstructions([], timed),
  );
  return { ...compileTransaction(message), signatures: { [PAYER]: new Uint8Array(64).fill(1) as SignatureBytes } };
}

/** A node whose methods return or throw the given values, and record their calls. */
function node(answers: Record<string, unknown>) {
  const asked: [method: string, ...parameters: unknown[]][] = [];
  const rpc = new Proxy({}, {
    get: (_, method: string) => (...parameters: unknown[]) => ({
      send: async () => {
        asked.push([method, ...parameters]);
        const answer = answers[method];
        if (answer instanceof Error) throw answer;
        return answer;
      },
    }),
  }) as Rpc<SolanaRpcApi>;
  return { rpc, asked };
}

test("a blockhash has expired once the chain is well past its last block, not when a node does not know it", async () => {
  const height = { absoluteSlot: 50n, blockHeight: 3n };
  const { rpc, asked } = node({ getEpochInfo: height });
  const chain = chainOf(rpc, signed(), GIVEN);
  for (const [blockHeight, expired] of [[3n, null], [10n, null], [41n, null], [42n, 50n]] as const) {
    Object.assign(height, { blockHeight });
    expect(await chain.expired(), `at height ${blockHeight}`).toBe(expired);
  }
  expect(asked[0]).toEqual(["getEpochInfo", { commitment: "confirmed" }]);
});

test("a blockhash that the wallet put in is valid for as long as one fetched when it signed", async () => {
  const height = { absoluteSlot: 50n, blockHeight: 100n };
  const chain = chainOf(node({ getEpochInfo: height }).rpc, signed(ANOTHER), GIVEN);
  expect(await chain.expired()).toBeNull();
  height.blockHeight = 100n + 150n + 32n;
  expect(await chain.expired()).toBeNull();
  height.blockHeight += 1n;
  expect(await chain.expired()).toBe(50n);
});

test("sending to a node that never answers ends as unknown, after a limited time", async () => {
  vi.stubGlobal("fetch", () => new Promise(() => {}));
  expect(await confirm(chainOf(nodeAt("http://silent.test", 1), signed(), GIVEN), clock())).toEqual({ at: "unknown" });
  vi.unstubAllGlobals();
});

test("only a confirmed transaction has ended", async () => {
  const look = async (status: unknown) => {
    const { rpc } = node({ getSignatureStatuses: { context: { slot: 7n }, value: [status] }, getTransaction: new Error("429") });
    return (await chainOf(rpc, signed(), GIVEN).look()).found;
  };
  expect(await look(null)).toBeNull();
  expect(await look({ err: { AccountNotFound: 1n }, confirmationStatus: "processed" })).toBe("on its way");
  expect(await look({ err: null, confirmationStatus: "confirmed" })).toEqual(DONE);
  // It counts as failed even without its logs.
  expect(await look({ err: { Odd: 1n }, confirmationStatus: "finalized" })).toEqual({ at: "failed", sentence: 'the chain rejected the transaction: {"Odd":"1"}' });
});

test("a rejected transaction is told from a request that the node refuses", async () => {
  const preflight = (context: object, cause?: Error) =>
    new SolanaError(SOLANA_ERROR__JSON_RPC__SERVER_ERROR_SEND_TRANSACTION_PREFLIGHT_FAILURE, { ...context, cause } as never);
  const refused = node({ sendTransaction: preflight({ logs: ["Program abc failed: out of luck"] }) });
  const chain = chainOf(refused.rpc, signed(), GIVEN);
  expect(await chain.send()).toContain("out of luck");
  // The first attempt may have been sent, so a rejection is no longer final.
  await expect(chain.send()).rejects.toThrow();
  expect(refused.asked.map(([, , options]) => (options as { skipPreflight: boolean }).skipPreflight)).toEqual([false, true]);
  const behind = preflight({ logs: [] }, new SolanaError(SOLANA_ERROR__TRANSACTION_ERROR__BLOCKHASH_NOT_FOUND));
  for (const error of [new Error("429"), behind]) {
    await expect(chainOf(node({ sendTransaction: error }).rpc, signed(), GIVEN).send()).rejects.toThrow();
  }
});
