import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { follow, type Source } from "./stream";

const [CONNECTING, CLOSED] = [0, 2];

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("EventSource", { CLOSED });
});
afterEach(() => void vi.useRealTimers());

function market() {
  const sources: Source[] = [];
  const told: string[] = [];
  const open = () => {
    const source: Source = { readyState: CONNECTING, onopen: null, onmessage: null, onerror: null, close: () => void told.push("closed") };
    sources.push(source);
    return source;
  };
  const tell = (what: string) => () => void told.push(what);
  const end = follow(open, { opened: tell("opened"), heard: tell("heard"), lost: tell("lost") });
  const last = () => sources.at(-1) as Source & Record<"onopen" | "onmessage" | "onerror", () => void>;
  const fail = (readyState: number) => {
    Object.assign(last(), { readyState });
    last().onerror();
  };
  return { sources, told, end, last, fail };
}

test("a refused stream is opened again with growing pauses, which start over after a success", () => {
  const { sources, last, fail } = market();
  for (const pause of [1, 2, 4, 8, 16, 30, 30]) {
    const before = sources.length;
    fail(CLOSED);
    vi.advanceTimersByTime(pause * 1_000 - 1);
    expect(sources.length).toBe(before);
    vi.advanceTimersByTime(1);
    expect(sources.length).toBe(before + 1);
  }
  last().onopen();
  fail(CLOSED);
  vi.advanceTimersByTime(1_000);
  expect(sources.length).toBe(9);
});

test("a lost stream is left to the browser, and a closed one stays closed", () => {
  const { sources, told, end, last, fail } = market();
  last().onopen();
  last().onmessage();
  fail(CONNECTING);
  vi.advanceTimersByTime(60_000);
  expect([sources.length, told]).toEqual([1, ["opened", "heard", "lost"]]);
  fail(CLOSED);
  end();
  vi.advanceTimersByTime(60_000);
  expect([sources.length, told.at(-1)]).toEqual([1, "closed"]);
});
