import { expect, test } from "vitest";
import { clusterFlag, networkOf, readConfig } from "./config";

const said = { cluster: "custom", chain: "solana:devnet", rpc: "https://node.example", blobs: "/blobs", mint: "8opHzTAnfzRpPEx21XtnrVTX28YQuCpAjcn1PczScKh" };

test("the chain comes from the server's configuration, not from the node's URL", () => {
  const config = readConfig(said);
  expect(config.chain).toBe("solana:devnet");
  expect(networkOf(config)).toBe("devnet");
  expect(config.faucet).toBe(false);
  for (const chain of [undefined, "solana:custom", "devnet"]) expect(() => readConfig({ ...said, chain })).toThrow("a chain that is one of solana:mainnet");
});

test("a cluster without a name is passed to the command-line tools as the URL of its node", () => {
  const flag = (cluster: string) => clusterFlag(readConfig({ ...said, cluster }));
  expect(["mainnet-beta", "devnet", "custom", "localnet"].map(flag)).toEqual(["mainnet-beta", "devnet", said.rpc, said.rpc]);
});
