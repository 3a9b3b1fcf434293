import { afterEach, expect, test, vi } from "vitest";
import { explain } from "./errors";
import { nodeAt } from "./node";

afterEach(() => vi.unstubAllGlobals());

test("a question that a node takes and never answers fails in time", async () => {
  vi.stubGlobal("fetch", () => new Promise(() => {}));
  const said = await nodeAt("http://silent.test", 1).getSlot().send().catch(explain);
  expect(said).toBe("the chain's node does not answer; try again in a moment");
});
