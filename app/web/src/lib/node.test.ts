import { afterEach, expect, test, vi } from "vitest";
import { explain } from "./errors";
import { nodeAt } from "./node";

afterEach(() => vi.unstubAllGlobals());

test("a request that the node never answers times out", async () => {
  vi.stubGlobal("fetch", () => new Promise(() => {}));
  const said = await nodeAt("http://silent.test", 1).getSlot().send().catch(explain);
  expect(said).toBe("the Solana node does not respond; try again in a moment");
});
