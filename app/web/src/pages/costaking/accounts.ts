import {
  fixDecoderSize,
  getAddressDecoder,
  getBooleanDecoder,
  getBytesDecoder,
  getStructDecoder,
  getU16Decoder,
  getU32Decoder,
  type Address,
  type Decoder,
} from "@solana/kit";
import {
  COSTAKING_PROGRAM_ADDRESS,
  findConfigPda,
  getConfigDiscriminatorBytes,
  getExitDecoder,
  getExitDiscriminatorBytes,
  getOfferDecoder,
  getOfferDiscriminatorBytes,
  getPositionDecoder,
  getPositionDiscriminatorBytes,
  type Exit,
  type Offer,
  type Position,
} from "../../generated/costaking";
import { useSingle, type Kind } from "../../lib/accounts";

const program = COSTAKING_PROGRAM_ADDRESS;

/** Offers to co-stakers. */
export const OFFER: Kind<Offer> = { program, discriminator: getOfferDiscriminatorBytes(), decoder: getOfferDecoder() };
/** Where an offer has its device. */
export const DEVICE_AT = 8;
/** Where an offer has its status. */
export const STATUS_AT = 1_566;
/** What co-stakers have in offers. */
export const POSITION: Kind<Position> = { program, discriminator: getPositionDiscriminatorBytes(), decoder: getPositionDecoder() };
/** Shares on their way out. */
export const EXIT: Kind<Exit> = { program, discriminator: getExitDiscriminatorBytes(), decoder: getExitDecoder() };
/** Where a position and an exit have their offer, and who holds them. */
export const OFFER_AT = 8;
export const HOLDER_AT = 40;

/** What governance may change. */
export interface Parameters {
  mint: Address;
  /** Seconds in which co-stake on its way out still counts. */
  wait: number;
  /** Largest part of the minimum stake that may be co-staked. */
  capacityBps: number;
  /** Least share of the rewards that may be offered. */
  minShareBps: number;
  paused: boolean;
}

// The IDL describes the config of staking by this name, whose accounts the program reads too; this is its own.
const decoder: Decoder<Parameters> = getStructDecoder([
  ["discriminator", fixDecoderSize(getBytesDecoder(), 8)],
  ["authority", getAddressDecoder()],
  ["guardian", getAddressDecoder()],
  ["mint", getAddressDecoder()],
  ["wait", getU32Decoder()],
  ["capacityBps", getU16Decoder()],
  ["minShareBps", getU16Decoder()],
  ["paused", getBooleanDecoder()],
]);
const CONFIG: Kind<Parameters> = { program, discriminator: getConfigDiscriminatorBytes(), decoder };

/** The co-staking program's parameters. */
export const useCostaking = () => useSingle(CONFIG, findConfigPda);
