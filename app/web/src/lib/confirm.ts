// What becomes of a transaction once it is signed. From then on it may land whatever a node answers, so the chain's word alone ends the wait.

import {
  getBase64EncodedWireTransaction,
  getCompiledTransactionMessageDecoder,
  getSignatureFromTransaction,
  isSolanaError,
  SOLANA_ERROR__JSON_RPC__INVALID_PARAMS,
  SOLANA_ERROR__JSON_RPC__SERVER_ERROR_SEND_TRANSACTION_PREFLIGHT_FAILURE,
  SOLANA_ERROR__JSON_RPC__SERVER_ERROR_TRANSACTION_SIGNATURE_VERIFICATION_FAILURE,
  SOLANA_ERROR__TRANSACTION_ERROR__ALREADY_PROCESSED,
  SOLANA_ERROR__TRANSACTION_ERROR__BLOCKHASH_NOT_FOUND,
  type Rpc,
  type SolanaRpcApi,
  type Transaction,
  type TransactionBlockhashLifetime,
} from "@solana/kit";
import { explainLogs, explainRefusal } from "./errors";

/** Milliseconds between looks at a transaction that is under way; twice as many after each that fails, up to the longest. */
const LOOK = 300;
const LONGEST_LOOK = 5_000;
/** Milliseconds after which its bytes are sent again: a leader may have dropped them. */
const AGAIN = 5_000;
/** Milliseconds after which nobody is kept waiting: a blockhash lasts for about one minute, on a slow chain for two. */
const PATIENCE = 150_000;
/** Blocks that may follow a blockhash with what was signed with it. */
const LIFE = 150n;
/**
 * Blocks after its last one before a transaction counts as expired. A hosted node is many machines, some behind others or on another fork: the
 * one that tells the height may be ahead of the one that does not know the transaction, but not by as much as makes a block final.
 */
const EXPIRY_MARGIN = 32n;

/** What became of a signed transaction. */
export type End =
  | { at: "done" }
  /** It changed nothing but perhaps its fee, and never will. */
  | { at: "failed"; sentence: string }
  /** Nobody says. It may still land. */
  | { at: "unknown" };

/** The end of a transaction whose blockhash expired before it landed. */
export const EXPIRED: End = { at: "failed", sentence: "the transaction came too late and changed nothing; send it again" };

/** The chain, as far as one transaction is concerned. Each question may fail, which says nothing about the transaction. */
export interface Chain {
  /** Sends the signed bytes; returns why they are refused for good, or `null`. */
  send: () => Promise<string | null>;
  /** What a node knows of the transaction at a slot: how it ended, that it is on its way, or nothing. */
  look: () => Promise<{ slot: bigint; found: End | "on its way" | null }>;
  /** A slot by which its blockhash had surely expired; `null` while it may not have. */
  expired: () => Promise<bigint | null>;
}

/** What tells the time, in milliseconds. */
export interface Clock {
  now: () => number;
  wait: (time: number) => Promise<void>;
}

const CLOCK: Clock = { now: () => Date.now(), wait: (time) => new Promise((resolve) => setTimeout(resolve, time)) };

/** Sends a signed transaction and waits until the chain has confirmed it, or cannot any more. */
export async function confirm(chain: Chain, clock: Clock = CLOCK): Promise<End> {
  const giveUp = clock.now() + PATIENCE;
  let sendAt = clock.now();
  let pause = LOOK;
  let expired: bigint | null = null;
  for (;;) {
    try {
      if (expired === null && clock.now() >= sendAt) {
        // From the answer on: a node that is slow to refuse must not keep anybody from looking.
        const sentence = await chain.send().finally(() => (sendAt = clock.now() + AGAIN));
        if (sentence !== null) return { at: "failed", sentence };
      }
      const { slot, found } = await chain.look();
      if (found !== null && found !== "on its way") return found;
      if (found === null) {
        // It may have landed between a look and the end of its blockhash, so only a look that is as new as that end settles it.
        if (expired !== null && slot >= expired) return EXPIRED;
        expired ??= await chain.expired();
      }
      pause = LOOK;
    } catch {
      pause = Math.min(2 * pause, LONGEST_LOOK);
    }
    if (clock.now() >= giveUp) return { at: "unknown" };
    await clock.wait(pause);
  }
}

/** The transaction on its chain, with the blockhash that the wallet was given for it. */
export function chainOf(rpc: Rpc<SolanaRpcApi>, signed: Transaction, given: TransactionBlockhashLifetime): Chain {
  const signature = getSignatureFromTransaction(signed);
  const wire = getBase64EncodedWireTransaction(signed);
  // The wallet may have put in another one, which lives no longer than one of now does.
  const isGiven = getCompiledTransactionMessageDecoder().decode(signed.messageBytes).lifetimeToken === given.blockhash;
  let last = isGiven ? given.lastValidBlockHeight : undefined;
  let sent = false;
  return {
    send: async () => {
      // Sent again it is not tried first: what has landed would be refused for that.
      const skipPreflight = sent;
      sent = true;
      try {
        await rpc.sendTransaction(wire, { encoding: "base64", skipPreflight }).send();
        return null;
      } catch (error) {
        const sentence = skipPreflight ? null : refusal(error);
        if (sentence === null) throw error;
        return sentence;
      }
    },
    look: async () => {
      const { context, value } = await rpc.getSignatureStatuses([signature], { searchTransactionHistory: true }).send();
      const [status] = value;
      const { slot } = context;
      if (!status) return { slot, found: null };
      // What is not confirmed yet may be on a fork that nobody goes on with.
      if (status.confirmationStatus !== "confirmed" && status.confirmationStatus !== "finalized") return { slot, found: "on its way" };
      if (!status.err) return { slot, found: { at: "done" } };
      // Its logs say why. That it failed is known without them.
      const landed = await rpc.getTransaction(signature, { encoding: "base64", maxSupportedTransactionVersion: 0 }).send().catch(() => null);
      const sentence = explainLogs(landed?.meta?.logMessages) ?? explainRefusal(status.err);
      return { slot, found: { at: "failed", sentence } };
    },
    expired: async () => {
      const { absoluteSlot, blockHeight } = await rpc.getEpochInfo({ commitment: "confirmed" }).send();
      last ??= blockHeight + LIFE;
      return blockHeight > last + EXPIRY_MARGIN ? absoluteSlot : null;
    },
  };
}

/** Why a node does not take a transaction and never will; `null` when another try may find it taken. */
function refusal(error: unknown): string | null {
  if (isSolanaError(error, SOLANA_ERROR__JSON_RPC__SERVER_ERROR_SEND_TRANSACTION_PREFLIGHT_FAILURE)) {
    const { cause } = error;
    // The node is behind, or the transaction has landed already.
    if (isSolanaError(cause, SOLANA_ERROR__TRANSACTION_ERROR__BLOCKHASH_NOT_FOUND) || isSolanaError(cause, SOLANA_ERROR__TRANSACTION_ERROR__ALREADY_PROCESSED)) return null;
    return explainLogs(error.context.logs) ?? `the chain refused it: ${cause instanceof Error ? cause.message : error.message}`;
  }
  const isMalformed =
    isSolanaError(error, SOLANA_ERROR__JSON_RPC__INVALID_PARAMS) || isSolanaError(error, SOLANA_ERROR__JSON_RPC__SERVER_ERROR_TRANSACTION_SIGNATURE_VERIFICATION_FAILURE);
  return isMalformed ? `the chain's node refused it: ${error.message}` : null;
}

/** Nobody can tell yet whether a transaction lands. */
export class UnknownEnd extends Error {
  constructor() {
    super("it is not known what became of the transaction; it may still land, so look at it before you send it again");
  }
}
