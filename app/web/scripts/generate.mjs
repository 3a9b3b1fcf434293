// Generates program clients, field offsets and error messages from the committed IDLs. The output is never edited by hand.

import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
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
// Codama warns about renamed PDAs and arguments on every run.
console.warn = () => {};

const errors = {};
const offsets = [];
for (const program of PROGRAMS) {
  const idl = withoutAliases(JSON.parse(readFileSync(`${here}../../idl/${program}.json`, "utf8")));
  const root = rootNodeFromAnchor(withBytes(withoutUntyped(idl)));
  const options = { deleteFolderBeforeRendering: false, formatCode: false, generatedFolder: "", syncPackageJson: false };
  await createFromRoot(root).accept(renderVisitor(`${out}/${program}`, options));
  errors[idl.address] = Object.fromEntries((idl.errors ?? []).map((error) => [error.code, [error.name, error.msg]]));
  for (const { name, discriminator } of idl.accounts) {
    const { fields } = idl.types.find((type) => type.name === name).type;
    const at = JSON.stringify(offsetsOf(`${program}::${name}`, fields, discriminator.length), null, 2);
    offsets.push(`/** Offset of each field in the data of a \`${program}::${name}\`. */\nexport const ${constant(program, name)}_AT = ${at};\n`);
  }
}
writeFileSync(`${out}/offsets.ts`, offsets.join("\n"));
const table = JSON.stringify(errors, null, 2);
writeFileSync(
  `${out}/errors.ts`,
  `/** Name and message of each program's errors, by program address and code. */\nexport const ERRORS: Record<string, Record<number, [name: string, sentence: string]>> = ${table};\n`,
);

// The generated files are not type-checked themselves; their exports still are wherever they are used.
for (const entry of readdirSync(out, { recursive: true, withFileTypes: true })) {
  if (!entry.isFile()) continue;
  const path = join(entry.parentPath, entry.name);
  writeFileSync(path, `// @ts-nocheck\n${readFileSync(path, "utf8")}`);
}

/** Drops instructions whose arguments have a wire format that the IDL cannot describe; only workers send them. */
function withoutUntyped(idl) {
  const known = new Set(idl.types.map(({ name }) => name));
  const isKnown = (type) => {
    if (typeof type !== "object" || type === null) return true;
    if (type.defined) return known.has(type.defined.name);
    return Object.values(type).flat().every(isKnown);
  };
  return { ...idl, instructions: idl.instructions.filter(({ args }) => args.every(({ type }) => isKnown(type))) };
}

/** Names a constant for an account of a program: `STAKING_DEVICE_KEY`. */
function constant(program, account) {
  return `${program}_${account.replace(/(?<=[a-z])(?=[A-Z])/g, "_")}`.toUpperCase();
}

/** Where each field begins in the data of an account whose first field is at `first`. */
function offsetsOf(account, fields, first) {
  const at = {};
  let next = first;
  for (const { name, type } of fields) {
    at[name.replace(/_(\w)/g, (_, letter) => letter.toUpperCase())] = next;
    next += sizeOf(type, `${account}.${name}`);
  }
  return at;
}

/** Bytes that a value takes. Accounts consist of numbers, addresses and lists of a fixed length. */
function sizeOf(type, where) {
  if (type.array) return sizeOf(type.array[0], where) * type.array[1];
  const size = { bool: 1, u8: 1, u16: 2, u32: 4, u64: 8, u128: 16, i64: 8, pubkey: 32 }[type];
  if (size === undefined) throw new Error(`the size of ${where} is not known: add ${JSON.stringify(type)} to this script`);
  return size;
}

/** A copy of a tree in which every node for which `by` returns a value is replaced by it. */
function replaced(node, by) {
  if (Array.isArray(node)) return node.map((item) => replaced(item, by));
  if (node === null || typeof node !== "object") return node;
  return by(node) ?? Object.fromEntries(Object.entries(node).map(([key, value]) => [key, replaced(value, by)]));
}

/**
 * Declares lists of bytes as bytes. Codama's decoder for a list of lists reads past the end of the data and takes each missing list for
 * empty, so a four-byte length could fill the reader's memory.
 */
function withBytes(idl) {
  return replaced(idl, ({ vec }) => (vec === "u8" ? "bytes" : undefined));
}

/** Replaces aliases by their types: Anchor's IDLs declare Pod integers as types that Codama does not know. */
function withoutAliases(idl) {
  const aliases = new Map(idl.types.filter(({ type }) => type.kind === "type").map(({ name, type }) => [name, type.alias]));
  return replaced({ ...idl, types: idl.types.filter(({ name }) => !aliases.has(name)) }, ({ defined }) => aliases.get(defined?.name));
}
