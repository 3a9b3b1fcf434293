import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "wouter";
import { findEscrowPda } from "../../generated/jobs";
import { useList, type JobRow } from "../../lib/api";
import { capital } from "../../lib/format";
import { useMarket } from "../../lib/market";
import { useWallet } from "../../lib/wallet";
import { Answer, Card, Choice, Empty, Title } from "../../ui";
import { EscrowCard } from "./escrow";
import { JobTable } from "./table";

const STATUSES = ["open", "claimed", "committed", "revealed", "settled", "cancelled", "expired", "timed out", "convicted", "confessed"] as const;

/** All jobs, or those of the wallet. */
export default function JobsPage() {
  const { config } = useMarket();
  const { address } = useWallet();
  const [status, setStatus] = useState<"" | (typeof STATUSES)[number]>("");
  const [whose, setWhose] = useState<"all" | "mine">("all");
  const { data: escrow } = useQuery({
    queryKey: ["config", "escrow", address],
    queryFn: async () => (address ? (await findEscrowPda({ owner: address, mint: config.mint }))[0] : null),
    enabled: address !== null,
  });
  const mine = whose === "mine";
  const jobs = useList<JobRow>("jobs", { status: status || undefined, escrow: mine ? (escrow ?? undefined) : undefined }, !mine || !!escrow);
  return (
    <>
      <Title
        note="The price of a job is locked in an escrow that no key can spend. The device is paid once its result has passed the challenge window; if the result is wrong or late, you get everything back."
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
            label="Show"
            value={whose}
            onChange={setWhose}
            options={[
              ["all", "All jobs"],
              ["mine", "My jobs"],
            ]}
          />
          <Choice label="Status" value={status} onChange={setStatus} options={[["", "Any"], ...STATUSES.map((name) => [name, capital(name)] as [typeof name, string])]} />
        </div>
        {mine && !address ? (
          <Empty>Connect a wallet to see your jobs.</Empty>
        ) : (
          <Answer of={jobs} empty={status || mine ? "No job matches these filters." : "No job has been opened yet."}>
            {(rows) => <JobTable rows={rows} more={jobs} />}
          </Answer>
        )}
      </Card>
    </>
  );
}
