import type { Page, Route } from "@playwright/test";
import { GOVERNANCE_PROPOSAL_AT } from "../src/generated/offsets";
import { expect, holdBack, isToNode, market, test, Visitor } from "./fixture";

const DAY = 86_400;

/** Calls the market's node. */
async function rpc<Result>(method: string, params: unknown[]): Promise<Result> {
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
  const answer = await fetch(market().rpc, { method: "POST", headers: { "content-type": "application/json" }, body });
  const { result, error } = (await answer.json()) as { result: Result; error?: { message: string } };
  if (error) throw new Error(error.message);
  return result;
}

/** Moves the chain's clock forward. */
async function skip(seconds: number): Promise<void> {
  const { value } = await rpc<{ value: { data: [string, string] } }>("getAccountInfo", ["SysvarC1ock11111111111111111111111111111111", { encoding: "base64" }]);
  const now = Number(Buffer.from(value.data[0], "base64").readBigInt64LE(32));
  await rpc("surfnet_timeTravel", [{ absoluteTimestamp: (now + seconds) * 1000 }]);
}

/** An unused proposal number. */
const OTHER = 999;

/** Makes the page see another proposal at this address, which differs only in its number, until its routes are removed. */
async function takePlace(page: Page, address: string): Promise<void> {
  const answer = async (route: Route) => {
    const { method, params } = route.request().postDataJSON() as { method: string; params: unknown[] };
    if (method !== "getAccountInfo" || params[0] !== address) return route.continue();
    const response = await route.fetch();
    const text = await response.text();
    const [, data = ""] = /"data":\["([^"]+)/.exec(text) ?? [];
    const bytes = Buffer.from(data, "base64");
    bytes.writeBigUInt64LE(BigInt(OTHER), GOVERNANCE_PROPOSAL_AT.index);
    return route.fulfill({ response, body: text.replace(data, bytes.toString("base64")) });
  };
  await page.route(isToNode, answer);
}

/** Values to propose: the projects share a market, and each must change something. */
const WANTED: Record<string, { fee: string; multiplier: string }> = {
  desktop: { fee: "0.3", multiplier: "1.75" },
  phone: { fee: "0.4", multiplier: "1.8" },
};

/** Fills in a proposal of two steps. */
async function write(page: Page, title: string, { fee, multiplier }: { fee: string; multiplier: string }): Promise<void> {
  await page.getByLabel("Title").fill(title);
  await page.getByLabel("Why").fill("Because we can.\n<img src=x onerror=alert(1)>");
  await page.getByLabel("Fee per side").fill("11");
  await expect(page.getByText("at most 10 % (fixed limit)")).toBeVisible();
  await expect(page.getByRole("button", { name: "Continue to signing" })).toBeDisabled();
  await page.getByLabel("Fee per side").fill(fee);
  await page.getByRole("button", { name: "Add a step" }).click();
  await page.getByLabel("Action").nth(1).selectOption({ label: "Set GPU model" });
  await page.getByLabel("GPU model", { exact: true }).selectOption({ label: "RTX 4090" });
  await page.getByLabel("Earning multiplier").fill(multiplier);
}

test("a proposal is made in the browser, voted on, counted, executed and closed", async ({ visitor, page }, { project }) => {
  await visitor.arrive("/governance/new", "supplier");
  await visitor.connect();
  const wanted = WANTED[project.name] ?? { fee: "0.5", multiplier: "1.9" };
  await write(page, `Fees, from a ${project.name}`, wanted);
  await visitor.inspect();
  await page.getByRole("button", { name: "Continue to signing" }).click();
  await expect(page.getByText("The text is in the blob store")).toBeVisible();
  const next = page.getByRole("button", { name: /^Sign the (next|last)/ });
  await expect(next).toBeVisible();
  await visitor.inspect();
  for (let last = false; !last; ) {
    await expect(next).toBeEnabled();
    last = /last/.test((await next.textContent()) ?? "");
    await next.click();
    await visitor.sign();
  }
  await page.waitForURL(/\/governance\/\w{32,}/);
  await expect(page.getByText(/^Voting ends in \d/)).toBeVisible();

  const steps = page.getByRole("region", { name: "Step 1" });
  await expect(steps.getByRole("row", { name: new RegExp(`Fee per side .* ${wanted.fee} %`) })).toBeVisible();
  await expect(page.getByRole("row", { name: new RegExp(`Earning multiplier .* ${wanted.multiplier} ×`) })).toBeVisible();
  await page.getByRole("button", { name: "Show the text" }).click();
  await expect(page.getByText("<img src=x onerror=alert(1)>")).toBeVisible();

  const yes = page.getByRole("radio", { name: /^Yes/ });
  await yes.check();
  await page.getByRole("button", { name: "Vote yes" }).click();
  await expect(page.getByRole("dialog", { name: /^Vote yes on proposal \d+ with/ })).toBeVisible();
  await takePlace(page, page.url().replace(/.*\//, ""));
  await visitor.sign();
  // Neither the choice nor the votes of one proposal apply to another at its address.
  await expect(page.getByRole("heading", { name: `${OTHER}: ` })).toBeVisible();
  await expect(yes).not.toBeChecked();
  await expect(page.getByText("Nobody has voted yet.")).toBeVisible();
  await page.unrouteAll({ behavior: "wait" });
  await page.reload();
  await expect(page.getByText(/is currently passing/)).toBeVisible();
  await page.getByRole("radio", { name: /^No/ }).check();
  await page.getByRole("button", { name: "Vote no" }).click();
  await visitor.sign();
  await expect(page.getByText(/is currently not passing/)).toBeVisible();
  await page.getByRole("radio", { name: /^Yes/ }).check();
  await page.getByRole("button", { name: "Vote yes" }).click();
  await visitor.sign();
  await expect(page.getByText(/is currently passing/)).toBeVisible();
  await visitor.inspect();

  // A slow indexer does not block the next step, because the chain has already confirmed it.
  const release = await holdBack(page, "**/v1/votes?*");
  await skip(7 * DAY);
  await expect(page.getByText(/^The vote is over\. Counting the votes/)).toBeVisible();
  await page.getByRole("button", { name: "Count votes" }).click();
  await visitor.sign();
  await expect(page.getByText(/It passed and can be executed in/)).toBeVisible();
  await skip(2 * DAY);
  await expect(page.getByText(/^It passed\. Anyone can execute it/)).toBeVisible();
  await page.getByRole("button", { name: "Execute" }).click();
  await visitor.sign();
  await release();
  await expect(page.getByRole("heading", { name: "Execute step 2 of 2" })).toBeVisible();
  await page.getByRole("button", { name: "Execute" }).click();
  await visitor.sign();
  await expect(page.getByText("It passed and was executed in full.")).toBeVisible();
  await visitor.inspect();

  await page.getByRole("button", { name: "Close the proposal" }).click();
  await visitor.sign();
  await expect(page.getByText("This proposal has ended and was closed", { exact: false })).toBeVisible();
  await visitor.inspect();
});

test("a draft is continued after a reload, and cancelled", async ({ visitor, page }, { project }) => {
  // The list also has the other project's draft.
  const title = `A long one, for the ${project.name}`;
  await visitor.arrive("/governance/new", "supplier");
  await visitor.connect();
  await page.getByLabel("Title").fill(title);
  await page.getByLabel("Why").fill("To see it go on.");
  for (const [place, value] of ["0.31", "0.32", "0.33", "0.34"].entries()) {
    if (place > 0) await page.getByRole("button", { name: "Add a step" }).click();
    await page.getByLabel("Fee per side").nth(place).fill(value);
  }
  await page.getByRole("button", { name: "Continue to signing" }).click();
  const next = page.getByRole("button", { name: /^Sign the next of \d transactions$/ });
  await expect(next).toBeVisible();
  // Before anything is signed, the draft is only in this browser.
  await page.reload();
  const resume = page.getByRole("article", { name: title }).getByRole("button", { name: "Continue" });
  await expect(resume).toBeVisible();
  await visitor.inspect();
  await resume.click();
  await next.click();
  await visitor.sign();
  await expect(page.getByText(/^Created/)).toBeVisible();
  await page.goto(`${market().web}/governance`);
  await page.getByRole("link", { name: title }).click();
  await expect(page.getByText(/^Created/)).toBeVisible();
  await expect(page.getByText("Pay the deposit and open the vote", { exact: false })).toBeVisible();
  await visitor.inspect();
  await page.getByRole("button", { name: "Cancel the proposal" }).click();
  await visitor.sign();
  await expect(page.getByText("The proposer cancelled it.")).toBeVisible();
});

test("a representative votes for a wallet until it is removed", async ({ visitor, page, browser }) => {
  await visitor.arrive("/governance", "second-supplier");
  await visitor.connect();
  await page.getByLabel("Representative's wallet").fill("nobody");
  await page.getByRole("button", { name: "Name representative" }).click();
  await expect(page.getByText("is not a valid address", { exact: false })).toBeVisible();
  await page.getByLabel("Representative's wallet").fill(market().keys["supplier"]?.address ?? "");
  await page.getByRole("button", { name: "Name representative" }).click();
  await expect(page.getByRole("dialog", { name: /^Name this wallet's representative: \w{32,}$/ })).toBeVisible();
  await visitor.sign();
  await expect(page.getByText(/votes with your stake whenever/)).toBeVisible();
  const named = new Visitor(await browser.newPage());
  await named.arrive("/governance", "supplier");
  await named.connect();
  await expect(named.page.getByText("For wallets that you represent")).toBeVisible();
  await named.page.close();
  await page.getByRole("button", { name: "Remove representative" }).click();
  await visitor.sign();
  await expect(page.getByLabel("Representative's wallet")).toBeVisible();
});
