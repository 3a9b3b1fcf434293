import { generateKeyPairSigner, type Address } from "@solana/kit";
import { expect, test } from "vitest";
import type { Market } from "./market";
import { ASSOCIATED_TOKEN_PROGRAM, SYSTEM_PROGRAM, TOKEN_2022_PROGRAM, TOKEN_PROGRAM } from "./programs";
import { recipient } from "./recipient";
import { tokenAccount } from "./send";

const someone = async () => (await generateKeyPairSigner()).address;
const [wallet, mint] = [await someone(), await someone()];
/** A market in which the account at every address has this owner and size; `null` for no accounts. */
const where = (owner: Address | null, space = 165n) =>
  ({ rpc: { getAccountInfo: () => ({ send: async () => ({ value: owner && { owner, space } }) }) } }) as unknown as Market;

test("a wallet is taken as it is, whether it holds SOL yet or not", async () => {
  for (const owner of [SYSTEM_PROGRAM, null]) expect(await recipient(where(owner), ` ${wallet} `)).toEqual({ wallet, doubt: "" });
});

test("a token account, a mint and what is no address are refused", async () => {
  for (const owner of [TOKEN_PROGRAM, TOKEN_2022_PROGRAM]) {
    await expect(recipient(where(owner), wallet)).rejects.toThrow("the address of a token account or a mint");
  }
  await expect(recipient(where(null), "nobody")).rejects.toThrow("“nobody” is not a valid address");
});

test("an address that no key signs for is named as such", async () => {
  const vault = await tokenAccount(wallet, mint);
  for (const owner of [TOKEN_PROGRAM, TOKEN_2022_PROGRAM]) {
    expect((await recipient(where(owner, 355n), wallet)).doubt).toContain("which belongs to a program");
  }
  for (const owner of [SYSTEM_PROGRAM, null]) expect((await recipient(where(owner), vault)).doubt).toContain("which belongs to a program");
  expect((await recipient(where(ASSOCIATED_TOKEN_PROGRAM), wallet)).doubt).toContain("which belongs to a program");
});
