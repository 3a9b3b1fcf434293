import type { Page, Route } from "@playwright/test";
import { findConfigPda } from "../src/generated/staking/pdas/config";
import { ADDRESS, COMPUTING, expect, holdBack, isToNode, letConnect, market, refuser, test, twoFrames } from "./fixture";

/** How a request fails. */
const refused = (route: Route) => route.fulfill({ status: 429 });
const cut = (route: Route) => route.abort();

/**
 * Intercepts requests to the node, replacing an earlier interception: `fail` decides which ones fail. Returns a list that grows with the
 * methods that are called.
 */
async function intercept(page: Page, fail: (method: string, asked: string[]) => boolean, how = refused): Promise<string[]> {
  const asked: string[] = [];
  await page.unroute(isToNode);
  await page.route(isToNode, async (route) => {
    const { method } = route.request().postDataJSON() as { method: string };
    asked.push(method);
    await (fail(method, asked) ? how(route) : route.continue());
  });
  return asked;
}

test("an unreachable node is reported, and everything works once it is back", async ({ visitor, page }) => {
  await visitor.arrive("/jobs");
  await visitor.connect();
  await intercept(page, () => true, cut);
  await page.getByLabel("Amount").fill("1");
  await page.getByRole("button", { name: "Deposit" }).click();
  await expect(page.getByRole("alert").getByText(/cannot be reached/)).toBeVisible();
  // The same during the simulation.
  await intercept(page, (method) => method === "simulateTransaction", cut);
  await page.getByRole("button", { name: "Deposit" }).click();
  await expect(page.getByRole("dialog").getByText(/cannot be reached/)).toBeVisible();
  await page.getByRole("dialog").getByRole("button", { name: "Close" }).last().click();
  await intercept(page, () => false);
  await page.getByRole("button", { name: "Deposit" }).click();
  await visitor.sign();
});

test("a node that refuses to answer decides nothing about a transaction", async ({ visitor, page }) => {
  const count = (asked: string[], method: string) => asked.filter((one) => one === method).length;
  const asked = await intercept(page, (method, all) => method === "getSignatureStatuses" && count(all, method) <= 2);
  await visitor.arrive("/jobs");
  await visitor.connect();
  await page.getByLabel("Amount").fill("1");
  // A double click starts one action.
  await page.getByRole("button", { name: "Deposit" }).dblclick();
  await expect(page.getByText("A simulation on the chain shows these changes")).toBeVisible();
  // The blockhash is fetched after the confirmation, so it is fresh however long the user reads.
  expect([count(asked, "simulateTransaction"), count(asked, "getLatestBlockhash")]).toEqual([1, 0]);
  await visitor.sign();
  expect(count(asked, "getLatestBlockhash")).toBe(1);
  expect(count(asked, "getSignatureStatuses")).toBeGreaterThan(2);
});

test("without an answer the outcome of a transaction is unknown, and can be checked again", async ({ visitor, page }) => {
  await page.clock.install();
  let silent = true;
  await intercept(page, (method) => silent && method === "getSignatureStatuses");
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
  await page.getByRole("button", { name: "Check again" }).click();
  await expect(page.getByText("Done. Transaction")).toBeVisible();
});

test("a busy indexer is asked again", async ({ visitor, page }) => {
  await page.route("**/v1/stream", (route) => route.fulfill({ status: 503 }));
  await visitor.arrive("/");
  await expect(page.getByText(/The indexer is unreachable/)).toBeVisible();
  await page.unroute("**/v1/stream");
  await expect(page.getByText(/The indexer is unreachable/)).toHaveCount(0);
});

test("an unreachable node is asked again", async ({ visitor, page }) => {
  await visitor.arrive("/");
  await visitor.connect();
  await intercept(page, () => true, cut);
  // No event tells that it is back.
  await page.route("**/v1/stream", (route) => route.abort());
  await page.reload();
  const banner = page.getByText(/The Solana node is unreachable/);
  await expect(banner).toBeVisible();
  // It stays during the next attempt.
  const owner = await page.evaluate(() => localStorage.getItem("ionet.wallet")?.split(" ")[0] ?? "");
  const attempt = page.waitForRequest((request) => request.postData()?.includes(owner) ?? false);
  const release = await holdBack(page, isToNode);
  await attempt;
  await twoFrames(page);
  await expect(banner).toBeVisible();
  await intercept(page, () => false);
  await release();
  await expect(page.locator(".balance")).toBeVisible();
  await expect(banner).toHaveCount(0);
});

test("a page that was removed from the server by an update is reported", async ({ visitor, page }) => {
  await visitor.arrive("/");
  await expect(page.getByText("GPUs registered")).toBeVisible();
  await page.route("**/assets/*.js", cut);
  await page.getByRole("link", { name: "Governance" }).click();
  await expect(page.getByText(/^This page cannot be loaded/)).toBeVisible();
  await page.unroute("**/assets/*.js");
  await page.getByRole("button", { name: "Try again" }).click();
  await expect(page.getByRole("heading", { name: "Governance" })).toBeVisible();
});

test("without the list of models a job's receipt is shown, and the list is asked for again", async ({ visitor, page }) => {
  for (const [path, needing] of [[`/jobs/${market().convicted}`, "Recompute in this browser"], ["/jobs/new", "Use the sample photo"]] as const) {
    await page.route("**/models/index.json", cut);
    await visitor.arrive(path);
    await expect(page.getByText("The list of models cannot be loaded (unreachable)", { exact: false })).toBeVisible();
    if (path !== "/jobs/new") await expect(page.getByRole("heading", { name: "Receipt" })).toBeVisible();
    await page.unroute("**/models/index.json", cut);
    await page.getByRole("button", { name: "Try again" }).click();
    await expect(page.getByRole("button", { name: needing })).toBeVisible();
  }
});

test("an engine that could not be loaded is loaded again", async ({ visitor, page }) => {
  await page.route("**/*.wasm", cut);
  await visitor.arrive(`/jobs/${market().convicted}`);
  const recompute = page.getByRole("button", { name: "Recompute in this browser" });
  await recompute.click();
  await expect(page.getByText("the engine cannot be loaded; try again in a moment")).toBeVisible();
  await page.unroute("**/*.wasm");
  await recompute.click();
  await expect(page.getByText(/The first difference is in unit \d+, op \d+/)).toBeVisible(COMPUTING);
});

test("a dialog that the browser closes counts as answered, and the next one is shown", async ({ visitor, page }) => {
  await visitor.arrive("/jobs");
  await visitor.connect();
  await page.getByLabel("Amount").fill("1");
  const dialog = page.getByRole("dialog");
  for (let times = 0; times < 2; times++) {
    await page.getByRole("button", { name: "Deposit" }).click();
    await expect(dialog.getByText("A simulation on the chain shows these changes")).toBeVisible();
    // Pressing Escape twice without a click in between does this.
    await dialog.evaluate((element: HTMLDialogElement) => element.close());
    await expect(dialog.getByText("you did not sign, so nothing was sent")).toBeVisible();
    await page.keyboard.press("Escape");
    await expect(dialog).toHaveCount(0);
  }
});

test("an unreachable indexer is reported", async ({ visitor, page }) => {
  await page.route("**/v1/stream", (route) => route.abort());
  await visitor.arrive("/");
  await expect(page.getByText(/The indexer is unreachable/)).toBeVisible();
});

test("the rules of governance do not wait for an indexer that has stopped responding", async ({ visitor, page }) => {
  // The first request fails; the next one is never answered.
  let first = true;
  await page.route("**/v1/proposals*", async (route) => {
    if (first) await route.abort();
    first = false;
  });
  await visitor.arrive("/governance");
  await expect(page.getByRole("heading", { name: "Voting rules" })).toBeVisible();
});

test("where staking is not set up, the rewards page still loads", async ({ visitor, page }) => {
  const [config] = await findConfigPda();
  await page.route(isToNode, async (route) => {
    const { method, params } = route.request().postDataJSON() as { method: string; params: unknown[] };
    if (method !== "getAccountInfo" || params[0] !== config) return route.continue();
    const answer = (await (await route.fetch()).json()) as { result: { value: unknown } };
    answer.result.value = null;
    return route.fulfill({ json: answer });
  });
  await visitor.arrive("/rewards");
  await visitor.connect();
  await expect(page.getByText("This wallet has no devices and no co-stake", { exact: false })).toBeVisible();
});

test("a wallet on another network is not offered, with the reason", async ({ visitor, page }) => {
  await page.addInitScript(refuser, { chain: "solana:mainnet", address: "11111111111111111111111111111112" });
  await visitor.arrive("/");
  await page.getByRole("button", { name: "Connect wallet" }).click();
  await expect(page.getByText(/On another network: Refuser/)).toBeVisible();
  await expect(page.getByRole("button", { name: "Refuser" })).toHaveCount(0);
});

test("a rejected signature changes nothing", async ({ visitor, page }) => {
  const asked = await intercept(page, () => false);
  await page.addInitScript(refuser, { chain: "solana:localnet", address: market().keys["consumer"]?.address ?? "" });
  await visitor.arrive("/jobs");
  await page.getByRole("button", { name: "Connect wallet" }).click();
  await page.getByRole("button", { name: "Refuser" }).click();
  const balance = page.locator(".balance");
  const before = await balance.textContent();
  // More than the wallet holds is refused right away.
  await page.getByLabel("Amount").fill("100000000");
  await page.getByRole("button", { name: "Deposit" }).click();
  await expect(page.getByRole("alert").getByText(/^This takes 100,000,000 \$IO and your wallet holds [\d,.]+ \$IO/)).toBeVisible();
  await page.getByLabel("Amount").fill("1");
  await page.getByRole("button", { name: "Deposit" }).click();
  const dialog = page.getByRole("dialog");
  await expect(dialog.getByText("−1 $IO")).toBeVisible();
  await dialog.getByRole("button", { name: "Sign and send" }).click();
  await expect(dialog.getByText("you did not sign, so nothing was sent")).toBeVisible();
  expect(asked).toContain("getLatestBlockhash");
  expect(asked).not.toContain("sendTransaction");
  await page.reload();
  await expect(balance).toHaveText(before ?? "");
});

test("a wallet that reconnects late does not undo what the user did meanwhile", async ({ visitor, page }) => {
  await page.addInitScript(refuser, { chain: "solana:localnet", address: market().keys["supplier"]?.address ?? "", slow: true });
  await visitor.arrive("/");
  await visitor.connectSlow();
  await page.reload();
  await page.getByRole("button", { name: ADDRESS }).click();
  await page.getByRole("button", { name: "Disconnect" }).click();
  await letConnect(page);
  await twoFrames(page);
  await expect(page.getByRole("button", { name: "Connect wallet" })).toBeVisible();
  // The same with another wallet instead.
  await visitor.connectSlow();
  await page.reload();
  await page.getByRole("button", { name: ADDRESS }).click();
  await page.getByRole("button", { name: "Disconnect" }).click();
  await visitor.connect();
  const burner = await page.getByRole("button", { name: ADDRESS }).textContent();
  await letConnect(page);
  await twoFrames(page);
  await expect(page.getByRole("button", { name: ADDRESS })).toHaveText(burner ?? "");
});

test("nothing is sent before the wallet has reconnected, however long it takes", async ({ visitor, page }) => {
  await page.addInitScript(refuser, { chain: "solana:localnet", address: market().keys["consumer"]?.address ?? "", slow: true });
  await page.clock.install();
  await visitor.arrive("/jobs");
  await visitor.connectSlow();
  await page.reload();
  await page.getByLabel("Amount").fill("1");
  const deposit = page.getByRole("button", { name: "Deposit" });
  await deposit.click();
  const dialog = page.getByRole("dialog");
  await expect(dialog.getByText("Refuser has not reconnected yet; try again in a moment")).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(dialog).toHaveCount(0);
  await page.clock.fastForward(60_000);
  await expect(page.getByRole("button", { name: "Connect wallet" })).toBeVisible();
  await letConnect(page);
  await expect(page.getByRole("button", { name: ADDRESS })).toBeVisible();
  await page.getByLabel("Amount").fill("1");
  await deposit.click();
  await dialog.getByRole("button", { name: "Sign and send" }).click();
  await expect(dialog.getByText("you did not sign, so nothing was sent")).toBeVisible();
});

test("a wallet that was removed from the browser is forgotten", async ({ visitor, page }) => {
  await page.clock.install();
  await visitor.arrive("/");
  const address = market().keys["consumer"]?.address ?? "";
  const last = () => page.evaluate(() => localStorage.getItem("ionet.wallet"));
  await page.evaluate((address) => localStorage.setItem("ionet.wallet", `${address} Gone`), address);
  await page.reload();
  await expect(page.getByRole("button", { name: ADDRESS })).toBeVisible();
  await page.clock.fastForward(60_000);
  await expect(page.getByRole("button", { name: "Connect wallet" })).toBeVisible();
  await expect.poll(last).toBeNull();
});

test("without storage every page works, except for what needs it", async ({ visitor, page }) => {
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
  await page.getByLabel("Fee per side").fill("0.7");
  await page.getByRole("button", { name: "Continue to signing" }).click();
  await expect(page.getByText("this browser stores no data for this site", { exact: false })).toBeVisible();
});

test("an invalid address and a missing page are reported", async ({ visitor, page }) => {
  await visitor.arrive("/jobs/not-an-address");
  await expect(page.getByText("is not a valid address")).toBeVisible();
  await visitor.arrive("/nowhere");
  await expect(page.getByText("This page does not exist.")).toBeVisible();
});
