import { useQuery } from "@tanstack/react-query";
import type { Address } from "@solana/kit";
import type { Offer } from "../../generated/costaking";
import { COSTAKING_EXIT_AT, COSTAKING_POSITION_AT } from "../../generated/offsets";
import { getDeviceDecoder, getDeviceSize, type Device, type GpuModel, type RewardBlock } from "../../generated/staking";
import { findSome, useAll, withAddress, type Found } from "../../lib/accounts";
import { useMarket, useNow } from "../../lib/market";
import { DEVICE, useEmission, useHours, useStaking } from "../devices/accounts";
import { idle } from "../devices/presence";
import { minimumOf } from "../devices/stake";
import { lastWeek, weeklyOf } from "../rewards/week";
import { EXIT, OFFER, POSITION } from "./accounts";
import { part } from "./shares";

/** The devices at these addresses. */
export function useDevices(addresses: readonly Address[] | undefined) {
  const market = useMarket();
  const wanted = [...new Set(addresses)].sort();
  return useQuery({
    queryKey: ["accounts", "devices", wanted],
    queryFn: async () => new Map((await findSome(market, DEVICE, wanted)).map((device) => [device.address, device])),
    enabled: addresses !== undefined,
    placeholderData: (before) => before,
  });
}

/** A stand-in for a closed device: it has no stake, but its offers may still hold distributed rewards. */
export const closed = (address: Address): Found<Device> => ({ ...getDeviceDecoder().decode(new Uint8Array(getDeviceSize())), address });

/** An offer's device in the result of [`useDevices`]; `null` while that is the result for other addresses, which may lack it. */
export function deviceIn(
  { data, isPlaceholderData }: Pick<ReturnType<typeof useDevices>, "data" | "isPlaceholderData">,
  at: Address,
): Found<Device> | null {
  return data?.get(at) ?? (data && !isPlaceholderData ? closed(at) : null);
}

/** Expected weekly rewards of stake in offers, by the rewards of the last week. */
export interface Outlook {
  /** Number of hours that it is based on; 0 until it is known. */
  hours: number;
  /** Why a device earns nothing now; see [`idle`]. `undefined` until that is known. */
  idle: (device: Device, gpu: GpuModel) => string | null | undefined;
  /** Base units a week for an amount of stake: a half-full offer gets half of its share, so an amount earns the same in either. */
  weekly: (stake: bigint, offer: Pick<Offer, "shareBps" | "capacity">, device: Device, gpu: GpuModel) => bigint;
}

/** The outlook, based on the settled hours of the last seven days. */
export function useOutlook(): { outlook: Outlook; blocks: readonly RewardBlock[] } {
  const hours = useHours();
  const emission = useEmission();
  const { data: config } = useStaking();
  const now = useNow();
  const blocks = hours.data ?? [];
  const settled = lastWeek(blocks, now);
  const minUptime = emission.data?.minUptime ?? 0;
  return {
    blocks,
    outlook: {
      hours: config ? settled.length : 0,
      idle: (device, gpu) => config && idle(device, minimumOf(device, gpu, config, now), now),
      weekly: (stake, offer, device, gpu) => {
        const week = config ? weeklyOf(settled, { device, gpu, least: minimumOf(device, gpu, config, now), now }, minUptime) : 0n;
        return part(week, offer.shareBps, stake, offer.capacity);
      },
    },
  };
}

/** A wallet's positions and exits, with their offers and devices. */
export function useHoldings(holder: Address | null) {
  const market = useMarket();
  const at = (holderAt: number) => (holder ? [withAddress(holderAt, holder)] : []);
  const positions = useAll(["positions", holder], POSITION, at(COSTAKING_POSITION_AT.holder), holder !== null);
  const exits = useAll(["exits", holder], EXIT, at(COSTAKING_EXIT_AT.holder), holder !== null);
  const of = [...new Set([...(positions.data ?? []), ...(exits.data ?? [])].map(({ offer }) => offer))].sort();
  const offers = useQuery({
    queryKey: ["accounts", "offers at", of],
    queryFn: async () => new Map((await findSome(market, OFFER, of)).map((offer) => [offer.address, offer])),
    enabled: positions.data !== undefined && exits.data !== undefined,
    placeholderData: (before) => before,
  });
  const devices = useDevices(offers.data && [...offers.data.values()].map(({ device }) => device));
  const asked = [positions, exits, offers, devices];
  return {
    positions: positions.data ?? [],
    exits: exits.data ?? [],
    offers: offers.data ?? new Map<Address, Found<Offer>>(),
    deviceOf: ({ device }: Offer) => deviceIn(devices, device),
    known: asked.every(({ data }) => data !== undefined),
    error: asked.find(({ error }) => error)?.error ?? null,
  };
}
