import {
  findConfigPda,
  getConfigDecoder,
  getConfigDiscriminatorBytes,
  getEscrowDecoder,
  getEscrowDiscriminatorBytes,
  getJobDecoder,
  getJobDiscriminatorBytes,
  getModelDecoder,
  getModelDiscriminatorBytes,
  JOBS_PROGRAM_ADDRESS,
  type Config,
  type Escrow,
  type Job,
  type Model,
} from "../../generated/jobs";
import type { Address } from "@solana/kit";
import { useOne, useSingle, type Kind } from "../../lib/accounts";
import { useShipped, type Shipped } from "../../lib/engine";
import { hex } from "../../lib/format";

const program = JOBS_PROGRAM_ADDRESS;

/** Jobs. */
export const JOB: Kind<Job> = { program, discriminator: getJobDiscriminatorBytes(), decoder: getJobDecoder() };
/** Consumers' escrows. */
export const ESCROW: Kind<Escrow> = { program, discriminator: getEscrowDiscriminatorBytes(), decoder: getEscrowDecoder() };
/** Registered models. */
export const MODEL: Kind<Model> = { program, discriminator: getModelDiscriminatorBytes(), decoder: getModelDecoder() };

const CONFIG: Kind<Config> = { program, discriminator: getConfigDiscriminatorBytes(), decoder: getConfigDecoder() };

/** The program's parameters. */
export const useJobsConfig = () => useSingle(CONFIG, findConfigPda);

/** A job account's `status`. */
export enum Status {
  Open,
  Assigned,
  Committed,
  Revealed,
  Convicted,
}

/** A job account's `audit`: the state of the audit of its result. */
export enum Audit {
  Undrawn,
  Cleared,
  Drawn,
  Taken,
  Sealed,
  Proven,
}

/** The package of a registered model, if this server ships it: the hash in the model's account tells. */
export function usePackage(address: Address | null): { model: Shipped | undefined; error: unknown; retry: () => void; isPending: boolean } {
  const account = useOne(MODEL, address);
  const shipped = useShipped();
  const hash = account.data && hex(account.data.hash);
  const model = shipped.data?.find((model) => model.hash === hash);
  const { error, refetch } = account.error ? account : shipped;
  return { model, error, retry: () => void refetch(), isPending: account.isLoading || shipped.isPending };
}
