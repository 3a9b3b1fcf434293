import { afterEach, expect, test, vi } from "vitest";
import { download, upload } from "./blobs";

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

test("reading a blob stops once it is too long", async () => {
  let sent = 0;
  const long = new ReadableStream({
    pull: (stream) => (sent < 100 ? (sent++, stream.enqueue(new Uint8Array(10))) : stream.close()),
  });
  vi.stubGlobal("fetch", async () => new Response(long));
  await expect(download("s", "a", 25, "absent")).rejects.toThrow("too large");
  expect(sent).toBeLessThan(10);
  vi.stubGlobal("fetch", async () => new Response("exactly"));
  expect(await download("s", "a", 7, "absent")).toEqual(new TextEncoder().encode("exactly"));
});

/** A server that sends a byte every so many seconds, and listens to the signal. */
const every = (seconds: number, bytes: number) => async (_: string, options?: RequestInit) => {
  const body = new ReadableStream({
    async pull(stream) {
      await new Promise((resolve, reject) => {
        setTimeout(resolve, seconds * 1000);
        options?.signal?.addEventListener("abort", () => reject(options.signal?.reason));
      });
      if (bytes-- > 0) stream.enqueue(new Uint8Array(1));
      else stream.close();
    },
  });
  return new Response(body);
};

test("a download takes as long as it goes on, and is given up once nothing comes", async () => {
  vi.useFakeTimers();
  vi.stubGlobal("fetch", every(50, 9));
  const slow = download("s", "a", 9, "absent");
  await vi.advanceTimersByTimeAsync(10 * 50_000);
  expect(await slow).toHaveLength(9);
  vi.stubGlobal("fetch", every(3600, 1));
  const silent = expect(download("s", "a", 1, "absent")).rejects.toThrow("the download from the blob store failed (timed out)");
  await vi.advanceTimersByTimeAsync(60_000);
  await silent;
  expect(vi.getTimerCount(), "the timers of the servers").toBe(1);
});

test("the time limit of an upload grows with its size", async () => {
  const limit = vi.spyOn(AbortSignal, "timeout").mockReturnValue(AbortSignal.abort());
  vi.stubGlobal("fetch", async (_: string, options?: RequestInit) => options?.signal?.throwIfAborted());
  await expect(upload("s", "a", new Uint8Array(16_001), "text")).rejects.toThrow("the text cannot be uploaded to the blob store (timed out)");
  expect(limit).toHaveBeenCalledWith(301_001);
});

test("what is wrong with a store is said", async () => {
  const fails = (answer: () => Promise<Response>) => {
    vi.stubGlobal("fetch", answer);
    return [download("s", "a", 1, "absent"), upload("s", "a", new Uint8Array(1), "text")].map((attempt) => attempt.then(() => "", ({ message }: Error) => message));
  };
  const [from, to] = ["the download from the blob store failed", "the text cannot be uploaded to the blob store"];
  const cases: [string | number, () => Promise<Response>][] = [
    ["unreachable", () => Promise.reject(new TypeError("network error"))],
    [503, async () => new Response("", { status: 503 })],
  ];
  for (const [why, answer] of cases) {
    const again = `(${why}); try again in a moment`;
    expect(await Promise.all(fails(answer))).toEqual([`${from} ${again}`, `${to} ${again}`]);
  }
  const [missing] = fails(async () => new Response("", { status: 404 }));
  expect(await missing).toBe("absent");
  const [broken] = fails(async () => new Response(new ReadableStream({ pull: (stream) => stream.error(new TypeError("network error")) })));
  expect(await broken).toBe(`${from} (interrupted); try again in a moment`);
});
