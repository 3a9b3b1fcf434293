// What a wallet can vote with: the stake of its devices, its positions in offers, and those of wallets that it represents.

import type { Address } from "@solana/kit";
import { useQuery, type UseQueryResult } from "@tanstack/react-query";
import type { Position } from "../../generated/costaking";
import { findDelegationPda } from "../../generated/governance";
import { COSTAKING_POSITION_AT, GOVERNANCE_DELEGATION_AT, STAKING_DEVICE_AT } from "../../generated/offsets";
import type { Device } from "../../generated/staking";
import { findAll, findNaming, findOne, findSome, withAddress, type Found } from "../../lib/accounts";
import { useMarket, type Market } from "../../lib/market";
import { OFFER, POSITION } from "../costaking/accounts";
import { DEVICE } from "../devices/accounts";
import { DELEGATION } from "./accounts";
import { deviceWeight, positionWeight, type Weight } from "./weight";

/** Stake that votes once: a device or a position, with its weight in a vote opened at a given time. */
export type Source = { address: Address; owner: Address; weightAt: (openedAt: number) => Weight } & (
  | { kind: "device" }
  | { kind: "position"; offer: Address; device: Address }
);

/** What a wallet can vote with itself. */
export interface Voter {
  sources: Source[];
  /** The representative that votes for it; `null` for none. */
  representative: Address | null;
}

/** What a wallet can vote with as a representative. */
export interface Others {
  sources: Source[];
  /** Number of smaller sources that were left out. */
  leftOut: number;
}

/** Most sources of others that are used here: each takes space in a transaction. */
const MOST_OF_OTHERS = 50;
/** Milliseconds between searches for others' sources, which go through all accounts. */
const OTHERS_STAY = 60_000;

/** The sources that these devices and positions are. */
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
 * Loads what a wallet can vote with as a representative, the largest stakes first. Anyone can name anyone as a representative, so wallets
 * without stake must not displace those with stake.
 */
export async function ofOthers(market: Market, representative: Address): Promise<Others> {
  const delegations = await findAll(market, DELEGATION, withAddress(GOVERNANCE_DELEGATION_AT.representative, representative));
  if (delegations.length === 0) return { sources: [], leftOut: 0 };
  const owners = new Set(delegations.map(({ owner }) => owner));
  const [devices, positions] = await Promise.all([
    findNaming(market, DEVICE, STAKING_DEVICE_AT.owner, owners),
    findNaming(market, POSITION, COSTAKING_POSITION_AT.holder, owners),
  ]);
  const all = await sourcesIn(market, devices, positions);
  // The stake does not depend on the time; only its weight does.
  const staked = all.map((source) => ({ source, ...source.weightAt(0) })).filter(({ stake }) => stake > 0n);
  staked.sort((a, b) => Number(b.stake - a.stake));
  const sources = staked.slice(0, MOST_OF_OTHERS).map(({ source }) => source);
  return { sources, leftOut: staked.length - sources.length };
}

/** Loads what a wallet can vote with itself. */
export async function ofSelf(market: Market, address: Address): Promise<Voter> {
  const [at] = await findDelegationPda({ owner: address });
  const [own, devices, positions] = await Promise.all([
    findOne(market, DELEGATION, at),
    findAll(market, DEVICE, withAddress(STAKING_DEVICE_AT.owner, address)),
    findAll(market, POSITION, withAddress(COSTAKING_POSITION_AT.holder, address)),
  ]);
  return { sources: await sourcesIn(market, devices, positions), representative: own?.representative ?? null };
}

/** What a wallet can vote with itself. */
export function useVoter(address: Address | null): UseQueryResult<Voter | null> {
  const market = useMarket();
  return useQuery({
    queryKey: ["voter", address],
    queryFn: () => (address ? ofSelf(market, address) : null),
    enabled: address !== null,
  });
}

/**
 * What a wallet can vote with as a representative. This is a separate query: anyone can make it slow by naming the wallet, and the
 * wallet's own stake must not wait for it.
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
