// The text that explains a proposal: its SHA-256 is on the chain, the text itself in the blob store under that hash.

import { download, upload } from "../../lib/blobs";
import { sha256 } from "../../lib/bytes";
import { hex } from "../../lib/format";

/** Longest text, in bytes. */
export const MAX_TEXT = 65_536;

/** SHA-256 of a text. */
export const hashOf = (text: string): Promise<Uint8Array> => sha256(new TextEncoder().encode(text));

/** Uploads a text to the blob store. */
export const publish = async (store: string, text: string): Promise<void> =>
  upload(store, hex(await hashOf(text)), new TextEncoder().encode(text), "text");

/** Downloads a text and verifies it against its hash. */
export async function fetchText(store: string, hash: string): Promise<string> {
  const bytes = await download(store, hash, MAX_TEXT, "the blob store does not have the text; ask the proposer for it and compare its SHA-256");
  // Hash the bytes, not the decoded text, which loses a byte order mark.
  if (hex(await sha256(bytes)) !== hash) throw new Error("the blob store returned a different text than the one that the proposal commits to; it is not shown");
  return new TextDecoder().decode(bytes);
}
