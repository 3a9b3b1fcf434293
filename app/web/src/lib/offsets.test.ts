import { getAddressDecoder, type Decoder } from "@solana/kit";
import { expect, test } from "vitest";
import { getExitDecoder, getExitSize, getOfferDecoder, getOfferSize, getPositionDecoder, getPositionSize } from "../generated/costaking";
import { getBallotDecoder, getBallotSize, getDelegationDecoder, getDelegationSize, getProposalDecoder, getProposalSize } from "../generated/governance";
import * as at from "../generated/offsets";
import { getDeviceDecoder, getDeviceSize, getSlashDecoder, getSlashSize } from "../generated/staking";

const ADDRESS = getAddressDecoder().decode(new Uint8Array(32).fill(7));

/** An account whose bytes are zero, except for some at an offset. */
function marked<Data>(decoder: Decoder<Data>, size: number, offset: number, length = 32): Data {
  return decoder.decode(new Uint8Array(size).fill(7, offset, offset + length));
}

test("the offsets by which accounts are searched for are those of their fields", () => {
  expect(marked(getOfferDecoder(), getOfferSize(), at.COSTAKING_OFFER_AT.device).device).toBe(ADDRESS);
  expect(marked(getOfferDecoder(), getOfferSize(), at.COSTAKING_OFFER_AT.status, 1).status).toBe(7);
  expect(marked(getPositionDecoder(), getPositionSize(), at.COSTAKING_POSITION_AT.holder).holder).toBe(ADDRESS);
  expect(marked(getExitDecoder(), getExitSize(), at.COSTAKING_EXIT_AT.holder).holder).toBe(ADDRESS);
  expect(marked(getDeviceDecoder(), getDeviceSize(), at.STAKING_DEVICE_AT.owner).owner).toBe(ADDRESS);
  expect(marked(getSlashDecoder(), getSlashSize(), at.STAKING_SLASH_AT.device).device).toBe(ADDRESS);
  expect(marked(getBallotDecoder(), getBallotSize(), at.GOVERNANCE_BALLOT_AT.proposal).proposal).toBe(ADDRESS);
  const delegation = marked(getDelegationDecoder(), getDelegationSize(), at.GOVERNANCE_DELEGATION_AT.representative);
  expect(delegation.representative).toBe(ADDRESS);
});

test("the offsets go on to the end of an account", () => {
  const last = <Data extends { reserved: { length: number } }>(decoder: Decoder<Data>, size: number, offset: number) =>
    expect(offset + decoder.decode(new Uint8Array(size)).reserved.length).toBe(size);
  last(getOfferDecoder(), getOfferSize(), at.COSTAKING_OFFER_AT.reserved);
  last(getDeviceDecoder(), getDeviceSize(), at.STAKING_DEVICE_AT.reserved);
  last(getProposalDecoder(), getProposalSize(), at.GOVERNANCE_PROPOSAL_AT.reserved);
});
