import type { Address } from "@solana/kit";
import {
  findConfigPda,
  getBallotDecoder,
  getBallotDiscriminatorBytes,
  getConfigDecoder,
  getConfigDiscriminatorBytes,
  getDelegationDecoder,
  getDelegationDiscriminatorBytes,
  getProposalDecoder,
  getProposalDiscriminatorBytes,
  GOVERNANCE_PROGRAM_ADDRESS,
  type Ballot,
  type Config,
  type Delegation,
  type Proposal,
} from "../../generated/governance";
import { trouble, useSingle, type Found, type Kind } from "../../lib/accounts";
import { useGpuModels } from "../../lib/gpus";
import { useCostaking } from "../costaking/accounts";
import { useEmission, useStaking } from "../devices/accounts";
import { useJobsConfig } from "../jobs/accounts";
import type { State } from "./settings";

const program = GOVERNANCE_PROGRAM_ADDRESS;

/** Proposals. */
export const PROPOSAL: Kind<Proposal> = { program, discriminator: getProposalDiscriminatorBytes(), decoder: getProposalDecoder() };
/** Ballots. */
export const BALLOT: Kind<Ballot> = { program, discriminator: getBallotDiscriminatorBytes(), decoder: getBallotDecoder() };
/** Delegations of votes to representatives. */
export const DELEGATION: Kind<Delegation> = { program, discriminator: getDelegationDiscriminatorBytes(), decoder: getDelegationDecoder() };

const CONFIG: Kind<Config> = { program, discriminator: getConfigDiscriminatorBytes(), decoder: getConfigDecoder() };

/** The rules of governance; `null` if it is not set up. */
export const useGovernance = () => useSingle(CONFIG, findConfigPda);

/** The current values of everything that a proposal can set; `null` if a program is not set up. */
export function useInForce(): { data: State | null | undefined } & ReturnType<typeof trouble> {
  const configs = { governance: useGovernance(), staking: useStaking(), costaking: useCostaking(), jobs: useJobsConfig() };
  const emission = useEmission();
  const gpus = useGpuModels();
  const all = [...Object.values(configs), emission, gpus];
  const asked = trouble(...all);
  if (all.some(({ data }) => data === undefined)) return { data: undefined, ...asked };
  const { governance, staking, costaking, jobs } = configs;
  if (!governance.data || !staking.data || !costaking.data || !jobs.data) return { data: null, ...asked };
  const data: State = {
    authority: governance.data.authority,
    governance: governance.data,
    staking: staking.data,
    costaking: costaking.data,
    jobs: jobs.data,
    emission: emission.data ?? null,
    gpus: gpus.data ?? [],
  };
  return { data, ...asked };
}

/** Whether governance holds the authorities: the last migration hands them over. */
export const governs = (state: State): boolean => state.staking.authority === state.authority;

/** A row of the GPU table by its address. */
export const rowAt = (state: State, address: Address | undefined): Found<State["gpus"][number]> | undefined => state.gpus.find((gpu) => gpu.address === address);
