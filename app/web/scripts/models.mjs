// Copies the shipped model packages, with a sample picture if there is one, and lists them as `Shipped` of `src/lib/engine`: pages name a
// job's model, and make room for its pictures, without loading the engine.

import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { initSync, Model } from "../src/generated/engine/web_engine.js";

const here = fileURLToPath(new URL("..", import.meta.url));
const models = `${here}../../models`;
const copies = `${here}public/models`;
rmSync(copies, { recursive: true, force: true });
initSync({ module: readFileSync(`${here}src/generated/engine/web_engine_bg.wasm`) });

const index = readdirSync(models)
  .filter((name) => existsSync(`${models}/${name}/model.json`))
  .map((name) => {
    mkdirSync(`${copies}/${name}`, { recursive: true });
    for (const file of ["model.json", "tensors.safetensors", "sample.png"]) {
      if (existsSync(`${models}/${name}/${file}`)) copyFileSync(`${models}/${name}/${file}`, `${copies}/${name}/${file}`);
    }
    const [manifest, tensors] = ["model.json", "tensors.safetensors"].map((file) => readFileSync(`${models}/${name}/${file}`));
    const { hash, takes, width, height, scale } = new Model(manifest, tensors);
    return { name, hash: Buffer.from(hash).toString("hex"), takes, unit: { width, height }, scale };
  });
writeFileSync(`${copies}/index.json`, JSON.stringify(index));
