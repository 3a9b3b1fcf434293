import { getAddressEncoder, getProgramDerivedAddress, getU32Encoder, getUtf8Encoder, type Address, type Instruction, type TransactionSigner } from "@solana/kit";
import {
  COSTAKING_PROGRAM_ADDRESS,
  findAuthorityPda,
  findConfigPda,
  getClaimPositionInstructionAsync,
  getCloseOfferInstructionAsync,
  getClosePositionInstruction,
  getCoolExitInstructionAsync,
  getCreateOfferInstructionAsync,
  getDistributeInstructionAsync,
  getEndOfferInstructionAsync,
  getForceExitInstructionAsync,
  getJoinOfferInstructionAsync,
  getRequestExitInstruction,
  getRetractOfferInstructionAsync,
  getWithdrawExitInstructionAsync,
  type Exit,
  type Offer,
  type OfferTerms,
  type Position,
} from "../../generated/costaking";
import { findVaultPda, STAKING_PROGRAM_ADDRESS, type Device, type RewardBlock } from "../../generated/staking";
import type { Found } from "../../lib/accounts";
import { createTokenAccount } from "../../lib/instructions";
import { tokenAccount } from "../../lib/send";
import { block, collectable, emission, emissionVault, gpuModel, shardOf, stakingConfig, tally } from "../devices/instructions";
import { mustNote } from "./shares";

type Signer = TransactionSigner;
type AnOffer = Found<Offer>;
type ADevice = Found<Device>;

/** Accounts of every instruction that calls the staking program. */
async function calls() {
  const [config] = await findConfigPda();
  const [authority] = await findAuthorityPda();
  return { config, stakingConfig: await stakingConfig(), authority, stakingProgram: STAKING_PROGRAM_ADDRESS };
}

const deviceVault = async (device: Address) => (await findVaultPda({ device }))[0];

/** The instruction that records the owner's exit in the offer, if that is still to be done: it must come first. */
const noting = async (offer: AnOffer, device: ADevice): Promise<Instruction[]> =>
  mustNote(offer, device) ? [await getForceExitInstructionAsync({ ...(await calls()), offer: offer.address, device: device.address })] : [];

/** Creates an offer for a device. */
export async function create(owner: Signer, device: ADevice, mint: Address, index: number, terms: OfferTerms): Promise<Instruction[]> {
  const accounts = { ...(await calls()), owner, device: device.address, gpuModel: await gpuModel(device.gpuModel), mint };
  return [await getCreateOfferInstructionAsync({ ...accounts, index, terms })];
}

const ending = async (owner: Signer, offer: AnOffer) => ({ ...(await calls()), owner, offer: offer.address, device: offer.device });

/** Closes an offer to new co-stakers. */
export const retract = async (owner: Signer, offer: AnOffer): Promise<Instruction[]> => [await getRetractOfferInstructionAsync(await ending(owner, offer))];

/** Ends an offer. */
export const end = async (owner: Signer, offer: AnOffer, device: ADevice): Promise<Instruction[]> => [
  ...(await noting(offer, device)),
  await getEndOfferInstructionAsync(await ending(owner, offer)),
];

/** Closes an offer that everybody has left. */
export async function close(owner: Signer, offer: AnOffer, mint: Address): Promise<Instruction[]> {
  const to = await tokenAccount(owner.address, mint);
  return [await createTokenAccount(owner, mint), await getCloseOfferInstructionAsync({ owner: owner.address, offer: offer.address, to })];
}

/** Joins an offer. An `id` must not be reused, even after its position was closed: that position's exits refer to it. */
export async function join(holder: Signer, offer: AnOffer, device: ADevice, mint: Address, id: number, amount: bigint): Promise<Instruction[]> {
  const accounts = {
    ...(await calls()),
    coStaker: holder,
    offer: offer.address,
    device: device.address,
    gpuModel: await gpuModel(device.gpuModel),
    deviceVault: await deviceVault(device.address),
    from: await tokenAccount(holder.address, mint),
  };
  const expected = { capacity: offer.capacity, ticket: offer.ticket, shareBps: offer.shareBps };
  return [await getJoinOfferInstructionAsync({ ...accounts, id, amount, expected })];
}

/** Requests the exit of shares of a position, and closes the position if none remain. */
export async function leave(holder: Signer, position: Found<Position>, offer: AnOffer, device: ADevice, shares: bigint): Promise<Instruction[]> {
  const seeds = [getUtf8Encoder().encode("exit"), getAddressEncoder().encode(position.address), getU32Encoder().encode(position.exits)];
  const [exit] = await getProgramDerivedAddress({ programAddress: COSTAKING_PROGRAM_ADDRESS, seeds });
  const { config, stakingConfig } = await calls();
  const accounts = { holder, config, stakingConfig, offer: offer.address, position: position.address, exit, device: device.address };
  const request = getRequestExitInstruction({ ...accounts, shares });
  const empty = getClosePositionInstruction({ caller: holder, holder: holder.address, offer: offer.address, position: position.address });
  return [...(await noting(offer, device)), request, ...(shares === position.shares ? [empty] : [])];
}

const cooling = async (exit: Found<Exit>, offer: AnOffer): Promise<Instruction> =>
  getCoolExitInstructionAsync({ ...(await calls()), offer: offer.address, exit: exit.address, device: offer.device });

/** Starts the cooldown of an exit. */
export const cool = async (exit: Found<Exit>, offer: AnOffer, device: ADevice): Promise<Instruction[]> => [
  ...(await noting(offer, device)),
  await cooling(exit, offer),
];

/** Withdraws an exit. */
export async function withdraw(holder: Signer, exit: Found<Exit>, offer: AnOffer, device: ADevice, mint: Address): Promise<Instruction[]> {
  const accounts = {
    ...(await calls()),
    caller: holder,
    holder: holder.address,
    offer: offer.address,
    exit: exit.address,
    device: device.address,
    deviceVault: await deviceVault(device.address),
    to: await tokenAccount(holder.address, mint),
  };
  return [
    ...(await noting(offer, device)),
    ...(exit.cooling ? [] : [await cooling(exit, offer)]),
    await createTokenAccount(holder, mint),
    await getWithdrawExitInstructionAsync(accounts),
  ];
}

/** Distributes the rewards of all hours that can be distributed, in order. */
export async function distribute(offer: AnOffer, device: ADevice, blocks: readonly RewardBlock[]): Promise<Instruction[]> {
  const shared = { ...(await calls()), offer: offer.address, device: device.address, emission: await emission(), emissionVault: await emissionVault() };
  const hours = collectable(device, blocks).map(async ({ hour, block: of }) =>
    getDistributeInstructionAsync({ ...shared, block: await block(hour), tally: await tally(hour, shardOf(device.address, of)) }),
  );
  const all = await Promise.all(hours);
  return all.length === 0 ? [] : [...(await noting(offer, device)), ...all];
}

/** Claims a position's rewards. */
export async function claim(holder: Signer, position: Found<Position>, mint: Address): Promise<Instruction[]> {
  const to = await tokenAccount(holder.address, mint);
  const accounts = { holder, offer: position.offer, position: position.address, to };
  return [await createTokenAccount(holder, mint), await getClaimPositionInstructionAsync(accounts)];
}
