import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { createElement } from "react";
import { renderToStaticMarkup } from "react-dom/server";
import { afterEach, expect, test, vi } from "vitest";
import { listing, type VoteRow } from "../../lib/api";
import { VoteList } from "./votes";

afterEach(() => vi.unstubAllGlobals());

const [ADDRESS, EARLIER, LATER] = ["Proposa1111111111111111111111111111111111111", 3, 7];
const voted = (number: number, voter: string): VoteRow => {
  const vote = { source: voter, choice: 0, weight: 100, time: 1, signature: `${voter} signed` };
  return { id: number, proposal: ADDRESS, number, voter, ...vote };
};
const ROWS = [voted(EARLIER, "earlier-voter"), voted(LATER, "later-voter")];

/** An indexer that filters as the real one does. */
async function indexer(question: string): Promise<Response> {
  const asked = new URL(question, "http://indexer").searchParams;
  const rows = ROWS.filter((row) => (["proposal", "number"] as const).every((name) => !asked.has(name) || asked.get(name) === String(row[name])));
  return Response.json({ rows, next: null });
}

test("a proposal lists the votes on itself, not those on an earlier proposal at the same address", async () => {
  vi.stubGlobal("fetch", indexer);
  const client = new QueryClient();
  const shown = async (number: number) => {
    await client.prefetchInfiniteQuery(listing<VoteRow>("votes", { proposal: ADDRESS, number }));
    const list = createElement(VoteList, { proposal: ADDRESS, number });
    return renderToStaticMarkup(createElement(QueryClientProvider, { client }, list));
  };
  const [earlier, later] = [await shown(EARLIER), await shown(LATER)];
  expect([earlier.includes("earlier-voter"), earlier.includes("later-voter")]).toEqual([true, false]);
  expect([later.includes("earlier-voter"), later.includes("later-voter")]).toEqual([false, true]);
});
