import { useId, useState, type ButtonHTMLAttributes, type InputHTMLAttributes, type MouseEvent, type ReactNode } from "react";
import { Link } from "wouter";
import { explain } from "../lib/errors";
import { capital, io, iso, moment, roughly, short } from "../lib/format";

/** A button; the main one of a form is `primary`. While `busy` it does nothing, but keeps the focus. */
export function Button({ kind = "plain", busy = false, ...rest }: ButtonHTMLAttributes<HTMLButtonElement> & { kind?: "plain" | "primary" | "danger"; busy?: boolean }) {
  const press = busy ? (event: MouseEvent) => event.preventDefault() : rest.onClick;
  return <button type="button" {...rest} onClick={press} aria-disabled={busy || undefined} className={`button ${kind} ${rest.className ?? ""}`} />;
}

/** The heading of a page with its actions. `up` links to the list that the page belongs to. */
export function Title({
  up,
  children,
  note,
  actions,
}: {
  up?: [to: string, name: string];
  children: ReactNode;
  note?: ReactNode;
  actions?: ReactNode;
}) {
  return (
    <header className="title">
      <div>
        {up && (
          <Link className="small" href={up[0]}>
            {up[1]}
          </Link>
        )}
        <h1>{children}</h1>
        {note && <p className="muted">{note}</p>}
      </div>
      {actions && <div className="actions">{actions}</div>}
    </header>
  );
}

/** A part of a page; a `tall` one reserves room for a chart that is still loading. */
export function Card({ title, actions, tall, children }: { title?: ReactNode; actions?: ReactNode; tall?: boolean; children: ReactNode }) {
  return (
    <section className={tall ? "card tall" : "card"}>
      {(title || actions) && (
        <header>
          <h2>{title}</h2>
          {actions}
        </header>
      )}
      {children}
    </section>
  );
}

/** A figure: one number with its name. */
export function Figure({ name, children, note }: { name: string; children: ReactNode; note?: ReactNode }) {
  return (
    <div className="figure">
      <dt>{name}</dt>
      <dd>{children}</dd>
      {note && <dd className="muted small">{note}</dd>}
    </div>
  );
}

/** Figures side by side. */
export const Figures = ({ children }: { children: ReactNode }) => <dl className="figures">{children}</dl>;

/** A list of names and values, without those that are `false`. */
export function Facts({ of }: { of: (readonly [name: ReactNode, value: ReactNode] | false)[] }) {
  return (
    <dl className="facts">
      {of.map(
        (fact, index) =>
          fact && (
            <div key={index}>
              <dt>{fact[0]}</dt>
              <dd>{fact[1]}</dd>
            </div>
          ),
      )}
    </dl>
  );
}

/** A state in a word, which its colour repeats. */
export const Badge = ({ tone = "plain", children }: { tone?: "plain" | "good" | "bad" | "busy"; children: ReactNode }) => (
  <span className={`badge ${tone}`}>{children}</span>
);

/** An error and what to do about it. */
export const Problem = ({ error, retry }: { error: unknown; retry?: () => void }) => (
  <div className="problem" role="alert">
    <p>{capital(explain(error))}</p>
    {retry && <Button onClick={retry}>Try again</Button>}
  </div>
);

/** What is wrong; nothing if nothing is. Error messages start in lower case, so that they can also be parts of sentences. */
export const Wrong = ({ children }: { children: string | null }) =>
  children && (
    <p className="wrong" role="alert">
      {capital(children)}
    </p>
  );

/** A loading indicator. */
export const Loading = ({ what = "Loading" }: { what?: string }) => (
  <p className="loading" role="status">
    <span className="spinner" aria-hidden="true" />
    {what}…
  </p>
);

/** An empty state: that there is nothing yet, and what would change that. */
export const Empty = ({ children }: { children: ReactNode }) => <p className="empty">{children}</p>;

/** The part of a query that is shown. */
interface Query<Data> {
  data: Data | undefined;
  error: unknown;
  refetch?: () => unknown;
}

/** A query's result, or its loading, error or empty state. */
export function Answer<Data>({ of, empty, children }: { of: Query<Data>; empty?: ReactNode; children: (data: Data) => ReactNode }) {
  if (of.data === undefined) {
    return of.error ? <Problem error={of.error} retry={of.refetch && (() => void of.refetch?.())} /> : <Loading />;
  }
  if (empty && Array.isArray(of.data) && of.data.length === 0) return <Empty>{empty}</Empty>;
  return children(of.data);
}

/** A column of a table. */
export interface Column<Row> {
  name: string;
  /** Numbers are aligned to the right. */
  number?: boolean;
  /** Hidden on narrow screens. */
  wide?: boolean;
  cell: (row: Row) => ReactNode;
}

/** What fetches more rows of a list. */
export interface More {
  hasNextPage: boolean;
  isFetchingNextPage: boolean;
  fetchNextPage: () => unknown;
}

interface TableOf<Row> {
  caption: string;
  columns: Column<Row>[];
  rows: readonly Row[];
  rowKey: (row: Row) => string | number;
  step?: number;
  more?: More;
}

/** A list of the indexer as a table, or its loading, error or empty state. */
export const List = <Row,>({ of, empty, ...table }: Omit<TableOf<Row>, "rows" | "more"> & { of: More & Query<Row[]>; empty: ReactNode }) => (
  <Answer of={of} empty={empty}>
    {(rows) => <Table {...table} rows={rows} more={of} />}
  </Answer>
);

/**
 * A table. It scrolls sideways within itself and shows `step` rows at first; a button below shows and fetches more. On narrow screens each
 * row is a card with labelled cells.
 */
export function Table<Row>({ caption, columns, rows, rowKey, step = Number.POSITIVE_INFINITY, more }: TableOf<Row>) {
  const [shown, setShown] = useState(step);
  const showMore = () => {
    setShown(shown + step);
    if (more?.hasNextPage && rows.length < shown + step) void more.fetchNextPage();
  };
  return (
    <>
      <div className="scroll" tabIndex={0} role="region" aria-label={caption}>
        <table>
          <caption className="hidden">{caption}</caption>
          <thead>
            <tr>
              {columns.map((column, index) => (
                <th key={index} scope="col" className={style(column)}>
                  {column.name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.slice(0, shown).map((row) => (
              <tr key={rowKey(row)}>
                {columns.map((column, index) => (
                  <td key={index} className={style(column)} data-name={column.name}>
                    {column.cell(row)}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {(more?.hasNextPage || rows.length > shown) && (
        <Button className="more" busy={more?.isFetchingNextPage} onClick={showMore}>
          {more?.isFetchingNextPage ? "Loading…" : "Show more"}
        </Button>
      )}
    </>
  );
}

const style = ({ number, wide }: { number?: boolean; wide?: boolean }) =>
  [number && "number", wide && "wide"].filter(Boolean).join(" ") || undefined;

/** A shortened address with a button that copies it in full. With `to` it links to a page of the app. */
export function Key({ of, to }: { of: string | null | undefined; to?: string }) {
  const [copied, setCopied] = useState(false);
  if (!of) return <>–</>;
  // Browsers have no clipboard without https, and may refuse to write to it.
  const copy = () => navigator.clipboard?.writeText(of).then(() => setCopied(true), () => {});
  return (
    <span className="key">
      {to ? (
        <Link href={to} title={of}>
          {short(of)}
        </Link>
      ) : (
        <code title={of}>{short(of)}</code>
      )}
      <button type="button" aria-label={copied ? "Copied" : `Copy ${of}`} onClick={() => void copy()} onBlur={() => setCopied(false)}>
        <svg viewBox="0 0 16 16" width="14" height="14" fill="none" stroke="currentColor" strokeWidth="1.5" aria-hidden="true">
          {copied ? <path d="M3 8.5 6.5 12 13 4.5" /> : <path d="M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3" />}
        </svg>
      </button>
    </span>
  );
}

/** An amount of $IO; a `rough` one is rounded until it is pressed. */
export function Io({ of, rough = false }: { of: bigint | number | null | undefined; rough?: boolean }) {
  const [exact, setExact] = useState(false);
  if (!rough || of === null || of === undefined || roughly(BigInt(of)) === io(of)) return <span className="amount">{io(of)}</span>;
  return (
    <button type="button" className="amount" title={io(of)} aria-pressed={exact} onClick={() => setExact(!exact)}>
      {exact ? io(of) : roughly(BigInt(of))}
    </button>
  );
}

/** A moment in the reader's time zone. */
export const Moment = ({ at }: { at: number | bigint | null | undefined }) =>
  at ? <time dateTime={iso(at)}>{moment(at)}</time> : <>–</>;

/** A form field with its label, a hint and an error. */
export function Field({
  label,
  hint,
  error,
  unit,
  ...input
}: InputHTMLAttributes<HTMLInputElement> & { label: string; hint?: ReactNode; error?: string | null; unit?: string }) {
  const id = useId();
  const described = [unit && `${id}-unit`, hint && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(" ") || undefined;
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <div className="input">
        <input id={id} aria-describedby={described} aria-invalid={error ? true : undefined} {...input} />
        {unit && (
          <span id={`${id}-unit`} className="muted">
            {unit}
          </span>
        )}
      </div>
      {hint && (
        <p id={`${id}-hint`} className="muted small">
          {hint}
        </p>
      )}
      {error && (
        <p id={`${id}-error`} className="wrong small" role="alert">
          {capital(error)}
        </p>
      )}
    </div>
  );
}

/** A choice among a few. */
export function Choice<Value extends string>({
  label,
  value,
  options,
  onChange,
}: {
  label: string;
  value: Value;
  options: readonly [value: Value, name: string][];
  onChange: (value: Value) => void;
}) {
  const id = useId();
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <select id={id} value={value} onChange={(event) => onChange(event.target.value as Value)}>
        {options.map(([option, name]) => (
          <option key={option} value={option}>
            {name}
          </option>
        ))}
      </select>
    </div>
  );
}
