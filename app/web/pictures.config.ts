import { defineConfig } from "@playwright/test";
import base from "./playwright.config";

/** Takes the README's screenshots of a market with data in it: `npm run pictures`. */
export default defineConfig({
  ...base,
  testDir: "pictures",
  globalSetup: "./e2e/market.ts",
  projects: [{ name: "pictures", use: { viewport: { width: 1280, height: 800 }, deviceScaleFactor: 1, colorScheme: "light" } }],
});
