import type { Page, Route } from "@playwright/test";
import { expect, market, test } from "./fixture";

/** What becomes of a question that gets no answer. */
const refused = (route: Route) => route.fulfill({ status: 429 });
const cut = (route: Route) => route.abort();

/**
 * Stands between the page and its node, in place of whatever stood there: `fail` says which questions get no answer. Returns what was asked,
 * as it comes.
 */
async function between(page: Page, fail: (method: string, asked: string[]) => boolean, how = refused): Promise<string[]> {
  const asked: string[] = [];
  const answer = async (route: Route) => {
    const { method } = route.request().postDataJSON() as { method: string };
    asked.push(method);
    await (fail(method, asked) ? how(route) : route.continue());
  };
  for (const url of [`${market().rpc.replace(/\/$/, "")}/**`, market().rpc]) {
    await page.unroute(url);
    await page.route(url, answer);
  }
  return asked;
}

test("a node that is out of reach is told, and nothing is stuck when it comes back", async ({ visitor, page }) => {
  await visitor.arrive("/jobs");
  await visitor.connect();
  await between(page, () => true, cut);
  await page.getByLabel("Amount").fill("1");
  await page.getByRole("button", { name: "Deposit" }).click();
  await expect(page.getByRole("alert").getByText(/cannot be reached/)).toBeVisible();
  // Later, when it is to be shown what would happen.
  await between(page, (method) => method === "simulateTransaction", cut);
  await page.getByRole("button", { name: "Deposit" }).click();
  await expect(page.getByRole("dialog").getByText(/cannot be reached/)).toBeVisible();
  await page.getByRole("dialog").getByRole("button", { name: "Close" }).last().click();
  await between(page, () => false);
  await page.getByRole("button", { name: "Deposit" }).click();
  await visitor.sign();
});

test("a node that refuses to answer says nothing about what was sent", async ({ visitor, page }) => {
  const count = (asked: string[], method: string) => asked.filter((one) => one === method).length;
  const asked = await between(page, (method, all) => method === "getSignatureStatuses" && count(all, method) <= 2);
  await visitor.arrive("/jobs");
  await visitor.connect();
  await page.getByLabel("Amount").fill("1");
  // Pressed twice it is asked for once.
  await page.getByRole("button", { name: "Deposit" }).dblclick();
  await expect(page.getByText("this is what it would change")).toBeVisible();
  // Whoever reads for long signs no old blockhash: it is taken after the yes.
  expect([count(asked, "simulateTransaction"), count(asked, "getLatestBlockhash")]).toEqual([1, 0]);
  await visitor.sign();
  expect(count(asked, "getLatestBlockhash")).toBe(1);
  expect(count(asked, "getSignatureStatuses")).toBeGreaterThan(2);
});

test("what nobody tells of a transaction is unknown, and can be looked at again", async ({ visitor, page }) => {
  await page.clock.install();
  let silent = true;
  await between(page, (method) => silent && method === "getSignatureStatuses");
  await visitor.arrive("/jobs");
  await visitor.connect();
  await page.getByLabel("Amount").fill("1");
  await page.getByRole("button", { name: "Deposit" }).click();
  await page.getByRole("button", { name: "Sign and send" }).click();
  await expect(page.getByText(/^Sent; waiting/)).toBeVisible();
  await page.clock.fastForward(200_000);
  await expect(page.getByText(/It may still land/)).toBeVisible();
  await visitor.inspect();
  silent = false;
  await page.getByRole("button", { name: "Look again" }).click();
  await expect(page.getByText("Done. Transaction")).toBeVisible();
});

test("an indexer that is busy at first is asked again", async ({ visitor, page }) => {
  await page.route("**/v1/stream", (route) => route.fulfill({ status: 503 }));
  await visitor.arrive("/");
  await expect(page.getByText(/The indexer is out of reach/)).toBeVisible();
  await page.unroute("**/v1/stream");
  await expect(page.getByText(/The indexer is out of reach/)).toHaveCount(0);
});

test("an indexer that is out of reach is told", async ({ visitor, page }) => {
  await page.route("**/v1/stream", (route) => route.abort());
  await visitor.arrive("/");
  await expect(page.getByText(/The indexer is out of reach/)).toBeVisible();
});

/** Announces a wallet that refuses to sign, of an address on a chain. */
const refuser = ({ chain, address }: { chain: string; address: string }) => {
  const account = { address, publicKey: new Uint8Array(32), chains: [chain], features: ["solana:signTransaction"] };
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
  await page.addInitScript(refuser, { chain: "solana:mainnet", address: "11111111111111111111111111111112" });
  await visitor.arrive("/");
  await page.getByRole("button", { name: "Connect wallet" }).click();
  await expect(page.getByText(/On other chains only: Refuser/)).toBeVisible();
  await expect(page.getByRole("button", { name: "Refuser" })).toHaveCount(0);
});

test("a signature that is refused changes nothing", async ({ visitor, page }) => {
  const asked = await between(page, () => false);
  await page.addInitScript(refuser, { chain: "solana:localnet", address: market().keys["consumer"]?.address ?? "" });
  await visitor.arrive("/jobs");
  await page.getByRole("button", { name: "Connect wallet" }).click();
  await page.getByRole("button", { name: "Refuser" }).click();
  const balance = page.locator(".balance");
  const before = await balance.textContent();
  // What the wallet does not hold is not even tried.
  await page.getByLabel("Amount").fill("100000000");
  await page.getByRole("button", { name: "Deposit" }).click();
  await expect(page.getByRole("alert").getByText(/^the wallet holds [\d,.]+ \$IO and this takes 100,000,000 \$IO/)).toBeVisible();
  await page.getByLabel("Amount").fill("1");
  await page.getByRole("button", { name: "Deposit" }).click();
  const dialog = page.getByRole("dialog");
  await expect(dialog.getByText("−1 $IO")).toBeVisible();
  await dialog.getByRole("button", { name: "Sign and send" }).click();
  await expect(dialog.getByText("you did not sign, so nothing happened")).toBeVisible();
  expect(asked).toContain("getLatestBlockhash");
  expect(asked).not.toContain("sendTransaction");
  await page.reload();
  await expect(balance).toHaveText(before ?? "");
});

test("a browser that keeps no data of sites shows everything, and says what it cannot do", async ({ visitor, page }) => {
  await page.addInitScript(() =>
    Object.defineProperty(window, "localStorage", {
      get: () => {
        throw new DOMException("Access is denied for this document.", "SecurityError");
      },
    }),
  );
  await visitor.arrive("/governance/new");
  await visitor.connect();
  await page.getByLabel("Title").fill("Lost with the page");
  await page.getByLabel("Why").fill("Because.");
  await page.getByLabel("Fee of each side").fill("0.7");
  await page.getByRole("button", { name: "Go on to signing" }).click();
  await expect(page.getByText("this browser keeps no data of this site", { exact: false })).toBeVisible();
});

test("an address that is none, and a page that is none, say so", async ({ visitor, page }) => {
  await visitor.arrive("/jobs/not-an-address");
  await expect(page.getByText("is not an address")).toBeVisible();
  await visitor.arrive("/nowhere");
  await expect(page.getByText("There is nothing at this address.")).toBeVisible();
});
