import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "wouter";
import { findEscrowPda } from "../../generated/jobs";
import { useList, type JobRow } from "../../lib/api";
import { useMarket } from "../../lib/market";
import { useWallet } from "../../lib/wallet";
import { Answer, Card, Choice, Title } from "../../ui";
import { EscrowCard } from "./escrow";
import { JobTable } from "./table";

const STATUSES = ["open", "claimed", "committed", "revealed", "settled", "cancelled", "expired", "timed out", "convicted", "confessed"] as const;

/** All jobs, or the visitor's own. */
export function JobsPage() {
  const { config } = useMarket();
  const { address } = useWallet();
  const [status, setStatus] = useState<"" | (typeof STATUSES)[number]>("");
  const [whose, setWhose] = useState<"all" | "mine">("all");
  const { data: escrow } = useQuery({
    queryKey: ["config", "escrow", address],
    queryFn: async () => (address ? (await findEscrowPda({ owner: address, mint: config.mint }))[0] : null),
    enabled: address !== null,
  });
  const mine = whose === "mine" && address !== null;
  const jobs = useList<JobRow>("jobs", { status: status || undefined, escrow: mine ? (escrow ?? undefined) : undefined }, !mine || !!escrow);
  return (
    <>
      <Title
        says="A job's money waits in an escrow that no key can take. It is paid when the result has stood its time of challenge, and returns whole when it was wrong or late."
        actions={
          <Link className="button primary" href="/jobs/new">
            New job
          </Link>
        }
      >
        Jobs
      </Title>
      <EscrowCard />
      <Card title="Jobs">
        <div className="filters">
          <Choice
            label="Whose"
            value={whose}
            onChange={setWhose}
            options={address ? [["all", "All"], ["mine", "Mine"]] : [["all", "All (connect a wallet to see yours)"]]}
          />
          <Choice label="Status" value={status} onChange={setStatus} options={[["", "Any"], ...STATUSES.map((name) => [name, name] as [typeof name, string])]} />
        </div>
        <Answer of={{ ...jobs, data: jobs.rows }} empty="There is no such job.">
          {(rows) => <JobTable rows={rows} more={jobs} />}
        </Answer>
      </Card>
    </>
  );
}
