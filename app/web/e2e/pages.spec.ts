import { expect, holdBack, letConnect, market, refuser, test } from "./fixture";

const pages = () => {
  const { devices, offers, convicted } = market();
  return ["/", "/jobs", "/jobs/new", "/devices", `/devices/${devices[0]}`, "/co-staking", `/co-staking/${offers[0]}`, "/rewards", "/governance", "/disputes", `/disputes/${convicted}`];
};

test("every page passes axe in light and dark mode, and does not scroll sideways", async ({ visitor, page, isMobile }) => {
  for (const path of pages()) {
    await visitor.arrive(path);
    await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
    await expect(page.getByText("Loading…")).toHaveCount(0);
    if (isMobile) {
      const widths = await page.locator(".scroll").evaluateAll((tables) => tables.map(({ scrollWidth, clientWidth }) => [scrollWidth, clientWidth]));
      for (const [wide, seen] of widths) expect(wide, "a table is cut").toBe(seen);
    }
    for (const colorScheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme });
      await visitor.inspect();
    }
  }
});

test("a page does not move while it loads", async ({ visitor, page }) => {
  await visitor.watch();
  for (const path of ["/", "/devices", "/rewards", "/governance", `/jobs/${market().jobs[0]}`]) {
    // The chain answers first, the indexer after it.
    const release = await holdBack(page, /\/v1\/(?!stream)/);
    await visitor.arrive(path);
    await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
    await release();
    await visitor.stands();
  }
});

test("a page does not move when its wallet reconnects", async ({ visitor, page }) => {
  await page.addInitScript(refuser, { chain: "solana:localnet", address: market().keys["supplier"]?.address ?? "", slow: true });
  await visitor.watch();
  await visitor.arrive("/");
  await visitor.connectSlow();
  await expect(page.locator(".balance")).toBeVisible();
  for (const path of ["/", "/jobs", "/devices", `/devices/${market().devices[0]}`, "/co-staking", "/rewards", "/governance"]) {
    await visitor.arrive(path);
    await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
    await visitor.stands();
    await letConnect(page);
    await visitor.stands();
  }
});

test("few hourly prices are bars; more are lines whose legend has the latest", async ({ visitor, page }) => {
  const at = 500_000 * 3_600;
  let hours = 2;
  await page.route("**/v1/prices?*", (route) => {
    const prices = (of: number) => ({ jobs: 1, units: 1, low: of, mean: of, high: of });
    const row = (hour: number) => ({ hour: at + hour * 3_600, gpu_model: 9, ...prices(100_000 + hour * 1_000) });
    const rows = Array.from({ length: hours }, (_, hour) => row(hour));
    return route.fulfill({ json: { rows } });
  });
  await visitor.arrive("/");
  const prices = page.getByLabel(/^Price per unit over the last week/);
  await expect(prices.getByText(/^0\.001/)).toHaveText(["0.00101", "0.001"]);
  hours = 6;
  await page.reload();
  await expect(prices.getByText(/^0\.001/)).toHaveText(["0.00105"]);
});

test("the keyboard reaches the menu, or skips to the content", async ({ visitor, page, isMobile }) => {
  test.skip(isMobile, "a phone has no Tab key");
  await visitor.arrive("/");
  await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
  await page.keyboard.press("Tab");
  await expect(page.getByText("Skip to content")).toBeFocused();
  await page.keyboard.press("Enter");
  await expect(page.getByRole("main")).toBeFocused();
  // Another page is read from its beginning.
  const link = page.getByRole("link", { name: "Disputes" });
  await link.focus();
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { name: "Disputes" })).toBeVisible();
  await expect(page.getByRole("main")).toBeFocused();
  expect(await page.evaluate(() => scrollY), "the menu stays in sight").toBe(0);
});

test("the first load takes at most 250 KB of compressed script", async ({ visitor, page }) => {
  await visitor.arrive("/");
  await expect(page.getByText("GPUs registered")).toBeVisible();
  await page.waitForLoadState("networkidle");
  const bytes = await page.evaluate(() =>
    performance
      .getEntriesByType("resource")
      .map((entry) => entry as PerformanceResourceTiming)
      .filter(({ name }) => name.endsWith(".js"))
      .reduce((sum, { encodedBodySize }) => sum + encodedBodySize, 0),
  );
  expect(bytes).toBeGreaterThan(50_000);
  expect(bytes).toBeLessThanOrEqual(250_000);
});
