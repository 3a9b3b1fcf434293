// Runs the engine in a Web Worker, so that the page stays responsive.

import init, { address, Model, type Picture, type Prepared as EnginePrepared } from "../../generated/engine/web_engine.js";
import { download, load } from "../blobs";
import { hex, unhex } from "../format";
import type { Answer, Image, Prepared, Question, Shipped } from ".";

const models = new Map<string, Promise<Model>>();

/** A model package of this server, loaded once. Its index was another request, so its hash is checked. */
function model({ name, hash }: Shipped): Promise<Model> {
  const known = models.get(name);
  if (known) return known;
  const loading = (async () => {
    await init().catch(() => {
      throw new Error("the engine cannot be loaded; try again in a moment");
    });
    const [manifest, tensors] = await Promise.all([get(`/models/${name}/model.json`), get(`/models/${name}/tensors.safetensors`)]);
    const loaded = new Model(manifest, tensors);
    if (hex(loaded.hash) !== hash) throw new Error(`the server has changed the model ${name}; reload the page`);
    return loaded;
  })();
  models.set(name, loading);
  loading.catch(() => models.delete(name));
  return loading;
}

/** A file of a model package, which its hash vouches for. */
const get = (url: string) => load(url, Number.POSITIVE_INFINITY, (why) => `${url} cannot be loaded (${why}); try again in a moment`);

/** Largest blob, in bytes: the limit of the project's blob store. */
const MAX_BLOB = 64 << 20;

/** Downloads a blob and verifies it against its address. */
async function blob(store: string, at: string): Promise<Uint8Array> {
  const bytes = await download(store, at, MAX_BLOB, "the blob store does not have this blob, or no longer has it");
  if (hex(address(bytes)) !== at) throw new Error("the blob store returned data that does not match the commitment on the chain; do not trust it");
  return bytes;
}

const image = (picture: Picture): Image => ({
  width: picture.width,
  height: picture.height,
  rgba: new Uint8ClampedArray(picture.rgba.buffer),
});

const prepared = ({ units, address, blob }: EnginePrepared): Prepared => ({ units, address: hex(address), blob: new Uint8Array(blob) });

async function answer(question: Question, progress: (done: number) => void): Promise<Answer> {
  const loaded = await model(question.model);
  switch (question.ask) {
    case "photo": {
      const { rgba, width, height } = question.photo;
      return prepared(loaded.photo(new Uint8Array(rgba.buffer), width, height));
    }
    case "prompt":
      return prepared(loaded.prompt(question.prompt, question.seed, question.pictures));
    case "pictures": {
      const bytes = await blob(question.store, question.outputs);
      const { layout, units } = question;
      if (layout) return [image(loaded.join(bytes, units, layout.width, layout.height, layout.alpha))];
      return Array.from({ length: Math.min(units, question.most) }, (_, index) => image(loaded.unit(bytes, index)));
    }
    case "photoOf": {
      const bytes = await blob(question.store, question.inputs);
      const { layout, units } = question;
      return [image(loaded.restore(bytes, units, layout.width, layout.height, layout.alpha))];
    }
    case "check": {
      const check = loaded.check(await blob(question.store, question.inputs));
      while (check.done < check.units) {
        check.step();
        progress(check.done);
      }
      if (check.agrees(unhex(question.traces), unhex(question.outputs))) return { right: true };
      // The worker's published trace tells where; it may be missing.
      const shown = await blob(question.store, question.traces).catch(() => null);
      const difference = shown && check.difference(shown);
      return { right: false, where: difference ? { unit: difference.unit, op: difference.op, name: difference.name } : null };
    }
  }
}

self.onmessage = async ({ data }: MessageEvent<{ id: number; question: Question }>) => {
  const { id, question } = data;
  try {
    self.postMessage({ id, answer: await answer(question, (done) => self.postMessage({ id, done })) });
  } catch (error) {
    self.postMessage({ id, error: error instanceof Error ? error.message : String(error) });
  }
};
