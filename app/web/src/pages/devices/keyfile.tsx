import { useState } from "react";
import { Button, Key } from "../../ui";
import { makeKey, saveKey, type DeviceKey } from "./key";

/** State of a device key being made. `why` says why it cannot be used yet: only its file holds the key, so the owner must have saved it. */
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
    ? "create the device key and save its file"
    : !kept
      ? "confirm that you have saved the file; the device cannot work without it"
      : null;
  return { key, kept, setKept, make, why, drop: () => setKey(null) };
}

/** Makes a device key and saves its file. */
export function KeyFile({ of: { key, kept, setKept, make } }: { of: ReturnType<typeof useKeyFile> }) {
  return (
    <fieldset>
      <legend>Device key</legend>
      {key ? (
        <>
          <p>
            Key <Key of={key.signer.address} /> was saved as <code>{key.name}</code>.
          </p>
          <div className="actions">
            <Button onClick={() => saveKey(key)}>Save the file again</Button>
            <Button onClick={() => void make()}>Create another key</Button>
          </div>
          <label className="radio">
            <input type="checkbox" checked={kept} onChange={(event) => setKept(event.target.checked)} /> I have saved the file, and nobody
            else has it.
          </label>
        </>
      ) : (
        <>
          <p className="muted small">
            The file has the same format as those of <code>solana-keygen</code>. Nothing is sent until you have saved it.
          </p>
          <div className="actions">
            <Button onClick={() => void make()}>Create and save the key</Button>
          </div>
        </>
      )}
    </fieldset>
  );
}
