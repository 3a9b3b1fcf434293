import type { JobRow } from "../../lib/api";
import { count } from "../../lib/format";
import { Badge, Io, Key, Moment, Table, type Column, type More } from "../../ui";

/** Jobs, the newest first; without the device column for jobs `ofOne` device. */
export function JobTable({ rows, more, ofOne = false }: { rows: JobRow[]; more?: More; ofOne?: boolean }) {
  const device: Column<JobRow> = { name: "Device", wide: true, cell: (job) => <Key of={job.device} to={`/devices/${job.device}`} /> };
  return (
    <Table
      caption="Jobs"
      rows={rows}
      rowKey={(job) => job.opened}
      more={more}
      columns={[
        { name: "Job", cell: (job) => <Key of={job.address} to={`/jobs/${job.address}`} /> },
        { name: "Status", cell: (job) => <JobStatus of={job.status} /> },
        { name: "Units", number: true, cell: (job) => count(job.units) },
        { name: "Price per unit", number: true, cell: (job) => <JobAmount job={job} of={job.price ?? job.max_price} /> },
        ...(ofOne ? [] : [device]),
        { name: "Opened", wide: true, cell: (job) => <Moment at={job.opened_at} /> },
      ]}
    />
  );
}

/** An amount in the token that a job is paid in. */
export function JobAmount({ job, of }: { job: JobRow; of: number | null }) {
  if (job.foreign_mint === 0 || of === null) return <Io of={of} />;
  return <>{count(of)} base units of <Key of={job.mint} /></>;
}

/** A job's status as a badge. */
export function JobStatus({ of }: { of: JobRow["status"] }) {
  const tone = of === "settled" ? "good" : of === "convicted" || of === "confessed" || of === "timed out" ? "bad" : "busy";
  return <Badge tone={of === "cancelled" || of === "expired" ? "plain" : tone}>{of}</Badge>;
}
