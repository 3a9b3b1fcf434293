// The market's blob store, which keeps a file under the hash of its contents; and downloads in general.

/** Seconds of silence after which a download is given up. */
const SILENCE = 60;

/** Why a request has no usable answer, for the sentence about it. */
export type Why = number | "unreachable" | "timed out" | "interrupted";

/** Downloads a file of at most `most` bytes, however long that takes while it goes on. `failed` is what to say if it cannot be had. */
export async function load(url: string, most: number, failed: (why: Why) => string): Promise<Uint8Array<ArrayBuffer>> {
  const silence = new AbortController();
  const { signal } = silence;
  let seconds = 0;
  // The seconds are counted, because a thread that computes meanwhile hears nothing.
  const clock = setInterval(() => ++seconds < SILENCE || silence.abort(), 1000);
  const fail = (why: Why) => {
    throw new Error(failed(signal.aborted ? "timed out" : why));
  };
  try {
    const answer = await fetch(url, { signal }).catch(() => fail("unreachable"));
    if (!answer.ok) return fail(answer.status);
    const parts: Uint8Array<ArrayBuffer>[] = [];
    let length = 0;
    const reader = answer.body?.getReader();
    for (;;) {
      seconds = 0;
      const part = await reader?.read().catch(() => fail("interrupted"));
      if (!part || part.done) return new Uint8Array(await new Blob(parts).arrayBuffer());
      length += part.value.length;
      if (length > most) {
        await reader?.cancel();
        throw new Error("the blob is too large to show");
      }
      parts.push(part.value);
    }
  } finally {
    clearInterval(clock);
  }
}

/** Downloads a blob of at most `most` bytes, which the caller verifies. `absent` is the error if the store does not have it. */
export const download = (store: string, at: string, most: number, absent: string): Promise<Uint8Array<ArrayBuffer>> =>
  load(`${store}/${at}`, most, (why) => (why === 404 ? absent : `the download from the blob store failed (${why}); try again in a moment`));

/** Least time limit of an upload, in milliseconds. It grows with the size, so that a line of 16 kB/s will do. */
const PATIENCE = 300_000;

/** Uploads a blob; `what` names it in the error. */
export async function upload(store: string, at: string, bytes: Uint8Array<ArrayBuffer>, what: string): Promise<void> {
  const signal = AbortSignal.timeout(PATIENCE + Math.ceil(bytes.length / 16));
  const answer = await fetch(`${store}/${at}`, { method: "PUT", body: bytes, signal }).catch(() => null);
  const why = answer?.status ?? (signal.aborted ? "timed out" : "unreachable");
  if (!answer?.ok) throw new Error(`the ${what} cannot be uploaded to the blob store (${why}); try again in a moment`);
}
