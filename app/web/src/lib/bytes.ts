/** SHA-256 of bytes. */
export async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  if (!globalThis.crypto?.subtle) throw new Error("this browser computes hashes on https and localhost only; open the page there");
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
}

/** The bytes of an answer of the blob store. Of one that is longer than `most` no more is read: it fails with a sentence. */
export async function readSome(answer: Response, most: number): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array[] = [];
  let length = 0;
  const reader = answer.body?.getReader();
  for (;;) {
    const part = await reader?.read();
    if (!part || part.done) break;
    length += part.value.length;
    if (length > most) {
      await reader?.cancel();
      throw new Error("what the blob store has is too long; it is not shown");
    }
    parts.push(part.value);
  }
  const bytes = new Uint8Array(length);
  parts.reduce((offset, part) => (bytes.set(part, offset), offset + part.length), 0);
  return bytes;
}
