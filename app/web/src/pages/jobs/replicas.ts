// Replicas of a job: jobs with consecutive ids, opened in one transaction.

import type { Address } from "@solana/kit";
import { useQuery } from "@tanstack/react-query";
import { findJobPda, type Job } from "../../generated/jobs";
import { findSome, type Found } from "../../lib/accounts";
import { useMarket } from "../../lib/market";
import { JOB, Status } from "./accounts";

/** Addresses of all replicas of a job, including itself. */
export function places({ escrow, id, replica, replicas }: Pick<Job, "escrow" | "id" | "replica" | "replicas">): Promise<Address[]> {
  const first = id - BigInt(replica);
  return Promise.all(Array.from({ length: replicas }, async (_, index) => (await findJobPda({ escrow, id: first + BigInt(index) }))[0]));
}

/** The replicas of a job that have not ended, including itself; none while they are loading. */
export function useReplicas(job: Found<Job> | null | undefined): { replicas: Found<Job>[]; isLoading: boolean } {
  const market = useMarket();
  const { data = [], isLoading } = useQuery({
    queryKey: ["accounts", "replicas", job?.address],
    queryFn: async () => (job ? siblings(job, await findSome(market, JOB, await places(job))) : []),
    enabled: !!job && job.replicas > 1,
  });
  return { replicas: job?.replicas === 1 ? [job] : data, isLoading };
}

/** Fields that all replicas of a job share, as in the program. Their addresses already imply the same consumer. */
const COMMON = ["openedSlot", "model", "inputs", "units", "replicas", "openSeconds", "runSeconds", "windowSeconds"] as const;
type Common = Pick<Job, (typeof COMMON)[number]>;

const common = (job: Common): string => COMMON.map((part) => String(job[part])).join(" ");

/** The jobs among `found` that are replicas of `job`, leaving out unrelated jobs that took an address next to it. */
export const siblings = <A extends Common>(job: A, found: readonly A[]): A[] => found.filter((other) => common(other) === common(job));

/** The replicas that a wallet may cancel: no device has claimed them, and they are paid from the wallet's own escrow. */
export const cancellable = <A extends Pick<Job, "status">>(replicas: readonly A[], owner: string | undefined, wallet: string | null) =>
  owner === wallet ? replicas.filter(({ status }) => status === Status.Open) : [];

/** Explains what cancelling some of the remaining replicas does. */
export function explainCancelling(cancellable: number, replicas: number): string {
  const claimed = replicas - cancellable;
  const [it, other] = cancellable === 1 ? ["it", "the other"] : ["them", "the others"];
  const returned = `The full amount locked for ${claimed > 0 ? other : it} returns to your escrow, and the rent to your wallet.`;
  if (claimed > 0) return `${claimed} of ${replicas} replicas ${claimed === 1 ? "is" : "are"} claimed and cannot be cancelled. ${returned}`;
  return `No device has claimed ${cancellable === 1 ? it : `any of its ${cancellable} replicas`} yet. ${returned}`;
}
