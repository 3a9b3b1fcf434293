import { useId, useState, type FormEvent, type ReactNode } from "react";
import { explain } from "../lib/errors";
import { Busy } from "../lib/gate";
import { useSending, type Action } from "../lib/send";
import { useWallet, type Signer } from "../lib/wallet";
import { Button, Wrong } from ".";

/** Runs what the user starts: `busy` while it runs, `error` is why it failed. */
export function useAttempt() {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const attempt = async (run: () => Promise<void>) => {
    setError(null);
    setBusy(true);
    try {
      await run();
    } catch (failure) {
      setError(explain(failure));
    } finally {
      setBusy(false);
    }
  };
  return { attempt, busy, error };
}

/** Makes what a wallet is to sign; throws a sentence if that is not possible. */
type Make = (signer: Signer) => Action | Action[] | Promise<Action | Action[]>;

/** Sends actions one after another, then calls `done`. The dialog shows their outcome; `error` is why nothing could be sent. */
export function useActs() {
  const { signer } = useWallet();
  const { send } = useSending();
  const { attempt, busy, error } = useAttempt();
  const act = (make: Make, done?: () => void) =>
    attempt(async () => {
      if (!signer) throw new Error("connect a wallet first");
      const actions = [await make(signer)].flat();
      const sent = async () => {
        for (const one of actions) await send(one);
      };
      // The dialog shows the outcome, unless it is showing another action.
      await sent().then(done, (failure) => {
        if (failure instanceof Busy) throw failure;
      });
    });
  return { act, busy, error };
}

/**
 * A form for one transaction, or a few in a row: what it does, its fields and a button. `why` is the reason why it is not possible now; it
 * is shown and the button is disabled, as without a wallet. `action` makes what to send.
 */
export function Act({
  name,
  note,
  label,
  about,
  kind = "plain",
  why = null,
  always = false,
  action,
  done,
  children,
}: {
  name: string;
  note: ReactNode;
  label: string;
  /** What it acts on, where a page has several such forms: tells them apart for screen readers. */
  about?: string;
  kind?: "plain" | "primary" | "danger";
  why?: string | null;
  /** Shows the fields even with a `why`: filling them in is what resolves it. */
  always?: boolean;
  action: Make;
  done?: () => void;
  children?: ReactNode;
}) {
  const id = useId();
  const { signer } = useWallet();
  const { act, busy, error } = useActs();
  const missing = why ?? (signer ? null : "connect a wallet to sign the transaction");
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void act(action, done);
  };
  return (
    <form className="act" aria-labelledby={`${id}-name`} onSubmit={submit} noValidate>
      <h3 id={`${id}-name`}>
        {name}
        {about && <span className="hidden">: {about}</span>}
      </h3>
      <p className="muted small">{note}</p>
      {(missing === null || always) && children}
      <Wrong>{error}</Wrong>
      {missing !== null && (
        <p id={`${id}-why`} className="small">
          {always ? "First" : "Not available"}: {missing}
        </p>
      )}
      <footer>
        <Button
          type="submit"
          kind={kind}
          disabled={missing !== null}
          busy={busy}
          aria-label={about && `${label}: ${about}`}
          aria-describedby={missing === null ? undefined : `${id}-why`}
        >
          {label}
        </Button>
      </footer>
    </form>
  );
}
