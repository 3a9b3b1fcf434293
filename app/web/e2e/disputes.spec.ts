import { COMPUTING, expect, market, test } from "./fixture";

test("a conviction is explained: what was wrong, who was paid, every transaction", async ({ visitor, page }) => {
  await visitor.arrive("/disputes");
  const row = page.getByRole("row").filter({ has: page.getByTitle(market().convicted) });
  await row.getByRole("link").first().click();
  await page.waitForURL(`**/disputes/${market().convicted}`);
  await expect(page.getByText(/^wrong element/)).toBeVisible();
  await expect(page.getByText(/In unit \d+, op \d+ \(.*\), element \d+: the op makes -?\d+ of its inputs, and the device committed to -?\d+/)).toBeVisible();
  await expect(page.getByText("the chain convicted the device")).toBeVisible();
  await expect(page.getByText("the challenger was paid")).toBeVisible();
  await visitor.inspect();
});

test("a browser finds the same lie by itself", async ({ visitor, page }) => {
  await visitor.arrive(`/jobs/${market().convicted}`);
  await expect(page.getByText("This result was proved wrong.")).toBeVisible();
  await page.getByRole("button", { name: "Recompute in this browser" }).click();
  await expect(page.getByText(/The first difference is in unit \d+, op \d+/)).toBeVisible(COMPUTING);
  await visitor.inspect();
});
