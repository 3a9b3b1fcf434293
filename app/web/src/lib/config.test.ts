import { expect, test } from "vitest";
import { clusterFlag, networkOf, readConfig } from "./config";

const said = { cluster: "custom", chain: "solana:devnet", rpc: "https://node.example", blobs: "/blobs", mint: "8opHzTAnfzRpPEx21XtnrVTX28YQuCpAjcn1PczScKh" };

test("the chain is the one that the server names, whatever the URL of its node", () => {
  const config = readConfig(said);
  expect(config.chain).toBe("solana:devnet");
  expect(networkOf(config)).toBe("devnet");
  expect(config.faucet).toBe(false);
  for (const chain of [undefined, "solana:custom", "devnet"]) expect(() => readConfig({ ...said, chain })).toThrow("as chain one of solana:mainnet");
});

test("a cluster without a name is written as the URL of its node", () => {
  const flag = (cluster: string) => clusterFlag(readConfig({ ...said, cluster }));
  expect(["mainnet-beta", "devnet", "custom", "localnet"].map(flag)).toEqual(["mainnet-beta", "devnet", said.rpc, said.rpc]);
});
