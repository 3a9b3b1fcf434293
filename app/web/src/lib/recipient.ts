import { isAddress, isOffCurveAddress, type Address } from "@solana/kit";
import type { Market } from "./market";
import { SYSTEM_PROGRAM, TOKEN_2022_PROGRAM, TOKEN_PROGRAM } from "./programs";

/** An address that was typed as somebody's wallet. */
export interface Recipient {
  wallet: Address;
  /** The end of a title that names the address: why nobody may hold a key for it; empty for a wallet. */
  doubt: string;
}

/** Bytes of a multisig of a token program; no other account of theirs has this size. */
const MULTISIG_SIZE = 355n;

/**
 * Reads an address that was typed as somebody's wallet. Fails with a sentence if it is none, or that of a token account or mint, for which
 * nobody can sign. An address of a program may be meant, such as a multisig or its vault, so there is only a doubt about it.
 */
export async function recipient({ rpc }: Market, text: string): Promise<Recipient> {
  const wallet = text.trim();
  if (!isAddress(wallet)) throw new Error(`“${text}” is not a valid address; paste a wallet address`);
  const { value } = await rpc.getAccountInfo(wallet, { encoding: "base64", dataSlice: { offset: 0, length: 0 } }).send();
  const isOfTokens = value?.owner === TOKEN_PROGRAM || value?.owner === TOKEN_2022_PROGRAM;
  if (isOfTokens && value.space !== MULTISIG_SIZE) {
    throw new Error("this is the address of a token account or a mint, for which nobody can sign; paste the address of a wallet");
  }
  const isOfProgram = isOffCurveAddress(wallet) || (value !== null && value.owner !== SYSTEM_PROGRAM);
  return { wallet, doubt: isOfProgram ? ", which belongs to a program and not to a key; go on only if that program can sign for it" : "" };
}
