import { useMemo } from "react";
import { Link } from "wouter";
import { useAnswer, useList, type JobRow, type PriceRow, type ThroughputRow } from "../../lib/api";
import { gpuName, useGpuModels } from "../../lib/gpus";
import { decimal, IO, many, span } from "../../lib/format";
import { Answer, Card, Empty, Figure, Title } from "../../ui";
import { Chart } from "../../ui/chart";
import { SECONDS } from "../../ui/ticks";
import { JobTable } from "../jobs/table";
import { NetworkFigures } from "./figures";

/** Hours shown in the charts: a week. */
const HOURS = 168;

/** The market at a glance. */
export default function MarketPage() {
  const jobs = useList<JobRow>("jobs", { limit: 8 });
  return (
    <>
      <Title note="Suppliers run jobs on their GPUs and are paid for the results. Anyone can prove a result wrong: the chain recomputes a single element, and the device loses its bond.">Market</Title>
      <NetworkFigures>
        {(number, amount) => (
          <>
            <Figure name="GPUs registered" note={`${number("devices")} devices`}>
              {number("gpus")}
            </Figure>
            <Figure name="GPUs staked" note="of those registered">
              {number("gpus_staked")}
            </Figure>
            <Figure name="GPUs verified" note="checked in recently">
              {number("gpus_verified")}
            </Figure>
            <Figure name="GPUs busy" note="running a job">
              {number("gpus_busy")}
            </Figure>
            <Figure name="Staked" note="own stake and co-stake">
              {amount("staked")}
            </Figure>
            <Figure name="Jobs settled" note={`of ${number("jobs")} opened`}>
              {number("jobs_settled")}
            </Figure>
            <Figure name="Convictions" note="results proven wrong">
              {number("jobs_convicted")}
            </Figure>
            <Figure name="Paid to suppliers" note="for jobs">
              {amount("paid_to_suppliers")}
            </Figure>
          </>
        )}
      </NetworkFigures>
      <div className="columns">
        <Prices />
        <Throughput />
      </div>
      <Card title="Latest jobs" actions={<Link href="/jobs">All jobs</Link>}>
        <Answer of={jobs} empty="No job has been opened yet.">
          {(rows) => <JobTable rows={rows} />}
        </Answer>
      </Card>
    </>
  );
}

function Prices() {
  const prices = useAnswer<{ rows: PriceRow[] }>("prices", { hours: HOURS });
  const gpus = useGpuModels();
  const chart = useMemo(() => {
    const rows = prices.data?.rows ?? [];
    const times = [...new Set(rows.map(({ hour }) => hour))].sort((a, b) => a - b);
    const models = [...new Set(rows.map(({ gpu_model }) => gpu_model))].sort((a, b) => a - b);
    const lines = models.map((model) => ({
      name: gpuName(gpus.data, model),
      values: times.map((time) => rows.find(({ hour, gpu_model }) => hour === time && gpu_model === model)?.mean ?? null),
    }));
    return {
      times,
      lines,
      jobs: rows.reduce((sum, { jobs }) => sum + jobs, 0),
      low: Math.min(...rows.map(({ low }) => low)),
      high: Math.max(...rows.map(({ high }) => high)),
    };
  }, [prices.data, gpus.data]);
  return (
    <Card title="Average price per unit, $IO" tall>
      <Answer of={prices}>
        {() =>
          chart.times.length > 0 ? (
            <>
              <Chart label="Price per unit over the last week, by GPU model" times={chart.times} lines={chart.lines} format={price} />
              <p className="muted small">
                {many(chart.jobs, "job")} claimed in the last week, at {price(chart.low)} to {price(chart.high)} $IO per unit.
              </p>
            </>
          ) : (
            <Empty>No jobs were claimed in the last week.</Empty>
          )
        }
      </Answer>
    </Card>
  );
}

const price = (base: number) => decimal(BigInt(Math.round(base)), IO);

function Throughput() {
  const throughput = useAnswer<{ rows: ThroughputRow[] }>("throughput", { hours: HOURS });
  const chart = useMemo(() => {
    const rows = throughput.data?.rows ?? [];
    // An hour may have settled jobs but no new result.
    const timed = rows.filter(({ p50 }) => p50 !== null).sort((a, b) => a.hour - b.hour);
    return {
      times: timed.map(({ hour }) => hour),
      lines: [
        { name: "Median", values: timed.map(({ p50 }) => p50) },
        { name: "95th percentile", values: timed.map(({ p95 }) => p95) },
        { name: "99th percentile", values: timed.map(({ p99 }) => p99) },
      ],
      settled: rows.reduce((sum, row) => sum + row.settled, 0),
      units: rows.reduce((sum, row) => sum + row.units, 0),
    };
  }, [throughput.data]);
  return (
    <Card title="Time to result" tall>
      <Answer of={throughput}>
        {() =>
          chart.times.length > 0 ? (
            <>
              <Chart
                label="Time from opening a job to its result, over the last week"
                times={chart.times}
                lines={chart.lines}
                format={span}
                steps={SECONDS}
              />
              <p className="muted small">
                {many(chart.settled, "job")} settled and {many(chart.units, "unit")} computed in the last week.
              </p>
            </>
          ) : (
            <Empty>No jobs ran in the last week.</Empty>
          )
        }
      </Answer>
    </Card>
  );
}
