import { useId, useState, type FormEvent, type ReactNode } from "react";
import { explain } from "../lib/errors";
import { Busy } from "../lib/gate";
import { useSending, type Deed } from "../lib/send";
import { Button } from ".";

/**
 * Something that can be done on the chain: what it means, its fields, and a button. `why` is the reason why it cannot be done now, which is shown
 * instead of letting somebody try. `deed` says what to send; what it throws is shown.
 */
export function Act({
  name,
  says,
  label,
  kind = "plain",
  why,
  always = false,
  deed,
  done,
  children,
}: {
  name: string;
  says: ReactNode;
  label: string;
  kind?: "plain" | "primary" | "danger";
  why: string | null;
  /** Shows the fields although it cannot be done yet: filling them in is what is missing. */
  always?: boolean;
  deed: () => Deed | Promise<Deed>;
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
      const made = await deed();
      // The dialog says what became of it, unless it is about something else.
      await send(made).then(done, (failure) => {
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
      <p className="muted small">{says}</p>
      {(why === null || always) && children}
      {error && (
        <p className="wrong small" role="alert">
          {error}
        </p>
      )}
      {why !== null && (
        <p id={`${id}-why`} className="small">
          {always ? "First" : "Not now"}: {why}
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
