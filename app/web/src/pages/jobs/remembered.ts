import { UnknownEnd } from "../../lib/confirm";
import type { Layout } from "../../lib/engine";
import { keep, kept, mustKeep } from "../../lib/store";

// What this browser remembers of the jobs it opened: how to turn their outputs into pictures. The rest is on the chain.

/** What a job's units represent. */
export type Content = { kind: "photo"; layout: Layout } | { kind: "prompt"; prompt: string; seed: string };

const name = (job: string) => `ionet.job.${job}`;

const forget = (job: string) => keep(name(job), null);

/** The content of a job that was opened in this browser; `null` for other jobs. */
export function recall(job: string): Content | null {
  try {
    const content = JSON.parse(kept(name(job)) ?? "null") as Content | null;
    return content?.kind === "photo" || content?.kind === "prompt" ? content : null;
  } catch {
    return null;
  }
}

/**
 * Remembers jobs and opens them with `open`. Forgets them only if they were certainly not
 * opened: without its layout a photo cannot be joined again.
 */
export async function remembering<Result>(jobs: readonly string[], content: Content, open: () => Promise<Result>): Promise<Result> {
  for (const job of jobs) mustKeep(name(job), JSON.stringify(content));
  try {
    return await open();
  } catch (error) {
    if (!(error instanceof UnknownEnd)) jobs.forEach(forget);
    throw error;
  }
}
