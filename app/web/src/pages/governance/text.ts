// The text that explains a proposal: its SHA-256 is on the chain, the text itself in the blob store below it.

import { readSome, sha256 } from "../../lib/bytes";
import { hex } from "../../lib/format";

/** Most bytes of a text. */
export const MAX_TEXT = 65_536;

/** SHA-256 of a text. */
export const hashOf = (text: string): Promise<Uint8Array> => sha256(new TextEncoder().encode(text));

/** Puts a text where voters find it. */
export async function publish(store: string, text: string): Promise<void> {
  const answer = await fetch(`${store}/${hex(await hashOf(text))}`, { method: "PUT", body: new TextEncoder().encode(text) }).catch(() => null);
  if (!answer?.ok) throw new Error(`the blob store does not take the text (${answer?.status ?? "it cannot be reached"}); try again in a moment`);
}

/** The text with this hash, checked against it. */
export async function fetchText(store: string, hash: string): Promise<string> {
  const answer = await fetch(`${store}/${hash}`, { credentials: "omit" }).catch(() => null);
  if (answer?.status === 404) throw new Error("the blob store does not have the text; ask its proposer for it, and compare its SHA-256");
  if (!answer?.ok) throw new Error(`the blob store does not answer (${answer?.status ?? "it cannot be reached"}); try again in a moment`);
  const bytes = await readSome(answer, MAX_TEXT);
  // The bytes, not the text in them: decoding loses a byte-order mark.
  if (hex(await sha256(bytes)) !== hash) throw new Error("what the blob store has is not the text that the proposal is about; it is not shown");
  return new TextDecoder().decode(bytes);
}
