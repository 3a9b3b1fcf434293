import {
  COSTAKING_PROGRAM_ADDRESS,
  findConfigPda,
  getConfigDecoder,
  getConfigDiscriminatorBytes,
  getExitDecoder,
  getExitDiscriminatorBytes,
  getOfferDecoder,
  getOfferDiscriminatorBytes,
  getPositionDecoder,
  getPositionDiscriminatorBytes,
  type Config,
  type Exit,
  type Offer,
  type Position,
} from "../../generated/costaking";
import { useSingle, type Kind } from "../../lib/accounts";

const program = COSTAKING_PROGRAM_ADDRESS;

/** Offers to co-stakers. */
export const OFFER: Kind<Offer> = { program, discriminator: getOfferDiscriminatorBytes(), decoder: getOfferDecoder() };
/** Positions of co-stakers in offers. */
export const POSITION: Kind<Position> = { program, discriminator: getPositionDiscriminatorBytes(), decoder: getPositionDecoder() };
/** Exits: shares that are leaving an offer. */
export const EXIT: Kind<Exit> = { program, discriminator: getExitDiscriminatorBytes(), decoder: getExitDecoder() };

/** The program's parameters. */
const CONFIG: Kind<Config> = { program, discriminator: getConfigDiscriminatorBytes(), decoder: getConfigDecoder() };

/** The co-staking program's parameters. */
export const useCostaking = () => useSingle(CONFIG, findConfigPda);
