import { createKeyPairSignerFromBytes } from "@solana/kit";
import { expect, test } from "vitest";
import { makeKey } from "./key";

test("a key's file is what the chain's tools read", async () => {
  const { signer, file, name } = await makeKey();
  const bytes = Uint8Array.from(JSON.parse(file) as number[]);
  expect(bytes.length).toBe(64);
  expect((await createKeyPairSignerFromBytes(bytes)).address).toBe(signer.address);
  expect(name).toBe(`device-${signer.address.slice(0, 8)}.json`);
});

test("keys are different ones", async () => {
  expect((await makeKey()).signer.address).not.toBe((await makeKey()).signer.address);
});
