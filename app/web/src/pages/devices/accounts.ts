import { useQuery, type UseQueryResult } from "@tanstack/react-query";
import {
  findConfigPda,
  findEmissionPda,
  getStakingConfigDecoder,
  getStakingConfigDiscriminatorBytes,
  getDeviceDecoder,
  getDeviceDiscriminatorBytes,
  getEmissionDecoder,
  getEmissionDiscriminatorBytes,
  getRewardBlockDecoder,
  getRewardBlockDiscriminatorBytes,
  getSlashDecoder,
  getSlashDiscriminatorBytes,
  STAKING_PROGRAM_ADDRESS,
  type StakingConfig,
  type Device,
  type Emission,
  type RewardBlock,
  type Slash,
} from "../../generated/staking";
import { findAll, useSingle, type Found, type Kind } from "../../lib/accounts";
import { useMarket } from "../../lib/market";

const program = STAKING_PROGRAM_ADDRESS;
/** Milliseconds between fetches of the reward hours: one is settled every hour. */
const HOURS_STAY = 60_000;

/** Devices. */
export const DEVICE: Kind<Device> = { program, discriminator: getDeviceDiscriminatorBytes(), decoder: getDeviceDecoder() };
/** The program's parameters. */
export const CONFIG: Kind<StakingConfig> = { program, discriminator: getStakingConfigDiscriminatorBytes(), decoder: getStakingConfigDecoder() };
/** The emission: rules of the rewards. */
export const EMISSION: Kind<Emission> = { program, discriminator: getEmissionDiscriminatorBytes(), decoder: getEmissionDecoder() };
/** Reward blocks, one an hour. */
export const BLOCK: Kind<RewardBlock> = { program, discriminator: getRewardBlockDiscriminatorBytes(), decoder: getRewardBlockDecoder() };
/** Slashes decided by the two judge keys. */
export const SLASH: Kind<Slash> = { program, discriminator: getSlashDiscriminatorBytes(), decoder: getSlashDecoder() };

/** The staking program's parameters. */
export const useStaking = () => useSingle(CONFIG, findConfigPda);

/** Rules of the rewards; `null` until the emission has started. */
export const useEmission = () => useSingle(EMISSION, findEmissionPda);

/**
 * The reward blocks that the chain keeps: those of the last seven days. They are large and change
 * once an hour, so they are polled, not refreshed by events.
 */
export function useHours(): UseQueryResult<Found<RewardBlock>[]> {
  const market = useMarket();
  return useQuery({ queryKey: ["clock", "hours"], queryFn: () => findAll(market, BLOCK), refetchInterval: HOURS_STAY, staleTime: HOURS_STAY });
}
