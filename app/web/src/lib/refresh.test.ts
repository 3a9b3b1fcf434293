import { QueryClient, QueryObserver } from "@tanstack/react-query";
import { afterEach, expect, test, vi } from "vitest";
import { refresher } from "./refresh";

afterEach(() => void vi.useRealTimers());

/** A slow query; its answer is the time at which it was sent, in milliseconds. */
function watch(queries: QueryClient, name: string, takes: number) {
  const asked: number[] = [];
  const seen = { asked, answers: new Set<unknown>(), asking: 0, most: 0 };
  const queryFn = async () => {
    asked.push(Date.now());
    seen.most = Math.max(seen.most, ++seen.asking);
    const at = Date.now();
    await new Promise((resolve) => setTimeout(resolve, takes));
    seen.asking -= 1;
    return at;
  };
  new QueryObserver(queries, { queryKey: [name], queryFn }).subscribe(({ data }) => void seen.answers.add(data));
  return seen;
}

test("on a busy market queries keep being refreshed, and none is in flight twice", async () => {
  vi.useFakeTimers();
  const queries = new QueryClient();
  const quick = watch(queries, "quick", 400);
  const slow = watch(queries, "slow", 3_300);
  const clock = watch(queries, "clock", 0);
  const { heard, end } = refresher(queries);
  await vi.advanceTimersByTimeAsync(400);
  for (let events = 0; events < 100; events++) {
    heard();
    await vi.advanceTimersByTimeAsync(100);
  }
  const last = Date.now() - 100;
  expect(quick.answers.size).toBeGreaterThan(8);
  expect(quick.asked.length).toBeLessThan(12);
  expect(slow.answers.size).toBeGreaterThan(2);
  expect([quick.most, slow.most, clock.asked.length]).toEqual([1, 1, 1]);
  // The query in flight at the last event is sent once more, then no more.
  await vi.advanceTimersByTimeAsync(60_000);
  for (const { asked } of [quick, slow]) expect(asked.filter((at) => at >= last)).toHaveLength(1);
  end();
  queries.clear();
});

test("an event after a quiet time triggers a refresh at once", async () => {
  vi.useFakeTimers();
  const queries = new QueryClient();
  const { asked } = watch(queries, "quick", 0);
  const { heard, end } = refresher(queries);
  await vi.advanceTimersByTimeAsync(10_000);
  heard();
  await vi.advanceTimersByTimeAsync(250);
  expect(asked).toHaveLength(2);
  end();
  queries.clear();
});
