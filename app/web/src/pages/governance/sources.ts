// What a wallet can vote with: its devices' stake, its positions in offers, and what others let it vote with.

import { getAddressEncoder, type Address } from "@solana/kit";
import { useQuery, type UseQueryResult } from "@tanstack/react-query";
import { findDelegationPda } from "../../generated/governance";
import { findAll, findOne, findSome } from "../../lib/accounts";
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

/** A wallet's part in votes. */
export interface Voter {
  /** Its own, and what it may vote with for others. */
  sources: Source[];
  /** Who votes for it; `null` for nobody. */
  representative: Address | null;
  /** Owners that let it vote for them. */
  represents: Address[];
}

/** Most owners that somebody votes for here: anybody may name anybody. */
const MOST_REPRESENTED = 20;

const bytes = (address: Address) => getAddressEncoder().encode(address);

async function sourcesOf(market: Market, owner: Address): Promise<Source[]> {
  const [devices, positions] = await Promise.all([
    findAll(market, DEVICE, { offset: OWNER_AT, bytes: bytes(owner) }),
    findAll(market, POSITION, { offset: HOLDER_AT, bytes: bytes(owner) }),
  ]);
  const offers = await findSome(market, OFFER, [...new Set(positions.map(({ offer }) => offer))]);
  const shared = await findSome(market, DEVICE, [...new Set(offers.map(({ device }) => device))]);
  const own: Source[] = devices.map((device) => ({ kind: "device", address: device.address, owner, weightAt: (at) => deviceWeight(device, at) }));
  const co = positions.flatMap((position): Source[] => {
    const offer = offers.find(({ address }) => address === position.offer);
    const device = shared.find(({ address }) => address === offer?.device);
    if (!offer || !device) return [];
    const weightAt = (at: number) => positionWeight(position, offer, device, at);
    return [{ kind: "position", address: position.address, owner, offer: offer.address, device: device.address, weightAt }];
  });
  return [...own, ...co];
}

async function voter(market: Market, address: Address): Promise<Voter> {
  const [at] = await findDelegationPda({ owner: address });
  const [own, delegations] = await Promise.all([
    findOne(market, DELEGATION, at),
    findAll(market, DELEGATION, { offset: REPRESENTATIVE_AT, bytes: bytes(address) }),
  ]);
  const represents = delegations.map(({ owner }) => owner).slice(0, MOST_REPRESENTED);
  const sources = (await Promise.all([address, ...represents].map((owner) => sourcesOf(market, owner)))).flat();
  return { sources, representative: own?.representative ?? null, represents };
}

/** What a wallet can vote with. */
export function useVoter(address: Address | null): UseQueryResult<Voter | null> {
  const market = useMarket();
  return useQuery({ queryKey: ["voter", address], queryFn: () => (address ? voter(market, address) : null), enabled: address !== null });
}
