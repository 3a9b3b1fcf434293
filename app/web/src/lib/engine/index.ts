import { useQuery } from "@tanstack/react-query";
import { PATIENCE } from "../node";

/** A picture's size in pixels. */
export interface Size {
  width: number;
  height: number;
}

/** Pixels, four bytes each. */
export interface Image extends Size {
  rgba: Uint8ClampedArray;
}

/** What is needed to join a photo's tiles again. */
export interface Layout extends Size {
  alpha: boolean;
}

/** The inputs of a job. */
export interface Prepared {
  units: number;
  /** Batch root: what the job commits to, and the blob's address. */
  address: string;
  blob: Uint8Array<ArrayBuffer>;
}

/** A model package that this server ships. */
export interface Shipped {
  name: string;
  /** MODEL: what a registered model commits to. */
  hash: string;
  takes: "photo" | "prompt";
  /** Size of the picture of one unit. */
  unit: Size;
  /** Factor by which each side of a photo grows. */
  scale: number;
}

/** Result of recomputing a job. */
export type Finding = { right: true } | { right: false; where: { unit: number; op: number; name: string } | null };

/** A request to the engine. */
export type Question =
  | { ask: "photo"; model: Shipped; photo: Image }
  | { ask: "prompt"; model: Shipped; prompt: string; seed: bigint; pictures: number }
  | { ask: "pictures"; model: Shipped; store: string; outputs: string; units: number; layout: Layout | null; most: number }
  | { ask: "photoOf"; model: Shipped; store: string; inputs: string; units: number; layout: Layout }
  | { ask: "check"; model: Shipped; store: string; inputs: string; traces: string; outputs: string };

/** Its answer. */
export type Answer = Prepared | Image[] | Finding;

type Waiting = {
  resolve: (answer: never) => void;
  reject: (error: Error) => void;
  /** Called with the number of units done. */
  progress?: (done: number) => void;
};

const waiting = new Map<number, Waiting>();
let worker: Worker | undefined;
let last = 0;

/** Sends a request to the engine, which is loaded on first use. Errors are sentences for people. */
function ask<Of extends Answer>(question: Question, progress?: Waiting["progress"]): Promise<Of> {
  if (!worker) {
    worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
    worker.onmessage = ({ data }) => {
      const who = waiting.get(data.id);
      if (data.done !== undefined) return who?.progress?.(data.done);
      waiting.delete(data.id);
      if (data.error === undefined) who?.resolve(data.answer as never);
      else who?.reject(new Error(data.error));
    };
    worker.onerror = () => {
      for (const { reject } of waiting.values()) reject(new Error("this browser cannot run the engine; use a current browser or the `ionet` CLI"));
      waiting.clear();
      worker = undefined;
    };
  }
  const id = ++last;
  worker.postMessage({ id, question });
  return new Promise((resolve, reject) => waiting.set(id, { resolve, reject, progress }));
}

/** A kind of request without its name. */
type About<Kind extends Question["ask"]> = Omit<Extract<Question, { ask: Kind }>, "ask">;

/** Cuts a photo into a job's inputs. */
export const preparePhoto = (about: About<"photo">) => ask<Prepared>({ ask: "photo", ...about });

/** Encodes a prompt as a job's inputs, one unit a picture. */
export const preparePrompt = (about: About<"prompt">) => ask<Prepared>({ ask: "prompt", ...about });

/** Downloads outputs, verifies them against the commitment on the chain, and turns them into pictures. */
export const pictures = (about: About<"pictures">) => ask<Image[]>({ ask: "pictures", ...about });

/** Downloads and verifies inputs in the same way, and joins the photo that they were cut from. */
export const photoOf = (about: About<"photoOf">) => ask<Image[]>({ ask: "photoOf", ...about });

/** Recomputes a job and compares it with the roots that its worker committed to. */
export const check = (about: About<"check">, progress: (done: number) => void) => ask<Finding>({ ask: "check", ...about }, progress);

/** The model packages that this server ships. Listing them does not load the engine. */
export const useShipped = () =>
  useQuery({
    queryKey: ["config", "models"],
    queryFn: async () => {
      const answer = await fetch("/models/index.json", { signal: AbortSignal.timeout(PATIENCE) }).catch(() => null);
      const models: Shipped[] | null = answer?.ok ? await answer.json().catch(() => null) : null;
      if (models) return models;
      const why = answer?.ok ? "interrupted" : (answer?.status ?? "unreachable");
      throw new Error(`the list of models cannot be loaded (${why}); try again in a moment`);
    },
    staleTime: Number.POSITIVE_INFINITY,
    // A page shows much that does not need the list, and lets its visitor try again.
    retry: false,
  });
