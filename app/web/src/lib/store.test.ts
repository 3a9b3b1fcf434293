import { expect, test } from "vitest";
import { keep, kept, mustKeep, namesKept } from "./store";

test("without storage nothing breaks", () => {
  Object.defineProperty(globalThis, "localStorage", {
    configurable: true,
    get: () => {
      throw new DOMException("The operation is insecure.", "SecurityError");
    },
  });
  expect([kept("a"), keep("a", "b"), keep("a", null), namesKept("a")]).toEqual([null, false, false, []]);
  expect(() => mustKeep("a", "b")).toThrow("stores no data for this site");
});
