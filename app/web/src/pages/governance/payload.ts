// Encoding of a proposal's instructions: governance's `state::payload`, in TypeScript.

import {
  addDecoderSizePrefix,
  getAddressDecoder,
  getAddressEncoder,
  getBytesDecoder,
  getProgramDerivedAddress,
  getStructDecoder,
  getU32Decoder,
  type AccountMeta,
  type Address,
  type Decoder,
  type Instruction,
  type ReadonlyUint8Array,
} from "@solana/kit";
import { getPayloadHeaderDecoder, getPayloadHeaderDiscriminatorBytes, GOVERNANCE_PROGRAM_ADDRESS, type PayloadHeader } from "../../generated/governance";
import type { Kind } from "../../lib/accounts";

/** An instruction with all of its parts. */
export type Whole = Required<Pick<Instruction, "programAddress" | "data">> & { accounts: readonly AccountMeta[] };

/** Limits of a proposal. */
export const MAX_BYTES = 9_000;
export const MAX_INSTRUCTIONS = 16;
/** Bytes of an instruction written in one transaction, which may also open its payload account. */
const PIECE = 700;
/** An account's flags are the roles of `@solana/kit`: 1 is writable, 2 is signer. */
const MAX_FLAGS = 3;

/** A payload account: an instruction of a proposal, possibly still being written. */
export interface Payload {
  header: PayloadHeader;
  bytes: ReadonlyUint8Array;
}

/** Payload accounts. */
export const PAYLOAD: Kind<Payload> = {
  program: GOVERNANCE_PROGRAM_ADDRESS,
  discriminator: getPayloadHeaderDiscriminatorBytes(),
  decoder: getStructDecoder([
    ["header", getPayloadHeaderDecoder()],
    ["bytes", addDecoderSizePrefix(getBytesDecoder(), getU32Decoder())],
  ]) as Decoder<Payload>,
};

/** Address of the payload account of a proposal's instruction. */
export async function payloadAddress(proposal: Address, index: number): Promise<Address> {
  const seeds = [new TextEncoder().encode("payload"), getAddressEncoder().encode(proposal), Uint8Array.of(index)];
  const [found] = await getProgramDerivedAddress({ programAddress: GOVERNANCE_PROGRAM_ADDRESS, seeds });
  return found;
}

/** Encodes an instruction: program, number of accounts, each account's address and flags, data. */
export function encode({ programAddress, accounts = [], data = new Uint8Array() }: Instruction): Uint8Array {
  const address = getAddressEncoder();
  const metas = accounts.flatMap((meta) => [...address.encode(meta.address), meta.role]);
  return Uint8Array.of(...address.encode(programAddress), accounts.length, ...metas, ...data);
}

/** Decodes an instruction, the inverse of [`encode`]; `null` if the bytes are not one. */
export function parse(bytes: ReadonlyUint8Array): Whole | null {
  const address = getAddressDecoder();
  const count = bytes[32];
  if (count === undefined || bytes.length < 33 + 33 * count) return null;
  const accounts = Array.from({ length: count }, (_, place) => ({
    address: address.decode(bytes, 33 + 33 * place),
    role: bytes[65 + 33 * place] as AccountMeta["role"],
  }));
  if (accounts.some(({ role }) => role > MAX_FLAGS)) return null;
  return { programAddress: address.decode(bytes), accounts, data: bytes.slice(33 + 33 * count) };
}

/** A step of putting a draft on the chain. */
export type Step =
  | { do: "create" }
  | { do: "open"; index: number; length: number }
  | { do: "write"; index: number; offset: number; bytes: Uint8Array }
  | { do: "submit" };

/** How much of a draft is on the chain; `written` counts the bytes of the instruction that is incomplete. */
export interface Progress {
  created: boolean;
  instructions: number;
  payloads: number;
  written: number;
}

/** The steps that are left for a draft with these instructions. */
export function stepsLeft(instructions: readonly Uint8Array[], { created, instructions: complete, payloads, written }: Progress): Step[] {
  const steps: Step[] = created ? [] : [{ do: "create" }];
  instructions.forEach((bytes, index) => {
    if (index < complete) return;
    const opened = index < payloads;
    if (!opened) steps.push({ do: "open", index, length: bytes.length });
    for (let offset = opened ? written : 0; offset < bytes.length; offset += PIECE) {
      steps.push({ do: "write", index, offset, bytes: bytes.slice(offset, offset + PIECE) });
    }
  });
  return [...steps, { do: "submit" }];
}

/** Describes a transaction of these steps. */
export function describe(steps: readonly Step[]): string {
  const wrote = [...new Set(steps.flatMap((step) => (step.do === "write" ? [step.index + 1] : [])))];
  const parts = [
    steps.some((step) => step.do === "create") && "create the proposal",
    wrote.length > 0 && `write ${wrote.length > 1 ? "steps" : "step"} ${wrote.join(", ")}`,
    steps.some((step) => step.do === "submit") && "pay the deposit and open the vote",
  ].filter((part): part is string => part !== false);
  return parts.join(", ");
}
