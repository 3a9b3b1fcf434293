import { useQuery } from "@tanstack/react-query";
import {
  findConfigPda,
  getDeviceDecoder,
  getDeviceDiscriminatorBytes,
  getStakingConfigDecoder,
  getStakingConfigDiscriminatorBytes,
  STAKING_PROGRAM_ADDRESS,
  type Device,
  type StakingConfig,
} from "../../generated/staking";
import { findAll, findOne, type Kind } from "../../lib/accounts";
import { GPU_MODEL } from "../../lib/gpus";
import { useMarket, useNow } from "../../lib/market";
import type { Candidate } from "./rules";

const DEVICE: Kind<Device> = { program: STAKING_PROGRAM_ADDRESS, discriminator: getDeviceDiscriminatorBytes(), decoder: getDeviceDecoder() };
const CONFIG: Kind<StakingConfig> = {
  program: STAKING_PROGRAM_ADDRESS,
  discriminator: getStakingConfigDiscriminatorBytes(),
  decoder: getStakingConfigDecoder(),
};

/** Status of a device in service. */
const ACTIVE = 0;

/** All devices, as far as it matters for who may take a job. */
export function useCandidates() {
  const market = useMarket();
  const now = BigInt(useNow());
  const answer = useQuery({
    queryKey: ["accounts", "candidates"],
    queryFn: async () => {
      const [config] = await findConfigPda();
      return Promise.all([findOne(market, CONFIG, config), findAll(market, GPU_MODEL), findAll(market, DEVICE)]);
    },
  });
  const [config, gpus, devices] = answer.data ?? [];
  const data = devices?.map((device): Candidate => {
    const gpu = gpus?.find(({ id }) => id === device.gpuModel);
    const multiplier = (gpu && (now < gpu.raiseAt ? Math.min(gpu.previousX100, gpu.multiplierX100) : gpu.multiplierX100)) ?? 0;
    // protocol::stake::minimum
    const minimum = ((config?.baseStake ?? 0n) * BigInt(Math.max(multiplier, 100) * device.quantity) + 99n) / 100n;
    return {
      active: device.status === ACTIVE,
      gpuModel: device.gpuModel,
      vramGb: gpu?.vramGb ?? 0,
      listed: (gpu?.multiplierX100 ?? 0) > 0,
      jobsDone: device.jobsDone,
      free: device.ownStake - device.lockedBond,
      staked: device.ownStake + device.coStake >= minimum,
      hireable: now >= device.registeredAt + BigInt(config?.probation ?? 0),
    };
  });
  return { ...answer, data };
}
