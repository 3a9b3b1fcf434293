import { defineConfig } from "@playwright/test";

const phone = { viewport: { width: 360, height: 780 }, hasTouch: true, isMobile: true };

export default defineConfig({
  testDir: "e2e",
  globalSetup: "./e2e/market.ts",
  outputDir: "test-results",
  // The tests share one chain, and some move its clock.
  workers: 1,
  forbidOnly: true,
  retries: 0,
  // A test waits for many things on a slow machine; each has its own limit, which detects a hang.
  timeout: 900_000,
  expect: { timeout: 30_000 },
  reporter: [["list"]],
  use: {
    actionTimeout: 60_000,
    navigationTimeout: 60_000,
    launchOptions: {
      executablePath: process.env["IONET_CHROMIUM"] ?? "/usr/bin/chromium",
      args: [
        "--no-sandbox",
        "--disable-quic",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
      ],
    },
    screenshot: "only-on-failure",
  },
  projects: [
    { name: "desktop", use: { viewport: { width: 1280, height: 900 } } },
    { name: "phone", use: phone },
  ],
});
