// What the app takes from the rest of the repository: clients of the programs and sentences for their errors from the committed IDLs, and the
// shipped model packages as files. Nothing of it is edited by hand.

import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createFromRoot } from "codama";
import { rootNodeFromAnchor } from "@codama/nodes-from-anchor";
import { renderVisitor } from "@codama/renderers-js";

const PROGRAMS = ["staking", "costaking", "jobs", "governance", "referee"];
const here = fileURLToPath(new URL("..", import.meta.url));
const out = `${here}src/generated`;

rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
// Codama tells of renamed PDAs and arguments on every run.
console.warn = () => {};

const errors = {};
for (const program of PROGRAMS) {
  const idl = JSON.parse(readFileSync(`${here}../../idl/${program}.json`, "utf8"));
  const root = rootNodeFromAnchor(withBytes(withoutUntyped(withoutAliases(idl))));
  const options = { deleteFolderBeforeRendering: false, formatCode: false, generatedFolder: "", syncPackageJson: false };
  await createFromRoot(root).accept(renderVisitor(`${out}/${program}`, options));
  errors[idl.address] = Object.fromEntries((idl.errors ?? []).map((error) => [error.code, [error.name, error.msg]]));
}
const table = JSON.stringify(errors, null, 2);
writeFileSync(
  `${out}/errors.ts`,
  `/** Name and sentence of each program's errors, by program address and code. */\nexport const ERRORS: Record<string, Record<number, [name: string, sentence: string]>> = ${table};\n`,
);

// The generated files are not checked one by one: what they export still is where it is used.
for (const entry of readdirSync(out, { recursive: true, withFileTypes: true })) {
  if (!entry.isFile()) continue;
  const path = join(entry.parentPath, entry.name);
  writeFileSync(path, `// @ts-nocheck\n${readFileSync(path, "utf8")}`);
}

// Packages by name, with a picture to try them on where there is one.
const models = `${here}../../models`;
const copies = `${here}public/models`;
rmSync(copies, { recursive: true, force: true });
const names = readdirSync(models).filter((name) => existsSync(`${models}/${name}/model.json`));
for (const name of names) {
  mkdirSync(`${copies}/${name}`, { recursive: true });
  for (const file of ["model.json", "tensors.safetensors", "sample.png"]) {
    if (existsSync(`${models}/${name}/${file}`)) copyFileSync(`${models}/${name}/${file}`, `${copies}/${name}/${file}`);
  }
}
writeFileSync(`${copies}/index.json`, JSON.stringify(names));

/** Instructions with arguments in a wire format of their own, which workers alone send, have no type in the IDL. */
function withoutUntyped(idl) {
  const known = new Set(idl.types.map(({ name }) => name));
  const isKnown = (type) => {
    if (typeof type !== "object" || type === null) return true;
    if (type.defined) return known.has(type.defined.name);
    return Object.values(type).flat().every(isKnown);
  };
  return { ...idl, instructions: idl.instructions.filter(({ args }) => args.every(({ type }) => isKnown(type))) };
}

/** A tree with nodes replaced by what `by` makes of them, where that is anything. */
function replaced(node, by) {
  if (Array.isArray(node)) return node.map((item) => replaced(item, by));
  if (node === null || typeof node !== "object") return node;
  return by(node) ?? Object.fromEntries(Object.entries(node).map(([key, value]) => [key, replaced(value, by)]));
}

/**
 * Lists of bytes as bytes. A list of lists of numbers is read on past the end, where each is taken for empty: four bytes that say how many
 * there are could fill a reader's memory.
 */
function withBytes(idl) {
  return replaced(idl, ({ vec }) => (vec === "u8" ? "bytes" : undefined));
}

/** Anchor's IDLs name Pod integers as types of their own, which Codama does not know. */
function withoutAliases(idl) {
  const aliases = new Map(idl.types.filter(({ type }) => type.kind === "type").map(({ name, type }) => [name, type.alias]));
  return replaced({ ...idl, types: idl.types.filter(({ name }) => !aliases.has(name)) }, ({ defined }) => aliases.get(defined?.name));
}
