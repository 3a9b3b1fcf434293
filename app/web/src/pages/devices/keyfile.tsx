import { useState } from "react";
import { Button, Key } from "../../ui";
import { makeKey, saveKey, type DeviceKey } from "./key";

/** A device key that is being made. `why` it cannot be used yet: its file is all there is of it, so its owner has to have that first. */
export function useKeyFile() {
  const [key, setKey] = useState<DeviceKey | null>(null);
  const [kept, setKept] = useState(false);
  const make = async () => {
    const made = await makeKey();
    setKey(made);
    setKept(false);
    saveKey(made);
  };
  const why = !key
    ? "make the device key and save its file"
    : !kept
      ? "say that you have kept the file; without it the device cannot work"
      : null;
  return { key, kept, setKept, make, why, drop: () => setKey(null) };
}

/** Makes a device key and has its file saved. */
export function KeyFile({ of: { key, kept, setKept, make } }: { of: ReturnType<typeof useKeyFile> }) {
  return (
    <fieldset>
      <legend>Device key</legend>
      {key ? (
        <>
          <p>
            <Key of={key.signer.address} /> was saved as <code>{key.name}</code>.
          </p>
          <div className="actions">
            <Button onClick={() => saveKey(key)}>Save the file again</Button>
            <Button onClick={() => void make()}>Make another key</Button>
          </div>
          <label className="radio">
            <input type="checkbox" checked={kept} onChange={(event) => setKept(event.target.checked)} /> I have the file, and nobody else
            does.
          </label>
        </>
      ) : (
        <>
          <p className="muted small">
            Its file is what the chain's own tools write: a keypair of 64 numbers. Nothing is sent before you have it.
          </p>
          <div className="actions">
            <Button onClick={() => void make()}>Make and save the key</Button>
          </div>
        </>
      )}
    </fieldset>
  );
}
