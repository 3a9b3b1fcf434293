import { useQuery } from "@tanstack/react-query";

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
  blob: Uint8Array;
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
  | { ask: "models" }
  | { ask: "photo"; model: string; photo: Image }
  | { ask: "prompt"; model: string; prompt: string; seed: bigint; pictures: number }
  | { ask: "pictures"; model: string; store: string; outputs: string; units: number; layout: Layout | null; most: number }
  | { ask: "photoOf"; model: string; store: string; inputs: string; units: number; layout: Layout }
  | { ask: "check"; model: string; store: string; inputs: string; traces: string; outputs: string };

/** Its answer. */
export type Answer = { models: Shipped[] } | { prepared: Prepared } | { pictures: Image[] } | { finding: Finding };

type Waiting = {
  resolve: (answer: Answer) => void;
  reject: (error: Error) => void;
  progress?: (done: number, units: number) => void;
};

const waiting = new Map<number, Waiting>();
let worker: Worker | undefined;
let last = 0;

/** Sends a request to the engine, which is loaded on first use. Errors are sentences for people. */
function ask(question: Question, progress?: Waiting["progress"]): Promise<Answer> {
  if (!worker) {
    worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
    worker.onmessage = ({ data }) => {
      const who = waiting.get(data.id);
      if (data.progress) return who?.progress?.(data.progress.done, data.progress.units);
      waiting.delete(data.id);
      if (data.error === undefined) who?.resolve(data.answer);
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

/** Cuts a photo into a job's inputs. */
export const preparePhoto = async (model: string, photo: Image) => ((await ask({ ask: "photo", model, photo })) as { prepared: Prepared }).prepared;

/** Encodes a prompt as a job's inputs, one unit a picture. */
export const preparePrompt = async (model: string, prompt: string, seed: bigint, pictures: number) =>
  ((await ask({ ask: "prompt", model, prompt, seed, pictures })) as { prepared: Prepared }).prepared;

/** Downloads outputs, verifies them against the commitment on the chain, and turns them into pictures. */
export const pictures = async (question: Omit<Extract<Question, { ask: "pictures" }>, "ask">) =>
  ((await ask({ ask: "pictures", ...question })) as { pictures: Image[] }).pictures;

/** Downloads and verifies inputs in the same way, and joins the photo that they were cut from. */
export const photoOf = async (question: Omit<Extract<Question, { ask: "photoOf" }>, "ask">) =>
  ((await ask({ ask: "photoOf", ...question })) as { pictures: Image[] }).pictures;

/** Recomputes a job and compares it with the roots that its worker committed to. */
export const check = async (question: Omit<Extract<Question, { ask: "check" }>, "ask">, progress: (done: number, units: number) => void) =>
  ((await ask({ ask: "check", ...question }, progress)) as { finding: Finding }).finding;

/** The model packages that this server ships. */
export const useShipped = () =>
  useQuery({
    queryKey: ["config", "models"],
    queryFn: async () => ((await ask({ ask: "models" })) as { models: Shipped[] }).models,
    staleTime: Number.POSITIVE_INFINITY,
  });
