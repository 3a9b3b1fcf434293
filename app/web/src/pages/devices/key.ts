import { createKeyPairSignerFromPrivateKeyBytes, type KeyPairSigner } from "@solana/kit";

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
export function saveKey({ name, file }: DeviceKey): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([file], { type: "application/json" }));
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}
