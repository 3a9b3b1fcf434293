import { createKeyPairSignerFromPrivateKeyBytes, type KeyPairSigner } from "@solana/kit";
import { save } from "../../lib/save";

/** A device key made by this page, which forgets it when closed: only the file remains. */
export interface DeviceKey {
  signer: KeyPairSigner;
  /** Name of the file. */
  name: string;
  /** What `solana-keygen` would have written: seed and public key as a list of 64 numbers. */
  file: string;
}

/** Makes a device key from 32 random bytes. */
export async function makeKey(seed: Uint8Array = crypto.getRandomValues(new Uint8Array(32))): Promise<DeviceKey> {
  const signer = await createKeyPairSignerFromPrivateKeyBytes(seed, true);
  const point = new Uint8Array(await crypto.subtle.exportKey("raw", signer.keyPair.publicKey));
  return { signer, name: `device-${signer.address.slice(0, 8)}.json`, file: JSON.stringify([...seed, ...point]) };
}

/** Has the browser save the file. */
export const saveKey = ({ name, file }: DeviceKey): void => save(name, new Blob([file], { type: "application/json" }));
