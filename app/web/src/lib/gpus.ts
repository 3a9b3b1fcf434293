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

/** The GPU model with an id; `undefined` if there is none, or until the models are loaded. */
export const gpuWith = (models: readonly Found<GpuModel>[] | undefined, id: number): Found<GpuModel> | undefined => models?.find((model) => model.id === id);

/** Name of the GPU model with an id, or that number until the models are loaded. */
export function gpuName(models: Found<GpuModel>[] | undefined, id: number | null | undefined): string {
  if (id === null || id === undefined) return "–";
  const model = gpuWith(models, id);
  return model ? nameOf(model) : `GPU model ${id}`;
}
