import { useState, type ReactNode } from "react";
import { explain } from "../lib/errors";
import { asTyped, decimal, IO, parseAmount } from "../lib/format";
import { Field } from ".";

/** State of a field for an amount. */
export interface Typed {
  text: string;
  setText: (text: string) => void;
  /** In base units; `null` if the field is empty or not a number. */
  amount: bigint | null;
  /** Why the text is not an amount. */
  error: string | null;
}

/** State for a field that takes an amount, of $IO unless another `unit` is given in base units. */
export function useAmount(initial = "", unit = IO): Typed {
  const [text, setText] = useState(initial);
  if (text.trim() === "") return { text, setText, amount: null, error: null };
  try {
    return { text, setText, amount: parseAmount(text, unit), error: null };
  } catch (failure) {
    return { text, setText, amount: null, error: explain(failure) };
  }
}

/** The amount typed, in base units; throws if there is none. */
export function given({ amount, error }: Typed): bigint {
  if (error) throw new Error(error);
  if (!amount) throw new Error("enter an amount above zero");
  return amount;
}

/** A field for an amount of $IO; with `most` a button fills in that amount. */
export function AmountField({ label, typed, hint, most, error }: { label: string; typed: Typed; hint?: ReactNode; most?: bigint; error?: string | null }) {
  return (
    <div className="amount-field">
      <Field
        label={label}
        unit="$IO"
        inputMode="decimal"
        autoComplete="off"
        value={typed.text}
        onChange={(event) => typed.setText(event.target.value)}
        error={typed.error ?? error}
        hint={hint}
      />
      {most !== undefined && most > 0n && (
        <button type="button" className="link small" onClick={() => typed.setText(asTyped(most, IO))}>
          Use {decimal(most, IO)} $IO
        </button>
      )}
    </div>
  );
}
