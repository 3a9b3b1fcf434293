import type { Layout } from "../../lib/engine";

// What this browser remembers of the jobs it opened: how to turn their outputs into pictures. The chain knows the rest.

/** What a job's units are. */
export type Content = { kind: "photo"; layout: Layout } | { kind: "prompt"; prompt: string; seed: string };

const name = (job: string) => `ionet.job.${job}`;

/** Remembers what a job is about. */
export function remember(job: string, content: Content): void {
  localStorage.setItem(name(job), JSON.stringify(content));
}

/** Forgets a job that was not opened after all. */
export function forget(job: string): void {
  localStorage.removeItem(name(job));
}

/** What a job opened here is about; `null` for another's. */
export function recall(job: string): Content | null {
  try {
    const content = JSON.parse(localStorage.getItem(name(job)) ?? "null") as Content | null;
    return content?.kind === "photo" || content?.kind === "prompt" ? content : null;
  } catch {
    return null;
  }
}
