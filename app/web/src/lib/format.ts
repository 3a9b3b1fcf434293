/** Base units of one $IO. */
export const IO = 100_000_000n;
/** Lamports of one SOL. */
export const SOL = 1_000_000_000n;

const DIGITS = new Intl.NumberFormat("en");

/** An amount of base units as a decimal number, exact; zeros at the end are left out. */
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

/** An amount of $IO at a glance: to the hundredth, below 1 $IO to three digits that count. */
export function roughly(amount: bigint): string {
  const digits = BigInt(amount.toString().length);
  const step = amount >= IO ? IO / 100n : 10n ** (digits > 3n ? digits - 3n : 0n);
  return io(((amount + step / 2n) / step) * step);
}

/** An amount of SOL. */
export const sol = (lamports: bigint | number): string => `${decimal(BigInt(lamports), SOL)} SOL`;

/** An amount as [`parseAmount`] reads it. */
export const asTyped = (amount: bigint, unit: bigint): string => decimal(amount, unit).replaceAll(",", "");

/** The base units somebody typed as a decimal number; an error says what is wrong. A comma is refused: to some it begins the decimals. */
export function parseAmount(text: string, unit: bigint): bigint {
  const places = unit.toString().length - 1;
  const match = /^(\d+)(?:\.(\d+))?$/.exec(text.trim());
  if (!match) throw new Error(`“${text}” is not a number; write it like 12.5`);
  const [, whole = "0", fraction = ""] = match;
  if (fraction.length > places) throw new Error(`at most ${places} digits may follow the point`);
  const amount = BigInt(whole) * unit + BigInt(fraction.padEnd(places, "0"));
  if (amount >= 1n << 64n) throw new Error("this is more than can exist");
  return amount;
}

/** A whole number. */
export const count = (number: number | bigint): string => DIGITS.format(number);

/** Basis points as per cent. */
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

// One form for all readers, in the language of the rest: no 3 pm beside 15:00, and no doubt about which number is the month.
const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
const MOMENT = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });
const CLOCK = new Intl.DateTimeFormat("en-GB", { timeStyle: "short" });
/** Seconds from 1970 to either end of JavaScript's calendar. `Date` and `Intl` throw beyond; what comes from the chain may be any number. */
const LAST = 8_640_000_000_000;

const isInCalendar = (seconds: number | bigint): boolean => Math.abs(Number(seconds)) <= LAST;

/** A moment in a form; the bare number beyond the calendar. */
const formed = (form: Intl.DateTimeFormat, seconds: number | bigint): string =>
  isInCalendar(seconds) ? form.format(Number(seconds) * 1000) : String(seconds);

/** A moment in the reader's own time zone. */
export function moment(seconds: number | bigint | null | undefined): string {
  if (seconds === null || seconds === undefined || Number(seconds) === 0) return "–";
  return formed(MOMENT, seconds);
}

/** A moment as machines read it; `undefined` beyond the calendar. */
export const iso = (seconds: number | bigint): string | undefined =>
  isInCalendar(seconds) ? new Date(Number(seconds) * 1000).toISOString() : undefined;

/** Day and month of a moment, in the reader's own time zone. */
export const day = (seconds: number): string => formed(DAY, seconds);

/** Hour and minute of a moment, in the reader's own time zone. */
export const clock = (seconds: number): string => formed(CLOCK, seconds);

/** Words of an event's name: StakeMoved is "stake moved". */
export const words = (name: string): string => name.replace(/(?<=[a-z])(?=[A-Z])/g, " ").toLowerCase();

/** How far a moment lies from now, both in unix seconds. */
export function ago(seconds: number, now: number): string {
  const away = now - seconds;
  return away >= 0 ? `${span(away)} ago` : `in ${span(-away)}`;
}

/** Bytes as hexadecimal digits. */
export const hex = (bytes: ArrayLike<number>): string => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

/** Hexadecimal digits as bytes. */
export const unhex = (text: string): Uint8Array => Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
