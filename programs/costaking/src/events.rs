//! Every change of the books, with the balances after it, so that an indexer can replay them without reading accounts.

use crate::state::{OfferTerms, Parameters};
use anchor_lang::prelude::*;

/// The config's keys and pause switch after a change. Emitted by `initialize`, `set_authorities` and `set_paused`.
#[event]
#[derive(AnchorDeserialize)]
pub struct ConfigChanged {
    /// May change parameters and authorities, and resume.
    pub authority: Address,
    /// May pause; nothing else.
    pub guardian: Address,
    /// Whether new offers and positions are paused.
    pub paused: bool,
}

/// The parameters were set. Emitted by `initialize` and `set_parameters`.
#[event]
#[derive(AnchorDeserialize)]
pub struct ParametersChanged {
    /// Parameters until now; `None` when the config was created.
    pub before: Option<Parameters>,
    /// Parameters in force from now on.
    pub after: Parameters,
}

/// A device's owner offers a share of its rewards. Emitted by `create_offer`.
#[event]
#[derive(AnchorDeserialize)]
pub struct OfferCreated {
    /// The offer's account.
    pub offer: Address,
    /// The device whose rewards are shared.
    pub device: Address,
    /// Owner of the device.
    pub owner: Address,
    /// Terms of the offer, which never change.
    pub terms: OfferTerms,
}

/// An offer's status changed: to closed by `retract_offer`, to forced by `force_exit`, to ended by `end_offer`.
#[event]
#[derive(AnchorDeserialize)]
pub struct OfferChanged {
    /// The offer's account.
    pub offer: Address,
    /// Status from now on: 1 closed, 2 forced, 3 ended; see `Status`.
    pub status: u8,
}

/// The account of an ended offer that everybody has left was closed. Emitted by `close_offer`.
#[event]
#[derive(AnchorDeserialize)]
pub struct OfferClosed {
    /// The offer's account, which is gone.
    pub offer: Address,
    /// $IO base units left in its vault, paid to the device's owner: remainders of rounding, unrecorded rewards and gifts.
    pub dust: u64,
}

/// A co-staker joined an offer. Emitted by `join_offer`.
#[event]
#[derive(AnchorDeserialize)]
pub struct OfferJoined {
    /// The offer's account.
    pub offer: Address,
    /// The co-staker's new position.
    pub position: Address,
    /// The co-staker's wallet.
    pub holder: Address,
    /// Co-stake paid in, in $IO base units.
    pub amount: u64,
    /// Shares of the offer that it bought.
    pub shares: u64,
    /// First hour whose rewards it shares, numbered from 1970 (unix seconds / 3,600).
    pub from_hour: u32,
    /// All shares of the offer after the join.
    pub total: u64,
}

/// The exit of shares of a position was requested. Emitted by `request_exit`.
#[event]
#[derive(AnchorDeserialize)]
pub struct ExitRequested {
    /// The offer's account.
    pub offer: Address,
    /// The position that the shares leave.
    pub position: Address,
    /// The exit's new account.
    pub exit: Address,
    /// Shares of the offer that leave.
    pub shares: u64,
    /// When its cooldown may be started, unix seconds; after the owner's exit, the time of that exit.
    pub cools_at: i64,
    /// When it may be withdrawn, unix seconds.
    pub ends_at: i64,
}

/// The co-stake of an exit no longer counts and cools down. Emitted by `cool_exit`, and by `request_exit` after the owner's exit.
#[event]
#[derive(AnchorDeserialize)]
pub struct ExitCooled {
    /// The offer's account.
    pub offer: Address,
    /// The exit's account.
    pub exit: Address,
    /// Shares of the device's cooling co-stake that the exit has from now on.
    pub cooling_shares: u64,
    /// When it may be withdrawn, unix seconds.
    pub ends_at: i64,
    /// All shares of the offer after this.
    pub total: u64,
}

/// An exit was paid out and its account closed. Emitted by `withdraw_exit`.
#[event]
#[derive(AnchorDeserialize)]
pub struct ExitWithdrawn {
    /// The offer's account.
    pub offer: Address,
    /// The exit's account, which is gone.
    pub exit: Address,
    /// Wallet that was paid.
    pub holder: Address,
    /// Co-stake paid out, in $IO base units.
    pub amount: u64,
    /// Rewards paid out with it, in $IO base units.
    pub rewards: u64,
}

/// A device's reward of an hour was distributed. Emitted by `distribute`.
#[event]
#[derive(AnchorDeserialize)]
pub struct RewardShared {
    /// The offer's account.
    pub offer: Address,
    /// The hour, numbered from 1970 (unix seconds / 3,600).
    pub hour: u32,
    /// The device's whole reward of the hour, in $IO base units.
    pub reward: u64,
    /// The co-stakers' part of it, in $IO base units; the owner can claim the rest.
    pub part: u64,
    /// Shares of the offer that earn in this hour.
    pub shares: u64,
}

/// Rewards of a position were paid out. Emitted by `claim_position`.
#[event]
#[derive(AnchorDeserialize)]
pub struct RewardsClaimed {
    /// The offer's account.
    pub offer: Address,
    /// The position's account.
    pub position: Address,
    /// Wallet that was paid.
    pub holder: Address,
    /// Rewards paid out, in $IO base units.
    pub amount: u64,
}
