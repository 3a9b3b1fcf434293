import { useId, useState, type FormEvent, type ReactNode } from "react";
import { explain } from "../lib/errors";
import { Busy } from "../lib/gate";
import { useSending, type Action } from "../lib/send";
import { Button } from ".";

/**
 * A form for one transaction, or a few in a row: what it does, its fields and a button. `why` is the reason why it is not possible now; it
 * is shown and the button is disabled. `action` returns what to send; an error that it throws is shown.
 */
export function Act({
  name,
  note,
  label,
  kind = "plain",
  why,
  always = false,
  action,
  done,
  children,
}: {
  name: string;
  note: ReactNode;
  label: string;
  kind?: "plain" | "primary" | "danger";
  why: string | null;
  /** Shows the fields even with a `why`: filling them in is what resolves it. */
  always?: boolean;
  action: () => Action | Promise<Action | Action[]>;
  done?: () => void;
  children?: ReactNode;
}) {
  const id = useId();
  const { send } = useSending();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const act = async (event: FormEvent) => {
    event.preventDefault();
    setError(null);
    setBusy(true);
    try {
      const actions = [await action()].flat();
      const sent = async () => {
        for (const one of actions) await send(one);
      };
      // The dialog shows the outcome, unless it is showing another action.
      await sent().then(done, (failure) => {
        if (failure instanceof Busy) throw failure;
      });
    } catch (failure) {
      setError(explain(failure));
    } finally {
      setBusy(false);
    }
  };
  return (
    <form className="act" aria-labelledby={`${id}-name`} onSubmit={(event) => void act(event)} noValidate>
      <h3 id={`${id}-name`}>{name}</h3>
      <p className="muted small">{note}</p>
      {(why === null || always) && children}
      {error && (
        <p className="wrong small" role="alert">
          {error}
        </p>
      )}
      {why !== null && (
        <p id={`${id}-why`} className="small">
          {always ? "First" : "Not available"}: {why}
        </p>
      )}
      <footer>
        <Button type="submit" kind={kind} disabled={why !== null} busy={busy} aria-describedby={why === null ? undefined : `${id}-why`}>
          {label}
        </Button>
      </footer>
    </form>
  );
}
