// How a proposal keeps an instruction: governance's `state::payload`, in TypeScript.

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

/** An instruction with everything said. */
export type Whole = Required<Pick<Instruction, "programAddress" | "data">> & { accounts: readonly AccountMeta[] };

/** Most bytes and instructions of a proposal. */
export const MAX_BYTES = 9_000;
export const MAX_INSTRUCTIONS = 16;
/** Bytes of an instruction that one transaction carries, with the announcement beside it. */
const PIECE = 700;
/** Flags of an account are the roles of the kit: 1 may be written, 2 signs. */
const MAX_FLAGS = 3;

/** An instruction of a proposal as it is written. */
export interface Payload {
  header: PayloadHeader;
  bytes: ReadonlyUint8Array;
}

/** Accounts of a proposal's instructions. */
export const PAYLOAD: Kind<Payload> = {
  program: GOVERNANCE_PROGRAM_ADDRESS,
  discriminator: getPayloadHeaderDiscriminatorBytes(),
  decoder: getStructDecoder([
    ["header", getPayloadHeaderDecoder()],
    ["bytes", addDecoderSizePrefix(getBytesDecoder(), getU32Decoder())],
  ]) as Decoder<Payload>,
};

/** Where the instruction at `index` of a proposal is kept. */
export async function payloadAddress(proposal: Address, index: number): Promise<Address> {
  const seeds = [new TextEncoder().encode("payload"), getAddressEncoder().encode(proposal), Uint8Array.of(index)];
  const [found] = await getProgramDerivedAddress({ programAddress: GOVERNANCE_PROGRAM_ADDRESS, seeds });
  return found;
}

/** The bytes of an instruction: program, number of accounts, each account's address and flags, data. */
export function encode({ programAddress, accounts = [], data = new Uint8Array() }: Instruction): Uint8Array {
  const address = getAddressEncoder();
  const metas = accounts.flatMap((meta) => [...address.encode(meta.address), meta.role]);
  return Uint8Array.of(...address.encode(programAddress), accounts.length, ...metas, ...data);
}

/** The instruction in these bytes, the inverse of [`encode`]; `null` where there is none. */
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

/** Something that makes a draft a proposal. */
export type Step =
  | { do: "create" }
  | { do: "open"; index: number; length: number }
  | { do: "write"; index: number; offset: number; bytes: Uint8Array }
  | { do: "submit" };

/** How far a draft is: `written` are bytes of the instruction that is announced and not complete. */
export interface Progress {
  created: boolean;
  instructions: number;
  payloads: number;
  written: number;
}

/** What is left to do for a draft of these instructions. */
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

/** What a transaction does, for people. */
export function say(steps: readonly Step[]): string {
  const wrote = [...new Set(steps.flatMap((step) => (step.do === "write" ? [step.index + 1] : [])))];
  const parts = [
    steps.some((step) => step.do === "create") && "begin the proposal",
    wrote.length > 0 && `write ${wrote.length > 1 ? "steps" : "step"} ${wrote.join(", ")}`,
    steps.some((step) => step.do === "submit") && "pay the deposit and open the vote",
  ].filter((part): part is string => part !== false);
  return parts.join(", ");
}
