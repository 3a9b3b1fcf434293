import type { Route } from "@playwright/test";
import { address, type Address } from "@solana/kit";
import { findEscrowPda } from "../src/generated/jobs/pdas/escrow";
import { COMPUTING, expect, holdBack, isToNode, market, test, twoFrames } from "./fixture";

test("a photo is enlarged, shown, verified in the browser and paid", async ({ visitor, page }) => {
  const uploads: string[] = [];
  page.on("request", (request) => request.method() === "PUT" && uploads.push(request.url()));
  await visitor.arrive("/jobs/new");
  await visitor.connect();
  await page.getByLabel("Model", { exact: true }).selectOption({ label: "upscale: enlarge a photo" });
  await page.getByRole("button", { name: "Use the sample photo" }).click();
  await expect(page.getByText(/devices can take this job/)).toBeVisible();
  await page.getByRole("radio", { name: /Quick/ }).check();
  await visitor.inspect();
  await page.getByRole("button", { name: "Open the job" }).click();
  await expect(page.getByText("A simulation on the chain shows these changes")).toBeVisible();
  expect(uploads, "the photo is uploaded only after the confirmation").toEqual([]);
  await page.getByRole("button", { name: "Sign and send" }).click();
  await page.waitForURL(/\/jobs\/\w{32,}/);
  expect(uploads.length).toBe(1);
  await expect(page.getByRole("img", { name: "Your photo" })).toBeVisible();
  const result = page.getByRole("img", { name: "Result" });
  await expect(result).toBeVisible(COMPUTING);
  const sizes = await Promise.all(
    [page.getByRole("img", { name: "Your photo" }), result].map((picture) => picture.evaluate((canvas: HTMLCanvasElement) => canvas.width)),
  );
  expect(sizes[1]).toBe(2 * (sizes[0] ?? 0));
  await page.getByRole("button", { name: "Recompute in this browser" }).click();
  await expect(page.getByText("Everything the device committed to matches the recomputation.")).toBeVisible(COMPUTING);
  await expect(page.getByText(/^Paid; the result arrived/)).toBeVisible(COMPUTING);
  await expect(page.getByText("job settled")).toBeVisible();
  await visitor.inspect();

  // Its pictures have their room before they arrive.
  await visitor.watch();
  const release = await holdBack(page, /\/[0-9a-f]{64}$/);
  await page.reload();
  await expect(page.getByRole("button", { name: "Recompute in this browser" })).toBeVisible();
  await expect(result).toHaveCount(0);
  await release();
  await expect(result).toBeVisible();
  await visitor.stands();
});

test("a picture is painted from a prompt, and words the model does not know are named", async ({ visitor, page }) => {
  await visitor.arrive("/jobs/new");
  await visitor.connect();
  await page.getByLabel("Model", { exact: true }).selectOption({ label: "imagine: paint a picture from a prompt" });
  await page.getByLabel("Prompt").fill("a red circle on a blue background");
  const ready = page.getByText(/devices can take this job/);
  await expect(ready).toBeVisible();
  await page.getByRole("radio", { name: /Quick/ }).check();
  await page.getByText("Value at risk", { exact: true }).click();
  const [most, risk] = [page.getByLabel("Maximum price per unit"), page.getByLabel("Cost of a wrong result to you")];
  await most.fill("0.003");
  await risk.fill("7");

  // Changing the prompt keeps the terms.
  await page.getByLabel("Prompt").fill("a purple giraffe");
  await expect(page.getByText(/does not know the word "giraffe"/)).toBeVisible();
  await expect(page.getByRole("button", { name: "Open the job" })).toBeDisabled();
  await page.getByLabel("Prompt").fill("a red circle on a green background");
  await expect(ready).toBeVisible();
  await expect(page.getByRole("radio", { name: /Quick/ })).toBeChecked();
  await expect(most).toHaveValue("0.003");
  await expect(risk).toHaveValue("7");
  await risk.fill("0");

  // Closing the dialog while the upload hangs signs nothing, and leaves the form ready for another attempt.
  const stored = /\/[0-9a-f]{64}$/;
  await page.route(stored, () => {});
  await page.getByRole("button", { name: "Open the job" }).click();
  await page.getByRole("button", { name: "Sign and send" }).click();
  const dialog = page.getByRole("dialog");
  await expect(dialog.getByText(/nothing has been signed yet/)).toBeVisible();
  await dialog.getByRole("button", { name: "Close" }).click();
  await expect(dialog.getByText("you did not sign, so nothing was sent")).toBeVisible();
  await dialog.getByRole("button", { name: "Close" }).last().click();
  await page.unroute(stored);
  // The dialog names the transaction while the node does not report it.
  const silence = (route: Route) =>
    route.request().postData()?.includes("getSignatureStatuses") ? route.fulfill({ status: 429 }) : route.continue();
  await page.route(isToNode, silence);

  // The indexer is behind: the chain has the job first.
  const unrecorded = /\/v1\/jobs\/\w{32,}/;
  await page.route(unrecorded, (route) => route.fulfill({ status: 404, json: { error: "nothing is known of it" } }));
  await page.getByRole("button", { name: "Open the job" }).click();
  await page.getByRole("button", { name: "Sign and send" }).click();
  await expect(dialog.getByText(/^Sent; waiting/)).toBeVisible();
  await expect(dialog.getByText(/^Transaction/)).toBeVisible();
  await page.unroute(isToNode);
  await page.waitForURL(/\/jobs\/\w{32,}/);
  await expect(page.getByText(/waiting for the indexer to record it/)).toBeVisible();
  await page.unroute(unrecorded);
  await expect(page.getByRole("img", { name: "a red circle on a green background" })).toBeVisible(COMPUTING);
});

test("a file that is not an image is refused before anything is sent", async ({ visitor, page }) => {
  await visitor.arrive("/jobs/new");
  await page.getByLabel("Photo").setInputFiles({ name: "x.png", mimeType: "image/png", buffer: Buffer.from("not an image") });
  await expect(page.getByText(/not an image, or it is damaged/)).toBeVisible();
});

test("terms that no device meets are explained, and cancelled replicas unlock the escrow", async ({ visitor, page }) => {
  await visitor.arrive("/jobs/new");
  await visitor.connect();
  await page.getByRole("button", { name: "Use the sample photo" }).click();
  await page.getByRole("radio", { name: /Two blind replicas/ }).check();
  const start = page.getByLabel("Starting price per unit");
  await start.fill("");
  await expect(page.getByText("Fill in all amounts")).toBeVisible();
  await expect(page.getByRole("button", { name: "Open the job" })).toBeDisabled();
  await start.fill("0.001");
  await page.getByText("Device requirements").click();
  const memory = page.getByLabel("Minimum GPU memory");
  await memory.fill("24 GB");
  await expect(page.getByRole("alert").getByText(/a whole number/).first()).toBeVisible();
  await expect(page.getByRole("button", { name: "Open the job" })).toBeDisabled();
  await memory.fill("2000");
  await expect(page.getByText("No device can take this job now.")).toBeVisible();
  await expect(page.getByText(/not enough GPU memory/)).toBeVisible();
  await page.getByRole("button", { name: "Open the job" }).click();
  await page.getByRole("button", { name: "Sign and send" }).click();
  await page.waitForURL(/\/jobs\/\w{32,}/);

  // Either page cancels both.
  await page.getByText("Replica 2", { exact: true }).locator("xpath=following-sibling::dd").getByRole("link").click();
  await expect(page.getByText("this is 2 of 2")).toBeVisible();
  // Nothing here waits for the engine, and the other replica, which the chain reports late, moves nothing.
  const engine = await holdBack(page, /\.wasm$/);
  const release = await holdBack(page, isToNode, "getMultipleAccounts");
  await visitor.watch();
  const listed = page.waitForResponse("**/models/index.json");
  const address = new URL(page.url()).pathname.split("/").at(-1) ?? "";
  const asked = page.waitForRequest((request) => ["getMultipleAccounts", address].every((part) => request.postData()?.includes(part)));
  await page.reload();
  await Promise.all([listed, asked]);
  await twoFrames(page);
  await release();
  const cancel = page.getByRole("button", { name: "Cancel the replicas" });
  await expect(cancel).toBeVisible();
  await expect(page.getByText("this is 2 of 2")).toBeVisible();
  await engine();
  await visitor.stands();
  await cancel.click();
  await visitor.sign();
  await expect(page.getByText("The job ended without a result (cancelled)", { exact: false })).toBeVisible();

  await page.goto(`${market().web}/jobs`);
  const figure = (name: string) => page.getByText(name, { exact: true }).locator("xpath=following-sibling::dd[1]");
  await expect(figure("Locked for open jobs")).toHaveText("0 $IO");
  await page.getByLabel("Amount").fill((await figure("Available").textContent())?.replace(" $IO", "") ?? "");
  await page.getByRole("button", { name: "Withdraw" }).click();
  await visitor.sign();
  await page.getByRole("button", { name: "Close escrow" }).click();
  await visitor.sign();
  await expect(page.getByRole("button", { name: "Close escrow" })).toHaveCount(0);
});

test("a job is opened only once the wallet's escrow is known", async ({ visitor, page }) => {
  const { mint } = (await (await fetch(`${market().web}/config.json`)).json()) as { mint: Address };
  const [escrow] = await findEscrowPda({ owner: address(market().keys["consumer"]?.address ?? ""), mint });
  const release = await holdBack(page, isToNode, escrow);
  await visitor.arrive("/jobs/new", "consumer");
  await visitor.connect();
  await page.getByRole("button", { name: "Use the sample photo" }).click();
  await expect(page.getByText(/devices can take this job/)).toBeVisible();
  const open = page.getByRole("button", { name: "Open the job" });
  await expect(open).toBeDisabled();
  await release();
  await expect(open).toBeEnabled();
  await page.getByLabel("Chance of an audit").fill("101");
  await expect(page.getByText("The chance of an audit is at most 100 %")).toBeVisible();
  await expect(open).toBeDisabled();
  await page.getByLabel("Chance of an audit").fill("10");
  await expect(open).toBeEnabled();
  await page.getByRole("radio", { name: /Two blind replicas/ }).check();
  await expect(page.getByLabel("Chance of an audit")).toHaveCount(0);
});

test("the value at risk raises the bond", async ({ visitor, page }) => {
  await visitor.arrive("/jobs/new");
  await page.getByRole("button", { name: "Use the sample photo" }).click();
  const stake = page.getByText("Bond of each device, at most").locator("xpath=following-sibling::dd");
  const before = await stake.textContent();
  await page.getByText("Value at risk", { exact: true }).click();
  await page.getByLabel("Cost of a wrong result to you").fill("1000000");
  await expect(stake).not.toHaveText(before ?? "");
  await expect(page.getByText("not enough free stake for the bond", { exact: false })).toBeVisible();
  await page.getByLabel("Cost of a wrong result to you").fill("90000000000");
  await expect(page.getByText(/^No device could post a bond/)).toBeVisible();
  await visitor.inspect();
});

test("somebody else's job is shown with its receipt, and its pictures on request", async ({ visitor, page }) => {
  const fetched: string[] = [];
  page.context().on("request", (request) => /\/[0-9a-f]{64}$/.test(request.url()) && fetched.push(request.url()));
  await visitor.arrive(`/jobs/${market().jobs[0]}`);
  await expect(page.getByText("Received by the supplier")).toBeVisible();
  await expect(page.getByRole("button", { name: "Recompute in this browser" })).toBeVisible();
  expect(fetched, "nothing from others is downloaded unasked").toEqual([]);
  await page.getByRole("button", { name: "Show the pictures" }).click();
  await expect(page.getByRole("img", { name: /^Result/ }).first()).toBeVisible();
  expect(fetched.length).toBe(1);
  await visitor.inspect();
});
