import type { Route } from "@playwright/test";
import { COMPUTING, expect, market, test } from "./fixture";

test("a photo is enlarged, shown, checked in the browser and paid", async ({ visitor, page }) => {
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
  await expect(page.getByText("this is what it would change")).toBeVisible();
  expect(uploads, "the photo leaves the machine after the yes").toEqual([]);
  await page.getByRole("button", { name: "Sign and send" }).click();
  await page.waitForURL(/\/jobs\/\w{32,}/);
  expect(uploads.length).toBe(1);
  await expect(page.getByRole("img", { name: "Your photo" })).toBeVisible();
  const result = page.getByRole("img", { name: "result" });
  await expect(result).toBeVisible(COMPUTING);
  const sizes = await Promise.all(
    [page.getByRole("img", { name: "Your photo" }), result].map((picture) => picture.evaluate((canvas: HTMLCanvasElement) => canvas.width)),
  );
  expect(sizes[1]).toBe(2 * (sizes[0] ?? 0));
  await page.getByRole("button", { name: "Recompute in this browser" }).click();
  await expect(page.getByText("All that the device committed to is what the model makes of the input.")).toBeVisible(COMPUTING);
  await expect(page.getByText(/^Paid; the result was there/)).toBeVisible(COMPUTING);
  await expect(page.getByText("job settled")).toBeVisible();
  await visitor.inspect();
});

test("a picture is painted from words, and words the model does not know are named", async ({ visitor, page }) => {
  await visitor.arrive("/jobs/new");
  await visitor.connect();
  await page.getByLabel("Model", { exact: true }).selectOption({ label: "imagine: paint a picture from words" });
  await page.getByLabel("Prompt").fill("a red circle on a blue background");
  const ready = page.getByText(/devices can take this job/);
  await expect(ready).toBeVisible();
  await page.getByRole("radio", { name: /Quick/ }).check();
  await page.getByText("What is at stake for you").click();
  const [most, risk] = [page.getByLabel("Price of a unit at most"), page.getByLabel("A wrong result could cost you")];
  await most.fill("0.003");
  await risk.fill("7");

  // Other words are ordered on the same terms.
  await page.getByLabel("Prompt").fill("a purple giraffe");
  await expect(page.getByText(/does not know the word "giraffe"/)).toBeVisible();
  await expect(page.getByRole("button", { name: "Open the job" })).toBeDisabled();
  await page.getByLabel("Prompt").fill("a red circle on a green background");
  await expect(ready).toBeVisible();
  await expect(page.getByRole("radio", { name: /Quick/ })).toBeChecked();
  await expect(most).toHaveValue("0.003");
  await expect(risk).toHaveValue("7");
  await risk.fill("0");

  // Whoever gives up while a store keeps the input waiting has signed nothing, and is free for another try.
  const stored = /\/[0-9a-f]{64}$/;
  await page.route(stored, () => {});
  await page.getByRole("button", { name: "Open the job" }).click();
  await page.getByRole("button", { name: "Sign and send" }).click();
  const dialog = page.getByRole("dialog");
  await expect(dialog.getByText(/nothing is signed yet/)).toBeVisible();
  await dialog.getByRole("button", { name: "Close" }).click();
  await expect(dialog.getByText("you did not sign, so nothing happened")).toBeVisible();
  await dialog.getByRole("button", { name: "Close" }).last().click();
  await page.unroute(stored);
  // What was sent is named as long as the node keeps silent about it.
  const silence = (route: Route) =>
    route.request().postData()?.includes("getSignatureStatuses") ? route.fulfill({ status: 429 }) : route.continue();
  const node = `${market().rpc.replace(/\/$/, "")}/**`;
  await page.route(node, silence);

  // An indexer that is behind: the chain has the job first.
  const unrecorded = /\/v1\/jobs\/\w{32,}/;
  await page.route(unrecorded, (route) => route.fulfill({ status: 404, json: { error: "nothing is known of it" } }));
  await page.getByRole("button", { name: "Open the job" }).click();
  await page.getByRole("button", { name: "Sign and send" }).click();
  await expect(dialog.getByText(/^Sent; waiting/)).toBeVisible();
  await expect(dialog.getByText(/^Transaction/)).toBeVisible();
  await page.unroute(node);
  await page.waitForURL(/\/jobs\/\w{32,}/);
  await expect(page.getByText(/its history is being recorded/)).toBeVisible();
  await page.unroute(unrecorded);
  await expect(page.getByRole("img", { name: "a red circle on a green background" })).toBeVisible(COMPUTING);
});

test("what is not an image is refused before anything is sent", async ({ visitor, page }) => {
  await visitor.arrive("/jobs/new");
  await page.getByLabel("Photo").setInputFiles({ name: "x.png", mimeType: "image/png", buffer: Buffer.from("not an image") });
  await expect(page.getByText(/not an image, or it is damaged/)).toBeVisible();
});

test("terms that no device meets say why, and what was set aside for replicas is had back", async ({ visitor, page }) => {
  await visitor.arrive("/jobs/new");
  await visitor.connect();
  await page.getByRole("button", { name: "Use the sample photo" }).click();
  await page.getByRole("radio", { name: /Two blind replicas/ }).check();
  await page.getByText("Only some devices").click();
  const memory = page.getByLabel("GPU memory at least");
  await memory.fill("24 GB");
  await expect(page.getByRole("alert").getByText(/a whole number/).first()).toBeVisible();
  await expect(page.getByRole("button", { name: "Open the job" })).toBeDisabled();
  await memory.fill("2000");
  await expect(page.getByText("No device can take this job now.")).toBeVisible();
  await expect(page.getByText(/too little GPU memory/)).toBeVisible();
  await page.getByRole("button", { name: "Open the job" }).click();
  await page.getByRole("button", { name: "Sign and send" }).click();
  await page.waitForURL(/\/jobs\/\w{32,}/);

  // From either of them both are taken back.
  await page.getByText("Number 2", { exact: true }).locator("xpath=following-sibling::dd").getByRole("link").click();
  await expect(page.getByText("number 2 of 2")).toBeVisible();
  await page.getByRole("button", { name: "Take them back" }).click();
  await visitor.sign();
  await expect(page.getByText("The job ended without a result (cancelled)", { exact: false })).toBeVisible();

  await page.goto(`${market().web}/jobs`);
  const figure = (name: string) => page.getByText(name, { exact: true }).locator("xpath=following-sibling::dd[1]");
  await expect(figure("Set aside for open jobs")).toHaveText("0 $IO");
  await page.getByLabel("Amount").fill((await figure("Free").textContent())?.replace(" $IO", "") ?? "");
  await page.getByRole("button", { name: "Withdraw" }).click();
  await visitor.sign();
  await page.getByRole("button", { name: "Close the escrow" }).click();
  await visitor.sign();
  await expect(page.getByRole("button", { name: "Close the escrow" })).toHaveCount(0);
});

test("what a wrong result could cost raises what devices have at stake", async ({ visitor, page }) => {
  await visitor.arrive("/jobs/new");
  await page.getByRole("button", { name: "Use the sample photo" }).click();
  const stake = page.getByText("What each device has at stake at most").locator("xpath=following-sibling::dd");
  const before = await stake.textContent();
  await page.getByText("What is at stake for you").click();
  await page.getByLabel("A wrong result could cost you").fill("1000000");
  await expect(stake).not.toHaveText(before ?? "");
  await expect(page.getByText("too little free stake for the bond", { exact: false })).toBeVisible();
  await page.getByLabel("A wrong result could cost you").fill("90000000000");
  await expect(page.getByText(/the bond would not fit/)).toBeVisible();
  await visitor.inspect();
});

test("another's job is shown with its receipt, and its pictures when they are asked for", async ({ visitor, page }) => {
  const fetched: string[] = [];
  page.context().on("request", (request) => /\/[0-9a-f]{64}$/.test(request.url()) && fetched.push(request.url()));
  await visitor.arrive(`/jobs/${market().jobs[0]}`);
  await expect(page.getByText("The supplier got")).toBeVisible();
  await expect(page.getByRole("button", { name: "Recompute in this browser" })).toBeVisible();
  expect(fetched, "nothing of strangers is fetched unasked").toEqual([]);
  await page.getByRole("button", { name: "Show the pictures" }).click();
  await expect(page.getByRole("img", { name: /^result/ }).first()).toBeVisible();
  expect(fetched.length).toBe(1);
  await visitor.inspect();
});
