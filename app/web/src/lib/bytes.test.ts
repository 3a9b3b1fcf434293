import { expect, test } from "vitest";
import { readSome } from "./bytes";

test("of an answer that is too long no more is read than shows that", async () => {
  let sent = 0;
  const long = new ReadableStream({
    pull: (stream) => (sent < 100 ? (sent++, stream.enqueue(new Uint8Array(10))) : stream.close()),
  });
  await expect(readSome(new Response(long), 25)).rejects.toThrow("too long");
  expect(sent).toBeLessThan(10);
  expect(await readSome(new Response("exactly"), 7)).toEqual(new TextEncoder().encode("exactly"));
});
