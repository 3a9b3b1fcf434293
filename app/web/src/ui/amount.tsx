import { useState, type ReactNode } from "react";
import { explain } from "../lib/errors";
import { asTyped, decimal, IO, parseAmount } from "../lib/format";
import { Field } from ".";

/** An amount of $IO that is being typed. */
export interface Typed {
  text: string;
  setText: (text: string) => void;
  /** Base units; `null` while nothing or no number is typed. */
  amount: bigint | null;
  /** What is wrong with what was typed. */
  error: string | null;
}

/** An amount of $IO for somebody to type. */
export function useAmount(initial = ""): Typed {
  const [text, setText] = useState(initial);
  if (text.trim() === "") return { text, setText, amount: null, error: null };
  try {
    return { text, setText, amount: parseAmount(text, IO), error: null };
  } catch (failure) {
    return { text, setText, amount: null, error: explain(failure) };
  }
}

/** The base units typed, or an error that asks for them. */
export function given({ amount, error }: Typed): bigint {
  if (error) throw new Error(error);
  if (!amount) throw new Error("type an amount above zero");
  return amount;
}

/** A field for an amount of $IO; with `most` a button fills it in. */
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
          All {decimal(most, IO)} $IO
        </button>
      )}
    </div>
  );
}
