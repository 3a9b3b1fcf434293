// Compresses the files of a build ahead of time, where that saves space: NAME.br and NAME.gz next to NAME.

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { fileURLToPath } from "node:url";

const dist = fileURLToPath(new URL("../dist", import.meta.url));
const KINDS = /\.(css|html|js|json|safetensors|svg|wasm)$/;

for (const entry of readdirSync(dist, { recursive: true, withFileTypes: true })) {
  const path = join(entry.parentPath, entry.name);
  if (!entry.isFile() || !KINDS.test(entry.name)) continue;
  const plain = readFileSync(path);
  const best = { params: { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY } };
  for (const [ending, bytes] of [
    ["br", brotliCompressSync(plain, best)],
    ["gz", gzipSync(plain, { level: 9 })],
  ]) {
    if (bytes.length < plain.length * 0.9) writeFileSync(`${path}.${ending}`, bytes);
  }
}
