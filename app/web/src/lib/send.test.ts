import { generateKeyPairSigner, getBase64Decoder } from "@solana/kit";
import { expect, test } from "vitest";
import { IO } from "./format";
import type { Market } from "./market";
import { mustCover } from "./send";

test("whether a wallet can pay is checked on the chain before each payment", async () => {
  const [{ address: owner }, { address: mint }] = [await generateKeyPairSigner(), await generateKeyPairSigner()];
  let held = 4n * IO;
  const tokens = () => {
    const data = new Uint8Array(165);
    new DataView(data.buffer).setBigUint64(64, held, true);
    return { data: [getBase64Decoder().decode(data), "base64"] };
  };
  const rpc = { getMultipleAccounts: () => ({ send: async () => ({ value: [null, tokens()] }) }) };
  const market = { config: { mint }, rpc } as unknown as Market;
  await expect(mustCover(market, owner, 5n * IO)).rejects.toThrow("this takes 5 $IO and your wallet holds 4 $IO");
  held = 5n * IO;
  await mustCover(market, owner, 5n * IO);
});
