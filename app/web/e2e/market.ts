import { spawn } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** The market of these tests, as reported by `demo --web`. */
export interface Market {
  web: string;
  rpc: string;
  keys: Record<string, { address: string; path: string }>;
  devices: string[];
  jobs: string[];
  convicted: string;
  proposals: { executed: number; voting: number };
  offers: string[];
  position: string;
}

/** The market that was started for these tests. */
export const market = (): Market => JSON.parse(process.env["IONET_MARKET"] ?? "null") as Market;

const root = fileURLToPath(new URL("../../..", import.meta.url));

/** Seed of a participant's wallet in the format of the burner's storage, so that a test can act as anyone. */
export function seedOf(name: string): string {
  const { path } = market().keys[name] ?? { path: `no key is called ${name}` };
  const bytes = JSON.parse(readFileSync(path.startsWith("/") ? path : `${root}target/web-e2e/${path}`, "utf8")) as number[];
  return bytes
    .slice(0, 32)
    .map((byte) => byte.toString(16).padStart(2, "0"))
    .join("");
}

/** Starts a market with data in it, unless IONET_MARKET describes one; returns a function that stops it. */
export default async function start(): Promise<(() => Promise<void>) | undefined> {
  if (process.env["IONET_MARKET"]) return undefined;
  const dir = `${root}target/web-e2e`;
  rmSync(dir, { recursive: true, force: true });
  const demo = spawn(`${root}target/bin/demo`, ["--web", "--no-open", "--web-port", "0", "--output", "json", "--dir", dir], {
    cwd: root,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = new Promise<number | null>((resolve) => demo.on("exit", resolve));
  const lines: string[] = [];
  const up = (async () => {
    for await (const line of createInterface({ input: demo.stdout })) {
      lines.push(line);
      try {
        const record = JSON.parse(lines.join("\n")) as Market;
        return record;
      } catch {
        // Not the whole object yet.
      }
    }
    throw new Error("the market ended before it was up");
  })();
  const record = await Promise.race([up, ended.then((code) => Promise.reject(new Error(`the market ended with ${code} before it was up`)))]);
  process.env["IONET_MARKET"] = JSON.stringify(record);
  return async () => {
    demo.kill("SIGTERM");
    await ended;
  };
}
