/** Decodes base64, in which a node sends accounts. */
export const unbase64 = (text: string): Uint8Array<ArrayBuffer> => Uint8Array.from(atob(text), (char) => char.charCodeAt(0));

/** SHA-256 of bytes. */
export async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  if (!globalThis.crypto?.subtle) throw new Error("browsers compute hashes only on https and localhost; open this page there");
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
}

/** The body of a blob store response. Fails, and stops reading, if it is longer than `most` bytes. */
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
      throw new Error("the blob is too large to show");
    }
    parts.push(part.value);
  }
  const bytes = new Uint8Array(length);
  parts.reduce((offset, part) => (bytes.set(part, offset), offset + part.length), 0);
  return bytes;
}
