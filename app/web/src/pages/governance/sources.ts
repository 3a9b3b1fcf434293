// What a wallet can vote with: its devices' stake, its positions in offers, and what others let it vote with.

import { getAddressEncoder, type Address } from "@solana/kit";
import { useQuery, type UseQueryResult } from "@tanstack/react-query";
import type { Position } from "../../generated/costaking";
import { findDelegationPda } from "../../generated/governance";
import type { Device } from "../../generated/staking";
import { findAll, findNaming, findOne, findSome, type Found } from "../../lib/accounts";
import { useMarket, type Market } from "../../lib/market";
import { HOLDER_AT, OFFER, POSITION } from "../costaking/accounts";
import { DEVICE, OWNER_AT } from "../devices/accounts";
import { DELEGATION, REPRESENTATIVE_AT } from "./accounts";
import { deviceWeight, positionWeight, type Weight } from "./weight";

/** Something that votes once, with its weight in a vote opened at a moment. */
export type Source = { address: Address; owner: Address; weightAt: (openedAt: number) => Weight } & (
  | { kind: "device" }
  | { kind: "position"; offer: Address; device: Address }
);

/** A wallet's own part in votes. */
export interface Voter {
  sources: Source[];
  /** Who votes for it; `null` for nobody. */
  representative: Address | null;
}

/** What a wallet may vote with for others. */
export interface Others {
  sources: Source[];
  /** How many more there are, smaller than all those. */
  leftOut: number;
}

/** Most sources of others that somebody votes with here: each takes its place in a transaction. */
const MOST_OF_OTHERS = 50;
/** Milliseconds after which others' sources are looked for again: that goes through all there are. */
const OTHERS_STAY = 60_000;

const bytes = (address: Address) => getAddressEncoder().encode(address);

/** What these devices and positions bring to votes. */
async function sourcesIn(market: Market, devices: readonly Found<Device>[], positions: readonly Found<Position>[]): Promise<Source[]> {
  const offers = await findSome(market, OFFER, [...new Set(positions.map(({ offer }) => offer))]);
  const shared = await findSome(market, DEVICE, [...new Set(offers.map(({ device }) => device))]);
  const own = devices.map((device): Source => {
    const { address, owner } = device;
    return { kind: "device", address, owner, weightAt: (at) => deviceWeight(device, at) };
  });
  const co = positions.flatMap((position): Source[] => {
    const offer = offers.find(({ address }) => address === position.offer);
    const device = shared.find(({ address }) => address === offer?.device);
    if (!offer || !device) return [];
    const { address, holder: owner } = position;
    const weightAt = (at: number) => positionWeight(position, offer, device, at);
    return [{ kind: "position", address, owner, offer: offer.address, device: device.address, weightAt }];
  });
  return [...own, ...co];
}

/**
 * What a wallet may vote with for others, the largest stakes first. Anybody may name anybody, so whoever has nothing at stake takes nobody's
 * place.
 */
export async function ofOthers(market: Market, representative: Address): Promise<Others> {
  const delegations = await findAll(market, DELEGATION, { offset: REPRESENTATIVE_AT, bytes: bytes(representative) });
  if (delegations.length === 0) return { sources: [], leftOut: 0 };
  const owners = new Set(delegations.map(({ owner }) => owner));
  const [devices, positions] = await Promise.all([
    findNaming(market, DEVICE, OWNER_AT, owners),
    findNaming(market, POSITION, HOLDER_AT, owners),
  ]);
  const all = await sourcesIn(market, devices, positions);
  // What is at stake is the same at any moment; what it weighs is not.
  const staked = all.map((source) => ({ source, ...source.weightAt(0) })).filter(({ stake }) => stake > 0n);
  staked.sort((a, b) => Number(b.stake - a.stake));
  const sources = staked.slice(0, MOST_OF_OTHERS).map(({ source }) => source);
  return { sources, leftOut: staked.length - sources.length };
}

/** A wallet's own part in votes. */
export async function ofSelf(market: Market, address: Address): Promise<Voter> {
  const [at] = await findDelegationPda({ owner: address });
  const [own, devices, positions] = await Promise.all([
    findOne(market, DELEGATION, at),
    findAll(market, DEVICE, { offset: OWNER_AT, bytes: bytes(address) }),
    findAll(market, POSITION, { offset: HOLDER_AT, bytes: bytes(address) }),
  ]);
  return { sources: await sourcesIn(market, devices, positions), representative: own?.representative ?? null };
}

/** A wallet's own part in votes. */
export function useVoter(address: Address | null): UseQueryResult<Voter | null> {
  const market = useMarket();
  return useQuery({
    queryKey: ["voter", address],
    queryFn: () => (address ? ofSelf(market, address) : null),
    enabled: address !== null,
  });
}

/**
 * What a wallet may vote with for others. It is a question of its own: anybody can make the answer long by naming the wallet, and its own
 * part does not wait for it.
 */
export function useOthers(address: Address | null): UseQueryResult<Others | null> {
  const market = useMarket();
  return useQuery({
    queryKey: ["clock", "of others", address],
    queryFn: () => (address ? ofOthers(market, address) : null),
    enabled: address !== null,
    staleTime: OTHERS_STAY,
    refetchInterval: OTHERS_STAY,
  });
}
