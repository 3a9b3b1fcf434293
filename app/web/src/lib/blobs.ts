// The market's blob store: it keeps a file under the hash of its contents.

/** Timeout for a transfer, in milliseconds: a large blob takes minutes on a slow line. */
const PATIENCE = 300_000;

/** Downloads a blob of at most `most` bytes, which the caller verifies. `absent` is the error if the store does not have it. */
export async function download(store: string, at: string, most: number, absent: string): Promise<Uint8Array<ArrayBuffer>> {
  const answer = await fetch(`${store}/${at}`, { credentials: "omit", signal: AbortSignal.timeout(PATIENCE) }).catch(() => null);
  if (answer?.status === 404) throw new Error(absent);
  if (!answer?.ok) throw new Error(`the blob store does not respond (${answer?.status ?? "unreachable"}); try again in a moment`);
  return readSome(answer, most);
}

/** Uploads a blob; `what` names it in the error. */
export async function upload(store: string, at: string, bytes: Uint8Array<ArrayBuffer>, what: string): Promise<void> {
  const answer = await fetch(`${store}/${at}`, { method: "PUT", body: bytes, signal: AbortSignal.timeout(PATIENCE) }).catch(() => null);
  if (!answer?.ok) throw new Error(`the ${what} cannot be uploaded to the blob store (${answer?.status ?? "unreachable"}); try again in a moment`);
}

/** The body of a response. Fails, and stops reading, if it is longer than `most` bytes. */
async function readSome(answer: Response, most: number): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let length = 0;
  const reader = answer.body?.getReader();
  for (;;) {
    const part = await reader?.read().catch(() => {
      throw new Error("the download from the blob store was interrupted; try again in a moment");
    });
    if (!part || part.done) return new Uint8Array(await new Blob(parts).arrayBuffer());
    length += part.value.length;
    if (length > most) {
      await reader?.cancel();
      throw new Error("the blob is too large to show");
    }
    parts.push(part.value);
  }
}
