import { useQuery } from "@tanstack/react-query";
import { findConfigPda } from "../../generated/staking";
import { findAll, findOne } from "../../lib/accounts";
import { GPU_MODEL, gpuWith } from "../../lib/gpus";
import { useMarket, useNow } from "../../lib/market";
import { CONFIG, DEVICE } from "../devices/accounts";
import { minimumOf, TERMINATED } from "../devices/stake";
import type { Candidate } from "./rules";

/** All devices, with what decides whether they may take a job. */
export function useCandidates() {
  const market = useMarket();
  const now = useNow();
  const answer = useQuery({
    queryKey: ["accounts", "candidates"],
    queryFn: async () => {
      const [config] = await findConfigPda();
      return Promise.all([findOne(market, CONFIG, config), findAll(market, GPU_MODEL), findAll(market, DEVICE)]);
    },
  });
  const [config, gpus, devices] = answer.data ?? [];
  const data = devices?.map((device): Candidate => {
    const gpu = gpuWith(gpus, device.gpuModel);
    return {
      owner: device.owner,
      active: device.status !== TERMINATED,
      gpuModel: device.gpuModel,
      vramGb: gpu?.vramGb ?? 0,
      listed: (gpu?.multiplierX100 ?? 0) > 0,
      jobsDone: device.jobsDone,
      due: device.dues > 0,
      free: device.ownStake - device.lockedBond,
      staked: !!gpu && !!config && device.ownStake + device.coStake >= minimumOf(device, gpu, config, now),
      hireable: now >= device.registeredAt + BigInt(config?.probation ?? 0),
    };
  });
  return { ...answer, data };
}
