import {
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
import type { Kind } from "../../lib/accounts";

const program = JOBS_PROGRAM_ADDRESS;

/** Jobs. */
export const JOB: Kind<Job> = { program, discriminator: getJobDiscriminatorBytes(), decoder: getJobDecoder() };
/** Consumers' escrows. */
export const ESCROW: Kind<Escrow> = { program, discriminator: getEscrowDiscriminatorBytes(), decoder: getEscrowDecoder() };
/** Registered models. */
export const MODEL: Kind<Model> = { program, discriminator: getModelDiscriminatorBytes(), decoder: getModelDecoder() };
/** The program's parameters. */
export const CONFIG: Kind<Config> = { program, discriminator: getConfigDiscriminatorBytes(), decoder: getConfigDecoder() };

/** A job's states, as the account has them. */
export enum Status {
  Open,
  Assigned,
  Committed,
  Revealed,
  Convicted,
}
