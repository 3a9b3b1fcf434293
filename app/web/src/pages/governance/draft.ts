// Drafts of proposals, stored in this browser: until the vote opens, the chain has only part of a proposal.

import { address, getBase64Decoder, getBase64Encoder, type Address } from "@solana/kit";
import { GOVERNANCE_PROGRAM_ADDRESS } from "../../generated/governance";
import { keep, kept, mustKeep, namesKept } from "../../lib/store";

/** A draft of a proposal. */
export interface Draft {
  /** Its address and the proposer's id for it. */
  address: Address;
  id: bigint;
  title: string;
  text: string;
  /** Its instructions, encoded as on the chain. */
  instructions: Uint8Array[];
}

const START = `ionet.proposal.${GOVERNANCE_PROGRAM_ADDRESS}.`;
const name = (proposal: string) => `${START}${proposal}`;

/** Stores a draft. Fails if the browser stores nothing: a draft that was started could not be continued. */
export function remember({ id, instructions, ...rest }: Draft): void {
  const encoded = instructions.map((bytes) => getBase64Decoder().decode(bytes));
  mustKeep(name(rest.address), JSON.stringify({ ...rest, id: id.toString(), instructions: encoded }));
}

/** Removes a draft, once its vote is open or it was cancelled. */
export const forget = (proposal: string): void => void keep(name(proposal), null);

/** The draft of a proposal; `null` if it is not in this browser. */
export function recall(proposal: string): Draft | null {
  try {
    const held = JSON.parse(kept(name(proposal)) ?? "null") as Record<string, unknown> | null;
    if (!held || typeof held["title"] !== "string" || typeof held["text"] !== "string" || !Array.isArray(held["instructions"])) return null;
    const instructions = held["instructions"].map((text) => new Uint8Array(getBase64Encoder().encode(String(text))));
    return { address: address(proposal), id: BigInt(String(held["id"])), title: held["title"], text: held["text"], instructions };
  } catch {
    return null;
  }
}

/** All drafts in this browser. */
export const recallAll = (): Draft[] => namesKept(START).flatMap((proposal) => recall(proposal) ?? []);
