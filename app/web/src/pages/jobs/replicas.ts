// Replicas of a job: jobs beside each other, opened in one transaction under ids that follow each other.

import type { Address } from "@solana/kit";
import { useQuery } from "@tanstack/react-query";
import { findJobPda, type Job } from "../../generated/jobs";
import { findSome, type Found } from "../../lib/accounts";
import { useMarket } from "../../lib/market";
import { JOB, Status } from "./accounts";

/** Where the replicas of a job live while they go on, itself among them. */
export function places({ escrow, id, replica, replicas }: Pick<Job, "escrow" | "id" | "replica" | "replicas">): Promise<Address[]> {
  const first = id - BigInt(replica);
  return Promise.all(Array.from({ length: replicas }, async (_, index) => (await findJobPda({ escrow, id: first + BigInt(index) }))[0]));
}

/** The replicas of a job that still go on, itself among them; none before they are known. */
export function useReplicas(job: Found<Job> | null | undefined): Found<Job>[] {
  const market = useMarket();
  const { data } = useQuery({
    queryKey: ["accounts", "replicas", job?.address],
    queryFn: async () => (job ? siblings(job, await findSome(market, JOB, await places(job))) : []),
    enabled: !!job && job.replicas > 1,
  });
  if (!job) return [];
  return job.replicas > 1 ? (data ?? []) : [job];
}

/** What all replicas of a job have in common, as the program judges it. Their consumer is one already, by their addresses. */
const COMMON = ["openedSlot", "model", "inputs", "units", "replicas", "openSeconds", "runSeconds", "windowSeconds"] as const;
type Common = Pick<Job, (typeof COMMON)[number]>;

const common = (job: Common): string => COMMON.map((part) => String(job[part])).join(" ");

/** Without what has replaced a replica at its address, or was opened beside it as something else. */
export const siblings = <A extends Common>(job: A, found: readonly A[]): A[] => found.filter((other) => common(other) === common(job));

/** Those of replicas that a wallet may take back: no device has taken them, and their money is from the wallet's own escrow. */
export const takeable = <A extends Pick<Job, "status">>(replicas: readonly A[], owner: string | undefined, wallet: string | null) =>
  owner === wallet ? replicas.filter(({ status }) => status === Status.Open) : [];

/** What it means to take some of the replicas that go on back, as sentences. */
export function sayTaking(takeable: number, replicas: number): string {
  const taken = replicas - takeable;
  const [it, other, its] = takeable === 1 ? ["it", "the other", "its rent returns"] : ["them", "the others", "their rents return"];
  const free = `All that was set aside for ${taken > 0 ? other : it} is free again, and ${its}.`;
  if (taken > 0) return `${taken} of ${replicas} replicas ${taken === 1 ? "is" : "are"} taken and cannot be taken back. ${free}`;
  return `No device has taken ${takeable === 1 ? it : `any of its ${takeable} replicas`} yet. ${free}`;
}
