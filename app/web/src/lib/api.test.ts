import { afterEach, expect, test, vi } from "vitest";
import { ask } from "./api";

afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

test("a request that the indexer never answers times out", async () => {
  vi.spyOn(AbortSignal, "timeout").mockReturnValue(AbortSignal.abort());
  vi.stubGlobal("fetch", (_: string, options?: RequestInit) => new Promise((_, reject) => options?.signal?.aborted && reject(options.signal.reason)));
  await expect(ask("jobs")).rejects.toThrow("the indexer does not respond");
});
