import { afterEach, expect, test, vi } from "vitest";
import { fetchText, hashOf, MAX_TEXT, publish } from "./text";
import { hex } from "../../lib/format";

const HELLO = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
const MARKED = "7611e336d2b333aa772acee003373474c86cd9ce975c10d66a4b0156e8641dca";
const served = (body: BodyInit | null, status = 200) => vi.stubGlobal("fetch", async () => new Response(body, { status }));
afterEach(() => vi.unstubAllGlobals());

test("a text is shown only if its hash matches", async () => {
  expect(hex(await hashOf("hello"))).toBe(HELLO);
  served("hello");
  expect(await fetchText("http://store", HELLO)).toBe("hello");
  // With the byte order mark that some editors write.
  served(Uint8Array.of(0xef, 0xbb, 0xbf, 0x68, 0x69));
  expect(await fetchText("http://store", MARKED)).toBe("hi");
  served("hello!");
  await expect(fetchText("http://store", HELLO)).rejects.toThrow("a different text");
  served("x".repeat(MAX_TEXT + 1));
  await expect(fetchText("http://store", HELLO)).rejects.toThrow("too large");
  served(null, 404);
  await expect(fetchText("http://store", HELLO)).rejects.toThrow("does not have");
  served(null, 503);
  await expect(fetchText("http://store", HELLO)).rejects.toThrow("503");
});

test("a text is uploaded under its hash", async () => {
  const put = vi.fn(async (..._: Parameters<typeof fetch>) => new Response(null, { status: 201 }));
  vi.stubGlobal("fetch", put);
  await publish("http://store", "hello");
  expect(put.mock.calls[0]?.[0]).toBe(`http://store/${HELLO}`);
  served(null, 400);
  await expect(publish("http://store", "hello")).rejects.toThrow("400");
});
