import { beforeEach, expect, test, vi } from "vitest";
import { UnknownEnd } from "../../lib/confirm";
import { recall, remembering, type Content } from "./remembered";

const content: Content = { kind: "photo", layout: { width: 3, height: 2, alpha: false } };

beforeEach(() => {
  const kept = new Map<string, string>();
  vi.stubGlobal("localStorage", {
    getItem: (name: string) => kept.get(name) ?? null,
    setItem: (name: string, value: string) => kept.set(name, value),
    removeItem: (name: string) => kept.delete(name),
  });
});

test("a job that may have been opened is remembered; one that was not is forgotten", async () => {
  await remembering(["a"], content, async () => expect(recall("a")).toEqual(content));
  expect(recall("a")).toEqual(content);
  await expect(remembering(["b", "c"], content, () => Promise.reject(new UnknownEnd()))).rejects.toThrow("may still land");
  expect([recall("b"), recall("c")]).toEqual([content, content]);
  await expect(remembering(["d", "e"], content, () => Promise.reject(new Error("refused")))).rejects.toThrow("refused");
  expect([recall("d"), recall("e")]).toEqual([null, null]);
});

test("no job is opened if it could not be remembered", async () => {
  vi.stubGlobal("localStorage", undefined);
  const open = vi.fn();
  await expect(remembering(["a"], content, open)).rejects.toThrow("stores no data for this site");
  expect(open).not.toHaveBeenCalled();
  expect(recall("a")).toBeNull();
});
