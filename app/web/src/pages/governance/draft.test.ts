import { address } from "@solana/kit";
import { afterEach, expect, test, vi } from "vitest";
import { forget, recallAll, remember } from "./draft";

afterEach(() => void vi.unstubAllGlobals());

const instructions = [Uint8Array.of(1, 2, 3), Uint8Array.of()];
const draft = (proposal: string, id: bigint) => ({ address: address(proposal), id, title: "Fees", text: "Because.", instructions });
const A = draft("AMdJx3EceGTZb6SR5bhP6pXJEAbcE9mU3VSJNN9RLK5H", 1n);
const B = draft("SysvarC1ock11111111111111111111111111111111", (1n << 64n) - 1n);

test("drafts are stored until they are removed, one by one", () => {
  const stored: Record<string, string> = { "ionet.wallet": "a wallet", "ionet.job.x": "a job" };
  const methods = {
    getItem: (name: string) => stored[name] ?? null,
    setItem: (name: string, text: string) => void (stored[name] = text),
    removeItem: (name: string) => void delete stored[name],
  };
  vi.stubGlobal("localStorage", new Proxy(stored, { get: (_, name) => methods[name as keyof typeof methods] }));
  for (const one of [A, B]) remember(one);
  expect(recallAll()).toEqual([A, B]);
  forget(A.address);
  expect(recallAll()).toEqual([B]);
});
