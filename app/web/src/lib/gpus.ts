import { getGpuModelDecoder, getGpuModelDiscriminatorBytes, STAKING_PROGRAM_ADDRESS, type GpuModel } from "../generated/staking";
import { useAll, type Found, type Kind } from "./accounts";

/** Rows of the staking program's GPU table. */
export const GPU_MODEL: Kind<GpuModel> = {
  program: STAKING_PROGRAM_ADDRESS,
  discriminator: getGpuModelDiscriminatorBytes(),
  decoder: getGpuModelDecoder(),
};

/** All GPU models. */
export const useGpuModels = () => useAll(["gpu models"], GPU_MODEL);

/** Name of a GPU model. */
export const nameOf = ({ name }: GpuModel): string => new TextDecoder().decode(Uint8Array.from(name)).replace(/\0+$/, "");

/** Name of the GPU model with an id, or that number until the models are loaded. */
export function gpuName(models: Found<GpuModel>[] | undefined, id: number | null | undefined): string {
  if (id === null || id === undefined) return "–";
  const model = models?.find((model) => Number(model.id) === id);
  return model ? nameOf(model) : `GPU model ${id}`;
}
