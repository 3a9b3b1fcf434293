import { expect, market, test } from "./fixture";

test("a node that is out of reach is told, and nothing is stuck when it comes back", async ({ visitor, page }) => {
  await visitor.arrive("/jobs");
  await visitor.connect();
  const rpc = `${market().rpc.replace(/\/$/, "")}/**`;
  await page.route(rpc, (route) => route.abort());
  await page.route(market().rpc, (route) => route.abort());
  await page.getByLabel("Amount").fill("1");
  await page.getByRole("button", { name: "Deposit" }).click();
  await expect(page.getByRole("dialog").getByText(/cannot be reached/)).toBeVisible();
  await page.getByRole("dialog").getByRole("button", { name: "Close" }).last().click();
  await page.unroute(rpc);
  await page.unroute(market().rpc);
  await page.getByRole("button", { name: "Deposit" }).click();
  await visitor.sign();
});

test("an indexer that is out of reach is told", async ({ visitor, page }) => {
  await page.route("**/v1/stream", (route) => route.abort());
  await visitor.arrive("/");
  await expect(page.getByText(/The indexer is out of reach/)).toBeVisible();
});

/** Announces a wallet that refuses to sign, for a chain. */
const refuser = (chain: string) => {
  const account = { address: "11111111111111111111111111111112", publicKey: new Uint8Array(32), chains: [chain], features: ["solana:signTransaction"] };
  const wallet = {
    version: "1.0.0",
    name: "Refuser",
    icon: "data:image/svg+xml;base64,",
    chains: [chain],
    accounts: [],
    features: {
      "standard:connect": { version: "1.0.0", connect: async () => ({ accounts: [account] }) },
      "solana:signTransaction": {
        version: "1.0.0",
        supportedTransactionVersions: ["legacy", 0],
        signTransaction: async () => {
          throw Object.assign(new Error("User rejected the request."), { code: 4001 });
        },
      },
    },
  };
  const announce = ({ register }: { register: (wallet: unknown) => void }) => register(wallet);
  window.addEventListener("wallet-standard:app-ready", (event) => announce((event as CustomEvent).detail));
  window.dispatchEvent(new CustomEvent("wallet-standard:register-wallet", { detail: announce }));
};

test("a wallet of another chain is not offered, and told why", async ({ visitor, page }) => {
  await page.addInitScript(refuser, "solana:mainnet");
  await visitor.arrive("/");
  await page.getByRole("button", { name: "Connect wallet" }).click();
  await expect(page.getByText(/On other chains only: Refuser/)).toBeVisible();
  await expect(page.getByRole("button", { name: "Refuser" })).toHaveCount(0);
});

test("a signature that is refused changes nothing", async ({ visitor, page }) => {
  await visitor.arrive("/jobs");
  await visitor.connect();
  await page.getByLabel("Amount").fill("1");
  await page.getByRole("button", { name: "Deposit" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Cancel" }).click();
  await expect(page.getByRole("dialog").getByText("you did not sign, so nothing happened")).toBeVisible();
});

test("an address that is none, and a page that is none, say so", async ({ visitor, page }) => {
  await visitor.arrive("/jobs/not-an-address");
  await expect(page.getByText("is not an address")).toBeVisible();
  await visitor.arrive("/nowhere");
  await expect(page.getByText("There is nothing at this address.")).toBeVisible();
});
