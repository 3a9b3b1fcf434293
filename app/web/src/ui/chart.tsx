import { useEffect, useRef } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";

/** A line of a chart; `null` where it has no value. */
export interface Line {
  name: string;
  values: (number | null)[];
  /** A CSS colour variable. */
  color?: string;
}

const COLORS = ["--line-1", "--line-2", "--line-3", "--line-4"];
const HEIGHT = 220;
/** Seconds shown around a point that is alone. */
const ALONE = 43_200;

/** Lines over time (unix seconds). What it shows is also said in words, for those who cannot see it. */
export function Chart({ label, times, lines, format }: { label: string; times: number[]; lines: Line[]; format: (value: number) => string }) {
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const element = place.current;
    if (!element) return;
    const css = getComputedStyle(element);
    const color = (name: string) => css.getPropertyValue(name).trim();
    const axis = { stroke: color("--muted"), grid: { stroke: color("--border"), width: 1 }, ticks: { show: false } };
    const plot = new uPlot(
      {
        width: element.clientWidth || 300,
        height: HEIGHT,
        legend: { show: lines.length > 1 },
        cursor: { y: false },
        scales: { x: { range: (_, from, to) => (times.length === 1 ? [from - ALONE, from + ALONE] : [from, to]) } },
        series: [
          {},
          ...lines.map((line, index) => ({
            label: line.name,
            stroke: color(line.color ?? COLORS[index % COLORS.length] ?? "--line-1"),
            width: 2,
            points: { show: times.length < 30 },
            value: (_: uPlot, value: number | null) => (value === null ? "–" : format(value)),
          })),
        ],
        axes: [axis, { ...axis, size: 80, values: (_: uPlot, values: number[]) => values.map(format) }],
      },
      [times, ...lines.map(({ values }) => values)],
      element,
    );
    const resize = new ResizeObserver(() => plot.setSize({ width: element.clientWidth, height: HEIGHT }));
    resize.observe(element);
    return () => {
      resize.disconnect();
      plot.destroy();
    };
  }, [times, lines, format]);
  const said = lines.map(({ name, values }) => {
    const last = values.findLast((value) => value !== null);
    return `${name}: ${last === undefined || last === null ? "nothing yet" : `${format(last)} last`}`;
  });
  return <div ref={place} className="chart" role="img" aria-label={`${label}. ${said.join("; ")}`} />;
}
