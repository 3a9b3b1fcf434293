import { COMPUTING, expect, market, test } from "./fixture";

test("a conviction is explained, with its payments and transactions", async ({ visitor, page }) => {
  await visitor.arrive("/disputes");
  const row = page.getByRole("row").filter({ has: page.getByTitle(market().convicted) });
  await row.getByRole("link").first().click();
  await page.waitForURL(`**/disputes/${market().convicted}`);
  await expect(page.getByText(/^wrong element/)).toBeVisible();
  await expect(page.getByText(/In unit \d+, op \d+ \(.*\), element \d+: the op's inputs give -?\d+, but the device committed to -?\d+/)).toBeVisible();
  await expect(page.getByText("the chain convicted the device")).toBeVisible();
  await expect(page.getByText("the challenger was paid")).toBeVisible();
  await visitor.inspect();
});

test("a browser finds the same fault on its own", async ({ visitor, page }) => {
  await visitor.arrive(`/jobs/${market().convicted}`);
  await expect(page.getByText("This result was proven wrong.")).toBeVisible();
  await page.getByRole("button", { name: "Recompute in this browser" }).click();
  await expect(page.getByText(/The first difference is in unit \d+, op \d+/)).toBeVisible(COMPUTING);
  await visitor.inspect();
});
