import { fileURLToPath } from "node:url";
import { expect, market, test } from "../e2e/fixture";

const folder = fileURLToPath(new URL("../../../docs/images/", import.meta.url));

for (const [name, path] of [
  ["market", () => "/"],
  ["dispute", () => `/disputes/${market().convicted}`],
  ["offer", () => `/co-staking/${market().offers[0]}`],
  ["governance", () => "/governance"],
] as const) {
  test(name, async ({ visitor, page }) => {
    await visitor.arrive(path(), "consumer");
    await visitor.connect();
    await expect(page.getByText("Loading…")).toHaveCount(0);
    await page.screenshot({ path: `${folder}${name}.png` });
  });
}

test("job", async ({ visitor, page }) => {
  await visitor.arrive("/jobs/new");
  await visitor.connect();
  await page.getByRole("button", { name: "Use the sample photo" }).click();
  await page.getByRole("button", { name: "Open the job" }).click();
  await page.getByRole("button", { name: "Sign and send" }).click();
  await page.waitForURL(/\/jobs\/\w{32,}/);
  await expect(page.getByRole("img", { name: "Result" })).toBeVisible();
  await page.getByRole("button", { name: "Recompute in this browser" }).click();
  await expect(page.getByText("Everything the device committed to matches the recomputation.")).toBeVisible();
  await page.locator("section.card").filter({ hasText: "Verify it yourself" }).screenshot({ path: `${folder}job.png` });
});
