import { afterEach, expect, test, vi } from "vitest";
import { download, upload } from "./blobs";

afterEach(() => {
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

test("a store that never answers, or stops in the middle, is given up", async () => {
  vi.spyOn(AbortSignal, "timeout").mockReturnValue(AbortSignal.abort());
  vi.stubGlobal("fetch", (_: string, options?: RequestInit) => new Promise((_, reject) => options?.signal?.aborted && reject(options.signal.reason)));
  await expect(download("s", "a", 1, "absent")).rejects.toThrow("the blob store does not respond (unreachable)");
  await expect(upload("s", "a", new Uint8Array(1), "text")).rejects.toThrow("the text cannot be uploaded to the blob store (unreachable)");
  const broken = new ReadableStream({ pull: (stream) => stream.error(new DOMException("signal timed out", "TimeoutError")) });
  vi.stubGlobal("fetch", async () => new Response(broken));
  await expect(download("s", "a", 1, "absent")).rejects.toThrow("was interrupted; try again");
});
