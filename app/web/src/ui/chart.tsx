import { useEffect, useRef, useSyncExternalStore } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { moment } from "../lib/format";
import { endOf, levelsOf } from "./levels";
import { AMOUNTS, HOURS, timeTicks } from "./ticks";

/** A line of a chart; `null` where there is no value. */
export interface Line {
  name: string;
  values: (number | null)[];
}

/** Values over time. */
interface Over {
  label: string;
  /** Unix seconds, the earliest first. */
  times: number[];
  lines: Line[];
  format: (value: number) => string;
  /** Allowed distances between ticks on the value axis. */
  steps?: number[];
}

const COLORS = ["--line-1", "--line-2", "--line-3", "--line-4"];
const colorOf = (line: number) => COLORS[line % COLORS.length] ?? "--line-1";
const HEIGHT = 220;
/** Fewest times that are drawn as lines; fewer are drawn as bars. */
const FEW = 4;
/** Width of a digit on an axis, in pixels. */
const DIGIT = 7.5;

const DARK = matchMedia("(prefers-color-scheme: dark)");
const watchDark = (changed: () => void) => {
  DARK.addEventListener("change", changed);
  return () => DARK.removeEventListener("change", changed);
};

/** A chart of values over time, starting at zero: lines, or bars if there are only a few. */
export const Chart = (of: Over) => (of.times.length < FEW ? <Bars {...of} /> : <Lines {...of} />);

/** The values as bars, the latest first. */
function Bars({ label, times, lines, format }: Over) {
  const most = Math.max(...lines.flatMap(({ values }) => values.map((value) => value ?? 0)));
  return (
    <div className="bars" role="group" aria-label={label}>
      {times.map((time, at) => (
        <div key={time}>
          <p className="muted small">{moment(time)}</p>
          <dl>
            {lines.map(({ name, values }, line) => {
              const value = values[at] ?? null;
              return (
                value !== null && (
                  <div key={name}>
                    <dt>{name}</dt>
                    <dd>{format(value)}</dd>
                    <dd className="bar" aria-hidden="true">
                      <i style={{ width: `${most > 0 ? (value / most) * 100 : 0}%`, background: `var(${colorOf(line)})` }} />
                    </dd>
                  </div>
                )
              );
            })}
          </dl>
        </div>
      )).reverse()}
    </div>
  );
}

/** The values as stepped lines. The label for screen readers has the latest of each line. */
function Lines({ label, times, lines, format, steps = AMOUNTS }: Over) {
  const place = useRef<HTMLDivElement>(null);
  // A canvas keeps the colours that it was drawn with.
  const isDark = useSyncExternalStore(watchDark, () => DARK.matches);
  useEffect(() => {
    const element = place.current;
    if (!element) return;
    const css = getComputedStyle(element);
    const color = (name: string) => css.getPropertyValue(name).trim();
    const axis = { stroke: color("--muted"), ticks: { show: false } };
    const end = endOf(times);
    const levels = lines.map(({ name, values }) => ({ name, values: levelsOf(values) }));
    const written = (value: number | null) => (value === null ? "–" : format(value));
    const last = times.at(-1) ?? 0;
    // Without a cursor on the chart, the legend shows the latest value.
    const legend =
      (latest: number | null, text: (value: number | null) => string): uPlot.Series.Value =>
      (_, value, __, at) =>
        text(at === null ? latest : value);
    const plot = new uPlot(
      {
        width: element.clientWidth || 300,
        height: HEIGHT,
        cursor: { y: false, drag: { x: false } },
        scales: { y: { range: (_, __, most) => [0, most > 0 ? most * 1.1 : 1] } },
        series: [
          { label: "", value: legend(last, (time) => moment(time === end ? last : time)) },
          ...levels.map(({ name, values }, line) => ({
            label: name,
            stroke: color(colorOf(line)),
            width: 2,
            paths: uPlot.paths.stepped?.({ align: 1 }),
            points: { show: false },
            value: legend(values.at(-1) ?? null, written),
          })),
        ],
        axes: [
          { ...axis, grid: { show: false }, incrs: HOURS, values: (_, moments, __, ___, step) => timeTicks(moments, step) },
          {
            ...axis,
            grid: { stroke: color("--border"), width: 1 },
            incrs: steps,
            size: (_, values) => 15 + DIGIT * Math.max(0, ...(values ?? []).map(({ length }) => length)),
            values: (_, values) => values.map(format),
          },
        ],
      },
      [[...times, end], ...levels.map(({ values }) => values)],
      element,
    );
    const resize = new ResizeObserver(() => plot.setSize({ width: element.clientWidth, height: HEIGHT }));
    resize.observe(element);
    return () => {
      resize.disconnect();
      plot.destroy();
    };
  }, [times, lines, format, steps, isDark]);
  const latest = lines.map(({ name, values }) => {
    const last = levelsOf(values).at(-1) ?? null;
    return `${name}: ${last === null ? "no value yet" : `latest ${format(last)}`}`;
  });
  return <div ref={place} className="chart" role="img" aria-label={`${label}. ${latest.join("; ")}`} />;
}
