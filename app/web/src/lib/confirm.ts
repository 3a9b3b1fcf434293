// Confirming a signed transaction. It may land whatever a node answers, so only the chain's status ends the wait.

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

/** Milliseconds between status queries; doubled after each failed query, up to the longest. */
const LOOK = 300;
const LONGEST_LOOK = 5_000;
/** Milliseconds after which the transaction is sent again: a leader may have dropped it. */
const AGAIN = 5_000;
/** Milliseconds after which waiting ends without a result: a blockhash lasts about a minute, on a slow chain two. */
const PATIENCE = 150_000;
/** Blocks for which a blockhash is valid. */
const LIFE = 150n;
/**
 * Blocks past its last valid one before a transaction counts as expired. A hosted node is many machines, some behind others or on another
 * fork: the one that reports the height may be ahead of the one that does not know the transaction, but not by as many blocks as make a
 * block final.
 */
const EXPIRY_MARGIN = 32n;

/** Outcome of a signed transaction. */
export type End =
  | { at: "done" }
  /** It changed nothing, except that its fee may have been charged, and it never will. */
  | { at: "failed"; sentence: string }
  /** No node reports an outcome. It may still land. */
  | { at: "unknown" };

/** Outcome of a transaction whose blockhash expired before it landed. */
export const EXPIRED: End = { at: "failed", sentence: "the transaction expired before it landed and changed nothing; send it again" };

/** What is asked about one transaction. Each query may fail, which says nothing about the transaction. */
export interface Chain {
  /** Sends the signed transaction; returns why it can never be accepted, or `null`. */
  send: () => Promise<string | null>;
  /** What a node knows of the transaction at a slot: its outcome, that it is on its way, or nothing. */
  look: () => Promise<{ slot: bigint; found: End | "on its way" | null }>;
  /** A slot by which its blockhash had certainly expired; `null` if it may still be valid. */
  expired: () => Promise<bigint | null>;
}

/** A clock in milliseconds, replaced in tests. */
export interface Clock {
  now: () => number;
  wait: (time: number) => Promise<void>;
}

const CLOCK: Clock = { now: () => Date.now(), wait: (time) => new Promise((resolve) => setTimeout(resolve, time)) };

/** Sends a signed transaction and waits until the chain has confirmed it or no longer can. */
export async function confirm(chain: Chain, clock: Clock = CLOCK): Promise<End> {
  const giveUp = clock.now() + PATIENCE;
  let sendAt = clock.now();
  let pause = LOOK;
  let expired: bigint | null = null;
  for (;;) {
    try {
      if (expired === null && clock.now() >= sendAt) {
        // Counted from the response: a node that is slow to respond must not delay the status queries.
        const sentence = await chain.send().finally(() => (sendAt = clock.now() + AGAIN));
        if (sentence !== null) return { at: "failed", sentence };
      }
      const { slot, found } = await chain.look();
      if (found !== null && found !== "on its way") return found;
      if (found === null) {
        // It may have landed after the last query but before its blockhash expired; only a query made after the expiry is proof.
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

/** The queries about a signed transaction. `given` is the blockhash that the wallet was asked to sign with. */
export function chainOf(rpc: Rpc<SolanaRpcApi>, signed: Transaction, given: TransactionBlockhashLifetime): Chain {
  const signature = getSignatureFromTransaction(signed);
  const wire = getBase64EncodedWireTransaction(signed);
  // The wallet may have replaced the blockhash; its own expires no later than one fetched now.
  const isGiven = getCompiledTransactionMessageDecoder().decode(signed.messageBytes).lifetimeToken === given.blockhash;
  let last = isGiven ? given.lastValidBlockHeight : undefined;
  let sent = false;
  return {
    send: async () => {
      // No preflight when sending again: it would fail for a transaction that has already landed.
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
      // A transaction that is only processed may be on a fork that gets abandoned.
      if (status.confirmationStatus !== "confirmed" && status.confirmationStatus !== "finalized") return { slot, found: "on its way" };
      if (!status.err) return { slot, found: { at: "done" } };
      // The logs say why it failed; that it failed is known without them.
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

/** Why a node can never accept a transaction; `null` if another attempt may succeed. */
function refusal(error: unknown): string | null {
  if (isSolanaError(error, SOLANA_ERROR__JSON_RPC__SERVER_ERROR_SEND_TRANSACTION_PREFLIGHT_FAILURE)) {
    const { cause } = error;
    // The node is behind, or the transaction has already landed.
    if (isSolanaError(cause, SOLANA_ERROR__TRANSACTION_ERROR__BLOCKHASH_NOT_FOUND) || isSolanaError(cause, SOLANA_ERROR__TRANSACTION_ERROR__ALREADY_PROCESSED)) return null;
    return explainLogs(error.context.logs) ?? `the chain refused it: ${cause instanceof Error ? cause.message : error.message}`;
  }
  const isMalformed =
    isSolanaError(error, SOLANA_ERROR__JSON_RPC__INVALID_PARAMS) || isSolanaError(error, SOLANA_ERROR__JSON_RPC__SERVER_ERROR_TRANSACTION_SIGNATURE_VERIFICATION_FAILURE);
  return isMalformed ? `the chain's node refused it: ${error.message}` : null;
}

/** It is not known yet whether a transaction landed. */
export class UnknownEnd extends Error {
  constructor() {
    super("the transaction's outcome is unknown; it may still land, so check before you send it again");
  }
}
