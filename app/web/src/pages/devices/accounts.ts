import { getAddressEncoder, type Address, type ReadonlyUint8Array } from "@solana/kit";
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
/** Milliseconds after which hours are asked for again: one is settled an hour. */
const HOURS_STAY = 60_000;

/** Devices. */
export const DEVICE: Kind<Device> = { program, discriminator: getDeviceDiscriminatorBytes(), decoder: getDeviceDecoder() };
/** Where a device has its owner. */
export const OWNER_AT = 8;
/** The program's parameters. */
export const CONFIG: Kind<StakingConfig> = { program, discriminator: getStakingConfigDiscriminatorBytes(), decoder: getStakingConfigDecoder() };
/** Rules of the rewards. */
export const EMISSION: Kind<Emission> = { program, discriminator: getEmissionDiscriminatorBytes(), decoder: getEmissionDecoder() };
/** Hours of rewards. */
export const BLOCK: Kind<RewardBlock> = { program, discriminator: getRewardBlockDiscriminatorBytes(), decoder: getRewardBlockDecoder() };
/** What people judged of devices. */
export const SLASH: Kind<Slash> = { program, discriminator: getSlashDiscriminatorBytes(), decoder: getSlashDecoder() };
/** Where a slash has its device. */
export const SLASHED_AT = 8;

/** The staking program's parameters. */
export const useStaking = () => useSingle(CONFIG, findConfigPda);

/** Rules of the rewards; `null` before the emission has been started. */
export const useEmission = () => useSingle(EMISSION, findEmissionPda);

/** The hours that the chain keeps: those of the last seven days. They are large and change once an hour, so events do not have them asked for again. */
export function useHours(): UseQueryResult<Found<RewardBlock>[]> {
  const market = useMarket();
  return useQuery({ queryKey: ["clock", "hours"], queryFn: () => findAll(market, BLOCK), refetchInterval: HOURS_STAY, staleTime: HOURS_STAY });
}

/** An address as accounts have it. */
export const addressBytes = (address: Address): ReadonlyUint8Array => getAddressEncoder().encode(address);
