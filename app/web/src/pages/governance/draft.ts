// What this browser remembers of a proposal while it is written: the chain has it only in part until its vote is open.

import { address, getBase64Decoder, getBase64Encoder, type Address } from "@solana/kit";
import { GOVERNANCE_PROGRAM_ADDRESS } from "../../generated/governance";
import { keep, kept, mustKeep, namesKept } from "../../lib/store";

/** A proposal that is being written. */
export interface Draft {
  /** Its address, and its proposer's own number for it. */
  address: Address;
  id: bigint;
  title: string;
  text: string;
  /** Its instructions, as they are kept on the chain. */
  instructions: Uint8Array[];
}

const START = `ionet.proposal.${GOVERNANCE_PROGRAM_ADDRESS}.`;
const name = (proposal: string) => `${START}${proposal}`;

/** Remembers a draft; fails where the browser keeps nothing, for what was begun could not be gone on with. */
export function remember({ id, instructions, ...rest }: Draft): void {
  const encoded = instructions.map((bytes) => getBase64Decoder().decode(bytes));
  mustKeep(name(rest.address), JSON.stringify({ ...rest, id: id.toString(), instructions: encoded }));
}

/** Forgets a draft: its vote is open, or it was taken back. */
export const forget = (proposal: string): void => void keep(name(proposal), null);

/** The draft of a proposal; `null` when another browser has it. */
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

/** All drafts that this browser remembers. */
export const recallAll = (): Draft[] => namesKept(START).flatMap((proposal) => recall(proposal) ?? []);
