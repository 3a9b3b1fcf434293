import { address, getBase58Decoder } from "@solana/kit";
import { getExitDiscriminatorBytes, getExitEncoder } from "../src/generated/costaking/accounts/exit";
import { expect, isToNode, market, test } from "./fixture";

test("a device is registered with a key made in the browser, staked on, offered to co-stakers and given a new key", async ({ visitor, page }) => {
  // Retired devices count only in `gpus_registered`.
  const figures = { devices: 40, gpus: 41, gpus_registered: 42, gpus_staked: 0, gpus_verified: 0, gpus_busy: 0, staked: 0 };
  await page.route("**/v1/network", (route) => route.fulfill({ json: figures }));
  await visitor.arrive("/devices");
  await expect(page.getByText("GPUs registered").locator("xpath=following-sibling::dd[1]")).toHaveText("41");
  await expect(page.getByTitle(market().devices[0] ?? "", { exact: true }), "it is listed once").toHaveCount(1);
  await visitor.connect();
  await page.getByRole("button", { name: "Register a device" }).click();
  const form = page.getByRole("form", { name: /./ });
  const model = form.getByLabel("GPU model");
  const name = await model.getByRole("option", { name: /^RTX 4090 \(/ }).textContent();
  await model.selectOption({ label: name ?? "" });
  const saved = page.waitForEvent("download");
  await page.getByRole("button", { name: "Create and save the key" }).click();
  expect((await saved).suggestedFilename()).toMatch(/\.json$/);
  await expect(page.getByRole("button", { name: "Register", exact: true })).toBeDisabled();
  await page.getByLabel(/I have saved the file/).check();
  await page.getByRole("button", { name: "Register", exact: true }).click();
  await visitor.sign();
  await expect(page.getByText("The device is registered")).toBeVisible();
  await visitor.inspect();
  await page.getByRole("link", { name: "Stake on it" }).click();

  await page.getByLabel("Amount to stake").fill("400");
  await page.getByRole("button", { name: "Stake", exact: true }).click();
  await expect(page.getByText("−400 $IO")).toBeVisible();
  await visitor.sign();
  await expect(page.getByText("400 $IO").first()).toBeVisible();
  await page.getByLabel("Capacity").fill("100");
  await page.getByRole("button", { name: "Make offer" }).click();
  await visitor.sign();
  await expect(page.getByRole("region", { name: "Offers to co-stakers" }).getByRole("link")).toBeVisible();

  const replaced = page.waitForEvent("download");
  await page.getByRole("button", { name: "Create and save the key" }).click();
  const file = (await replaced).suggestedFilename();
  await page.getByLabel(/I have saved the file/).check();
  await page.getByRole("button", { name: "Replace the key" }).click();
  await visitor.sign();
  await expect(page.getByText(new RegExp(`^ionet-worker --keypair ${file} .* --device \\w+$`))).toBeVisible();
  const payee = market().keys["supplier"]?.address ?? "";
  const wallet = page.getByLabel("Payout wallet", { exact: true });
  const { mint } = (await (await fetch(`${market().web}/config.json`)).json()) as { mint: string };
  await wallet.fill(mint);
  await page.getByRole("button", { name: "Change wallet" }).click();
  await expect(page.getByText(/^This is the address of a token account or a mint/)).toBeVisible();
  await wallet.fill(payee);
  await page.getByRole("button", { name: "Change wallet" }).click();
  await visitor.sign();
  await expect(page.getByText("Job payments go to").locator("xpath=following-sibling::dd").getByTitle(payee)).toBeVisible();
  await visitor.inspect();
});

test("a wallet joins an offer", async ({ visitor, page }) => {
  await visitor.arrive(`/co-staking/${market().offers[0]}`);
  await visitor.connect();
  await page.getByLabel("Amount to stake").fill("1");
  await page.getByRole("button", { name: "Join" }).click();
  // Once next to the field, and once above the button.
  await expect(page.getByRole("alert").filter({ hasText: /at least 10 \$IO/i })).toHaveCount(2);
  await page.getByLabel("Amount to stake").fill("20");
  await page.getByRole("button", { name: "Join" }).click();
  await expect(page.getByText("−20 $IO")).toBeVisible();
  await visitor.sign();
  await expect(page.getByRole("region", { name: /^Position/ })).toBeVisible();
  await visitor.inspect();
});

test("an exit of a closed device shows its rewards and can be withdrawn", async ({ visitor, page }) => {
  const [device, offer] = [market().devices[1] ?? "", address(market().offers[0] ?? "")];
  const times = { coolsAt: 1, endsAt: 2, fromHour: 1, untilHour: 2, settled: true, ended: true, cooling: true };
  const books = { shares: 1, coolingShares: 0, rewardIndex: 0, rewards: 150_000_000, bump: 0, version: 1, reserved: new Uint8Array(11) };
  const exit = getExitEncoder().encode({ offer, holder: address(market().keys["consumer"]?.address ?? ""), ...times, ...books });
  const data = [Buffer.from(exit).toString("base64"), "base64"];
  const account = { data, executable: false, lamports: 1, owner: offer, space: exit.length };
  const exits = getBase58Decoder().decode(getExitDiscriminatorBytes());
  await page.route(isToNode, async (route) => {
    const { method, params } = route.request().postDataJSON() as { method: string; params: [of: string | string[], how?: object] };
    const answer = (await (await route.fetch()).json()) as { result: unknown };
    const found = answer.result as { value: unknown } & unknown[];
    if (method === "getAccountInfo" && params[0] === device) found.value = null;
    if (method === "getMultipleAccounts") {
      found.value = (found.value as unknown[]).map((one, at) => (params[0][at] === device ? null : one));
    }
    if (method === "getProgramAccounts" && JSON.stringify(params[1]).includes(`"${exits}"`)) found.push({ pubkey: device, account });
    await route.fulfill({ json: answer });
  });
  await visitor.arrive("/co-staking", "consumer");
  await visitor.connect();
  await page.getByRole("link", { name: "ready to withdraw" }).click();
  await expect(page.getByText("The device of this offer is closed")).toBeVisible();
  const part = page.getByRole("region", { name: /^Exit/ });
  await expect(part.getByText("1.5 $IO")).toBeVisible();
  await expect(part.getByRole("button", { name: "Withdraw" })).toBeEnabled();
});

test("a co-staker claims the rewards of its hours", async ({ visitor, page, isMobile }) => {
  test.skip(isMobile, "on a desktop the rewards were claimed just before");
  await visitor.arrive("/rewards", "consumer");
  await visitor.connect();
  await page.getByRole("button", { name: "Claim rewards" }).first().click();
  await expect(page.getByText(/\+[\d,.]+ \$IO/)).toBeVisible();
  await visitor.sign();
  await expect(page.getByText("This wallet has not claimed any rewards yet.")).toHaveCount(0);
  await visitor.inspect();
});

test("a supplier claims its device's rewards", async ({ visitor, page, isMobile }) => {
  test.skip(!isMobile, "on a phone, where nothing was claimed before");
  await visitor.arrive(`/devices/${market().devices[0]}`, "supplier");
  await visitor.connect();
  await page.getByRole("button", { name: "Claim rewards" }).click();
  await expect(page.getByText(/\+[\d,.]+ \$IO/)).toBeVisible();
  await visitor.sign();
  await visitor.inspect();
});

test("connecting a wallet keeps the filters of the offers", async ({ visitor, page }) => {
  await visitor.arrive("/co-staking");
  const sort = page.getByLabel("Sort by");
  await sort.selectOption({ label: "Best record" });
  await visitor.connect();
  await expect(page.getByRole("heading", { name: "Your co-stake" })).toBeVisible();
  await expect(page.getByText("You have no co-stake yet", { exact: false })).toBeVisible();
  await expect(sort.locator("option:checked")).toHaveText("Best record");
});

test("a dialog fits a small phone and returns the focus", async ({ visitor, page }) => {
  await page.setViewportSize({ width: 360, height: 640 });
  await visitor.arrive(`/devices/${market().devices[0]}`, "supplier");
  await visitor.connect();
  await page.getByLabel("Amount to stake").fill("1");
  const stake = page.getByRole("button", { name: "Stake", exact: true });
  await stake.click();
  const dialog = page.getByRole("dialog");
  await expect(dialog.getByRole("heading", { name: /^Stake 1 \$IO on device \w{32,}$/ })).toBeVisible();
  const [wide, seen] = await dialog.evaluate(({ scrollWidth, clientWidth }) => [scrollWidth, clientWidth]);
  expect(wide, "the dialog scrolls sideways").toBeLessThanOrEqual(seen ?? 0);
  await dialog.getByRole("button", { name: "Cancel" }).click();
  await dialog.getByRole("button", { name: "Close" }).last().click();
  await expect(stake).toBeFocused();
});

test("the income chart moves on when its list is full", async ({ visitor, page }) => {
  await page.clock.install();
  const device = market().devices[0] ?? "";
  let newest = 500_001;
  await page.route("**/v1/rewards?*", (route) => {
    const hours = route.request().url().includes(device) ? Array.from({ length: 200 }, (_, back) => newest - back) : [];
    const rows = hours.map((hour) => ({ id: hour, device, hour: hour * 3_600, reward: hour, time: null }));
    return route.fulfill({ json: { rows, next: null } });
  });
  await visitor.arrive("/rewards", "supplier");
  await visitor.connect();
  const chart = (last: number) => page.getByRole("img", { name: new RegExp(`Rewards per hour.*Devices: latest 0\\.00${last}`) });
  await expect(chart(newest)).toBeVisible();
  newest += 1;
  // Returning to the page after a while shows the new hour.
  await page.clock.fastForward(10_000);
  await page.evaluate(() => document.dispatchEvent(new Event("visibilitychange", { bubbles: true })));
  await expect(chart(newest)).toBeVisible();
});

test("a chart is drawn again when the theme changes, but not because the page is refreshed", async ({ visitor, page }) => {
  await page.clock.install();
  const device = market().devices[0] ?? "";
  await page.route("**/v1/rewards?*", (route) => {
    const rows = Array.from({ length: 10 }, (_, back) => ({ id: back, device, hour: (500_000 - back) * 3_600, reward: 1_000, time: null }));
    return route.fulfill({ json: { rows, next: null } });
  });
  await visitor.arrive(`/devices/${device}`);
  await page.locator(".chart canvas").evaluate((canvas) => canvas.setAttribute("data-first", ""));
  // After the second answer, the page has shown the first.
  for (let times = 0; times < 2; times++) {
    const answered = page.waitForResponse((response) => response.request().postData()?.includes(device) ?? false);
    await page.clock.fastForward(10_000);
    await page.evaluate(() => document.dispatchEvent(new Event("visibilitychange", { bubbles: true })));
    await answered;
  }
  const first = page.locator(".chart canvas[data-first]");
  await expect(first).toHaveCount(1);
  await page.emulateMedia({ colorScheme: "dark" });
  await expect(first).toHaveCount(0);
});
