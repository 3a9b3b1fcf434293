// Runs the engine in a Web Worker, so that the page stays responsive.

import init, { address, Model, type Check, type Picture } from "../../generated/engine/web_engine.js";
import { readSome } from "../bytes";
import { hex, unhex } from "../format";
import type { Answer, Image, Question, Shipped } from ".";

const models = new Map<string, Promise<Model>>();
const ready = init();

/** A model package of this server, loaded once. */
function model(name: string): Promise<Model> {
  const known = models.get(name);
  if (known) return known;
  const loading = (async () => {
    await ready;
    const [manifest, tensors] = await Promise.all(["model.json", "tensors.safetensors"].map((file) => get(`/models/${name}/${file}`)));
    return new Model(manifest as Uint8Array, tensors as Uint8Array);
  })();
  models.set(name, loading);
  loading.catch(() => models.delete(name));
  return loading;
}

/** Timeout for a file of a model package, in milliseconds. Slow lines take minutes. */
const PATIENCE = 300_000;

async function get(url: string): Promise<Uint8Array> {
  const answer = await fetch(url, { signal: AbortSignal.timeout(PATIENCE) }).catch(() => null);
  const body = answer?.ok ? await answer.arrayBuffer().catch(() => null) : null;
  if (body) return new Uint8Array(body);
  const why = answer?.ok ? "interrupted" : (answer?.status ?? "unreachable");
  throw new Error(`${url} cannot be loaded (${why}); try again in a moment`);
}

/** Largest blob, in bytes: the limit of the project's blob store. */
const MAX_BLOB = 64 << 20;

/** Downloads a blob and verifies it against its address. */
async function blob(store: string, at: string): Promise<Uint8Array> {
  await ready;
  const answer = await fetch(`${store}/${at}`).catch(() => null);
  if (answer?.status === 404) throw new Error("the blob store does not have this blob, or no longer has it");
  if (!answer?.ok) throw new Error(`the blob store does not respond (${answer?.status ?? "unreachable"}); try again in a moment`);
  const bytes = await readSome(answer, MAX_BLOB);
  if (hex(address(bytes)) !== at) throw new Error("the blob store returned data that does not match the commitment on the chain; do not trust it");
  return bytes;
}

const image = (picture: Picture): Image => ({
  width: picture.width,
  height: picture.height,
  rgba: new Uint8ClampedArray(picture.rgba),
});

function recompute(check: Check, progress: (done: number, units: number) => void): void {
  while (check.done < check.units) {
    check.step();
    progress(check.done, check.units);
  }
}

async function answer(question: Question, progress: (done: number, units: number) => void): Promise<Answer> {
  switch (question.ask) {
    case "models": {
      const names = JSON.parse(new TextDecoder().decode(await get("/models/index.json"))) as string[];
      const found = await Promise.all(
        names.map(async (name) => {
          const { hash, takes, width, height, scale } = await model(name);
          return { name, hash: hex(hash), takes: takes as Shipped["takes"], unit: { width, height }, scale };
        }),
      );
      return { models: found };
    }
    case "photo": {
      const { rgba, width, height } = question.photo;
      const prepared = (await model(question.model)).photo(new Uint8Array(rgba.buffer), width, height);
      return { prepared: { units: prepared.units, address: hex(prepared.address), blob: prepared.blob } };
    }
    case "prompt": {
      const prepared = (await model(question.model)).prompt(question.prompt, question.seed, question.pictures);
      return { prepared: { units: prepared.units, address: hex(prepared.address), blob: prepared.blob } };
    }
    case "pictures": {
      const [loaded, bytes] = [await model(question.model), await blob(question.store, question.outputs)];
      const { layout, units } = question;
      if (layout) return { pictures: [image(loaded.join(bytes, units, layout.width, layout.height, layout.alpha))] };
      return { pictures: Array.from({ length: Math.min(units, question.most) }, (_, index) => image(loaded.unit(bytes, index))) };
    }
    case "photoOf": {
      const [loaded, bytes] = [await model(question.model), await blob(question.store, question.inputs)];
      const { layout, units } = question;
      return { pictures: [image(loaded.restore(bytes, units, layout.width, layout.height, layout.alpha))] };
    }
    case "check": {
      const [loaded, inputs] = [await model(question.model), await blob(question.store, question.inputs)];
      const check = loaded.check(inputs);
      recompute(check, progress);
      if (check.agrees(unhex(question.traces), unhex(question.outputs))) return { finding: { right: true } };
      // The worker's published trace tells where; it may be missing.
      const shown = await blob(question.store, question.traces).catch(() => null);
      const difference = shown && check.difference(shown);
      return { finding: { right: false, where: difference ? { unit: difference.unit, op: difference.op, name: difference.name } : null } };
    }
  }
}

self.onmessage = async ({ data }: MessageEvent<{ id: number; question: Question }>) => {
  const { id, question } = data;
  try {
    const progress = (done: number, units: number) => self.postMessage({ id, progress: { done, units } });
    self.postMessage({ id, answer: await answer(question, progress) });
  } catch (error) {
    self.postMessage({ id, error: error instanceof Error ? error.message : String(error) });
  }
};
