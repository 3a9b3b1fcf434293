/** Base units of one $IO. */
export const IO = 100_000_000n;
/** Lamports of one SOL. */
export const SOL = 1_000_000_000n;
/** Basis points of one percent. */
export const PERCENT = 100n;

const DIGITS = new Intl.NumberFormat("en");

/** An amount of base units as an exact decimal number without trailing zeros. */
export function decimal(amount: bigint, unit: bigint): string {
  const sign = amount < 0n ? "−" : "";
  const size = amount < 0n ? -amount : amount;
  const places = unit.toString().length - 1;
  const fraction = (size % unit).toString().padStart(places, "0").replace(/0+$/, "");
  return `${sign}${DIGITS.format(size / unit)}${fraction && `.${fraction}`}`;
}

/** An amount of $IO. */
export const io = (amount: bigint | number | null | undefined): string =>
  amount === null || amount === undefined ? "–" : `${decimal(BigInt(amount), IO)} $IO`;

/** An amount of $IO, rounded: to two decimals, below 1 $IO to three significant digits. */
export function roughly(amount: bigint): string {
  const digits = BigInt(amount.toString().length);
  const step = amount >= IO ? IO / 100n : 10n ** (digits > 3n ? digits - 3n : 0n);
  return io(((amount + step / 2n) / step) * step);
}

/** An amount of SOL. */
export const sol = (lamports: bigint | number): string => `${decimal(BigInt(lamports), SOL)} SOL`;

/** An amount as [`parseAmount`] reads it. */
export const asTyped = (amount: bigint, unit: bigint): string => decimal(amount, unit).replaceAll(",", "");

/** Parses a decimal number into base units. A comma is an error: some readers use it as a decimal point, others between thousands. */
export function parseAmount(text: string, unit: bigint): bigint {
  const places = unit.toString().length - 1;
  const match = /^(\d+)(?:\.(\d+))?$/.exec(text.trim());
  if (!match) throw new Error(`“${text}” is not a number; write it like 12.5`);
  const [, whole = "0", fraction = ""] = match;
  if (fraction.length > places) throw new Error(`use at most ${places} decimal places`);
  const amount = BigInt(whole) * unit + BigInt(fraction.padEnd(places, "0"));
  if (amount >= 1n << 64n) throw new Error("the amount is too large");
  return amount;
}

/** A number, with thousands separated. */
export const count = (number: number | bigint): string => DIGITS.format(number);

/** A number of things: “1 job”, “2 jobs”, “22.5 days”. */
export const many = (number: number | bigint, thing: string): string => `${count(number)} ${thing}${Number(number) === 1 ? "" : "s"}`;

/** Basis points as a percentage. */
export const percent = (bps: number): string => `${(bps / 100).toLocaleString("en", { maximumFractionDigits: 2 })} %`;

/** The first and last characters of an address or hash. */
export const short = (text: string): string => (text.length > 12 ? `${text.slice(0, 4)}…${text.slice(-4)}` : text);

/** A length of time in its two largest units. */
export function span(seconds: number): string {
  const units: [number, string][] = [
    [86_400, "d"],
    [3_600, "h"],
    [60, "min"],
    [1, "s"],
  ];
  let rest = Math.max(0, Math.round(seconds));
  const parts: string[] = [];
  for (const [size, name] of units) {
    if (rest >= size && parts.length < 2) {
      parts.push(`${Math.floor(rest / size)} ${name}`);
      rest %= size;
    } else if (parts.length > 0) {
      break;
    }
  }
  return parts.join(" ") || "0 s";
}

// One format for all readers: a 24-hour clock, and the month in letters so that it cannot be taken for the day.
const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
const MOMENT = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });
const CLOCK = new Intl.DateTimeFormat("en-GB", { timeStyle: "short" });
/** The largest time that `Date` and `Intl` accept, in seconds; they throw beyond it, and the chain may hold any number. */
const LAST = 8_640_000_000_000;

const isInCalendar = (seconds: number | bigint): boolean => Math.abs(Number(seconds)) <= LAST;

/** Formats a moment; the bare number if it is out of range. */
const formatted = (form: Intl.DateTimeFormat, seconds: number | bigint): string =>
  isInCalendar(seconds) ? form.format(Number(seconds) * 1000) : String(seconds);

/** A moment in the reader's own time zone. */
export function moment(seconds: number | bigint | null | undefined): string {
  if (seconds === null || seconds === undefined || Number(seconds) === 0) return "–";
  return formatted(MOMENT, seconds);
}

/** A moment in ISO 8601; `undefined` if it is out of range. */
export const iso = (seconds: number | bigint): string | undefined =>
  isInCalendar(seconds) ? new Date(Number(seconds) * 1000).toISOString() : undefined;

/** Day and month of a moment, in the reader's own time zone. */
export const day = (seconds: number): string => formatted(DAY, seconds);

/** Hour and minute of a moment, in the reader's own time zone. */
export const clock = (seconds: number): string => formatted(CLOCK, seconds);

/** An event's name in words: `StakeMoved` becomes "stake moved". */
export const words = (name: string): string => name.replace(/(?<=[a-z])(?=[A-Z])/g, " ").toLowerCase();

/** A text with its first letter in upper case. */
export const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

/** The time between a moment and now, both in unix seconds. */
export function ago(seconds: number, now: number): string {
  const away = now - seconds;
  return away >= 0 ? `${span(away)} ago` : `in ${span(-away)}`;
}

/** Bytes as hexadecimal digits. */
export const hex = (bytes: ArrayLike<number>): string => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

/** Hexadecimal digits as bytes. */
export const unhex = (text: string): Uint8Array => Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
