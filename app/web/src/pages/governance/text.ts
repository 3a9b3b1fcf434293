// The text that explains a proposal: its SHA-256 is on the chain, the text itself in the blob store under that hash.

import { readSome, sha256 } from "../../lib/bytes";
import { hex } from "../../lib/format";

/** Longest text, in bytes. */
export const MAX_TEXT = 65_536;

/** SHA-256 of a text. */
export const hashOf = (text: string): Promise<Uint8Array> => sha256(new TextEncoder().encode(text));

/** Uploads a text to the blob store. */
export async function publish(store: string, text: string): Promise<void> {
  const answer = await fetch(`${store}/${hex(await hashOf(text))}`, { method: "PUT", body: new TextEncoder().encode(text) }).catch(() => null);
  if (!answer?.ok) throw new Error(`the text cannot be uploaded to the blob store (${answer?.status ?? "unreachable"}); try again in a moment`);
}

/** Downloads a text and verifies it against its hash. */
export async function fetchText(store: string, hash: string): Promise<string> {
  const answer = await fetch(`${store}/${hash}`, { credentials: "omit" }).catch(() => null);
  if (answer?.status === 404) throw new Error("the blob store does not have the text; ask the proposer for it and compare its SHA-256");
  if (!answer?.ok) throw new Error(`the blob store does not respond (${answer?.status ?? "unreachable"}); try again in a moment`);
  const bytes = await readSome(answer, MAX_TEXT);
  // Hash the bytes, not the decoded text, which loses a byte order mark.
  if (hex(await sha256(bytes)) !== hash) throw new Error("the blob store returned a different text than the one that the proposal commits to; it is not shown");
  return new TextDecoder().decode(bytes);
}
