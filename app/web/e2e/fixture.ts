import AxeBuilder from "@axe-core/playwright";
import { expect, test as base, type Page, type Route } from "@playwright/test";
import { market, seedOf } from "./market";

/** Timeout for what a worker or the page computes. */
export const COMPUTING = { timeout: 60_000 };
/** Name of the button that shows the connected account. */
export const ADDRESS = /^\w{4}…\w{4}$/;

/** A visitor with a wallet. */
export class Visitor {
  constructor(readonly page: Page) {}

  /** Opens a page with the wallet of a participant of the market, or a new one without a name. */
  async arrive(path: string, who?: string): Promise<void> {
    if (who) await this.page.addInitScript((seed) => localStorage.setItem("ionet.burner", seed), seedOf(who));
    await this.page.goto(market().web + path);
  }

  /** Connects the burner wallet. */
  async connect(): Promise<void> {
    await this.page.getByRole("button", { name: "Connect wallet" }).click();
    await this.page.getByRole("button", { name: "Local burner" }).click();
    await expect(this.page.getByRole("button", { name: ADDRESS })).toBeVisible();
  }

  /** Connects a slow [`refuser`]. */
  async connectSlow(): Promise<void> {
    await this.page.getByRole("button", { name: "Connect wallet" }).click();
    await this.page.getByRole("button", { name: "Refuser" }).click();
    await letConnect(this.page);
    await expect(this.page.getByRole("button", { name: ADDRESS })).toBeVisible();
  }

  /** Signs what the dialog shows and waits for the confirmation. If there is nothing to sign, fails with the page's error. */
  async sign(): Promise<void> {
    const ready = this.page.getByRole("button", { name: "Sign and send" });
    try {
      await ready.click({ timeout: 30_000 });
    } catch (error) {
      const said = await this.page.getByRole("alert").allTextContents();
      throw new Error(`there is nothing to sign; the page shows: ${said.join(" ") || "nothing"}`, { cause: error });
    }
    await expect(this.page.getByText("Done. Transaction")).toBeVisible();
    await this.page.getByRole("dialog").getByRole("button", { name: "Close" }).last().click();
  }

  /** From the next page on, adds up how far its parts move while it loads. */
  async watch(): Promise<void> {
    await this.page.addInitScript(() => {
      const shifts = { sum: 0 };
      Object.assign(window, { shifts });
      new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) shifts.sum += (entry as PerformanceEntry & { value: number }).value;
      }).observe({ type: "layout-shift", buffered: true });
    });
  }

  /** Fails if the page has moved, once it is loaded; see [`Visitor.watch`]. */
  async stands(): Promise<void> {
    await expect(this.page.getByText("Loading…")).toHaveCount(0);
    // Shifts are reported after the next frame.
    await twoFrames(this.page);
    const moved = await this.page.evaluate(() => (window as unknown as { shifts: { sum: number } }).shifts.sum);
    expect(moved, this.page.url()).toBeLessThan(0.05);
  }

  /** Fails if axe finds a violation or the page scrolls sideways. */
  async inspect(): Promise<void> {
    const { violations } = await new AxeBuilder({ page: this.page }).analyze();
    expect(violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`)).toEqual([]);
    const [wide, seen] = await this.page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
    expect(wide, "the page scrolls sideways").toBeLessThanOrEqual(seen ?? 0);
  }
}

/**
 * In a page: registers a wallet with an address on a chain, which rejects every signature. A slow one connects only when the test calls
 * `letConnect`.
 */
export const refuser = ({ chain, address, slow = false }: { chain: string; address: string; slow?: boolean }) => {
  const allowed = slow ? new Promise((letConnect) => Object.assign(window, { letConnect })) : null;
  const account = { address, publicKey: new Uint8Array(32), chains: [chain], features: ["solana:signTransaction"] };
  const wallet = {
    version: "1.0.0",
    name: "Refuser",
    icon: "data:image/svg+xml;base64,",
    chains: [chain],
    accounts: [],
    features: {
      "standard:connect": {
        version: "1.0.0",
        connect: async () => {
          await allowed;
          return { accounts: [account] };
        },
      },
      "solana:signTransaction": {
        version: "1.0.0",
        supportedTransactionVersions: ["legacy", 0],
        signTransaction: async () => {
          throw Object.assign(new Error("User rejected the request."), { code: 4001 });
        },
      },
    },
  };
  const announce = ({ register }: { register: (wallet: unknown) => void }) => register(wallet);
  window.addEventListener("wallet-standard:app-ready", (event) => announce((event as CustomEvent).detail));
  window.dispatchEvent(new CustomEvent("wallet-standard:register-wallet", { detail: announce }));
};

/** Whether a request goes to the market's node. */
export const isToNode = ({ href }: URL) => href.startsWith(market().rpc);

/** Lets a slow [`refuser`] connect. */
export const letConnect = (page: Page) => page.evaluate(() => (window as unknown as { letConnect: () => void }).letConnect());

/** Waits until the page shows what it already knows. */
export const twoFrames = (page: Page) =>
  page.evaluate(async () => {
    for (let frames = 0; frames < 2; frames++) await new Promise(requestAnimationFrame);
  });

/** Holds back the responses to some requests, or only those whose body contains a text; returns a function that releases them. */
export async function holdBack(page: Page, url: Parameters<Page["route"]>[0], body = ""): Promise<() => Promise<void>> {
  let release: () => void = () => {};
  const released = new Promise<void>((resolve) => (release = resolve));
  const hold = async (route: Route) => {
    if (route.request().postData()?.includes(body) ?? body === "") await released;
    await route.fallback();
  };
  await page.route(url, hold);
  return async () => {
    release();
    await page.unroute(url, hold);
  };
}

export const test = base.extend<{ visitor: Visitor }>({
  visitor: async ({ page }, use) => {
    const broken: string[] = [];
    page.on("pageerror", (error) => broken.push(error.message));
    await use(new Visitor(page));
    expect(broken, "the page threw an error").toEqual([]);
  },
});

export { expect };
export { market } from "./market";
