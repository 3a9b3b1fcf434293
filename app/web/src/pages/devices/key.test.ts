import { createKeyPairSignerFromBytes } from "@solana/kit";
import { expect, test } from "vitest";
import { makeKey } from "./key";

test("a key file has the format of Solana's tools", async () => {
  const { signer, file, name } = await makeKey();
  const bytes = Uint8Array.from(JSON.parse(file) as number[]);
  expect(bytes.length).toBe(64);
  expect((await createKeyPairSignerFromBytes(bytes)).address).toBe(signer.address);
  expect(name).toBe(`device-${signer.address.slice(0, 8)}.json`);
});

test("every key is different", async () => {
  expect((await makeKey()).signer.address).not.toBe((await makeKey()).signer.address);
});
