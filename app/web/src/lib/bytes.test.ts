import { expect, test } from "vitest";
import { readSome } from "./bytes";

test("reading a response stops once it is too long", async () => {
  let sent = 0;
  const long = new ReadableStream({
    pull: (stream) => (sent < 100 ? (sent++, stream.enqueue(new Uint8Array(10))) : stream.close()),
  });
  await expect(readSome(new Response(long), 25)).rejects.toThrow("too large");
  expect(sent).toBeLessThan(10);
  expect(await readSome(new Response("exactly"), 7)).toEqual(new TextEncoder().encode("exactly"));
});
