/** Decodes base64, in which a node sends accounts. */
export const unbase64 = (text: string): Uint8Array<ArrayBuffer> => Uint8Array.from(atob(text), (char) => char.charCodeAt(0));

/** SHA-256 of bytes. */
export async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  if (!globalThis.crypto?.subtle) throw new Error("browsers compute hashes only on https and localhost; open this page there");
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
}
