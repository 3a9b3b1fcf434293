//! Every change of the books, with the balances after it: an indexer replays them without reading accounts.

use crate::state::{OfferTerms, Parameters};
use anchor_lang::prelude::*;

/// The authorities or the pause switch changed.
#[event]
#[derive(AnchorDeserialize)]
pub struct ConfigChanged {
    pub authority: Address,
    pub guardian: Address,
    pub paused: bool,
}

/// Parameters were set.
#[event]
#[derive(AnchorDeserialize)]
pub struct ParametersChanged {
    /// None at the start.
    pub before: Option<Parameters>,
    pub after: Parameters,
}

/// An owner offers a share of a device's rewards.
#[event]
#[derive(AnchorDeserialize)]
pub struct OfferCreated {
    pub offer: Address,
    pub device: Address,
    pub owner: Address,
    pub terms: OfferTerms,
}

/// An offer takes nobody in any more (`closed`), has been left by its device's owner (`forced`), or has ended.
#[event]
#[derive(AnchorDeserialize)]
pub struct OfferChanged {
    pub offer: Address,
    /// See `Status`.
    pub status: u8,
}

/// An ended offer that everybody has left is gone; what rounding left of its rewards, and what was sent to it unasked, went to its owner.
#[event]
#[derive(AnchorDeserialize)]
pub struct OfferClosed {
    pub offer: Address,
    pub dust: u64,
}

/// A co-staker joined.
#[event]
#[derive(AnchorDeserialize)]
pub struct OfferJoined {
    pub offer: Address,
    pub position: Address,
    pub holder: Address,
    pub amount: u64,
    pub shares: u64,
    /// First hour whose rewards are shared, by its number from 1970 on.
    pub from_hour: u32,
    /// All shares of the offer.
    pub total: u64,
}

/// Shares are on their way out.
#[event]
#[derive(AnchorDeserialize)]
pub struct ExitRequested {
    pub offer: Address,
    pub position: Address,
    pub exit: Address,
    pub shares: u64,
    pub cools_at: i64,
    pub ends_at: i64,
}

/// Co-stake on its way out counts no more.
#[event]
#[derive(AnchorDeserialize)]
pub struct ExitCooled {
    pub offer: Address,
    pub exit: Address,
    pub cooling_shares: u64,
    pub ends_at: i64,
    /// All shares of the offer.
    pub total: u64,
}

/// A co-staker has its stake back.
#[event]
#[derive(AnchorDeserialize)]
pub struct ExitWithdrawn {
    pub offer: Address,
    pub exit: Address,
    pub holder: Address,
    pub amount: u64,
    pub rewards: u64,
}

/// Rewards of an hour were shared.
#[event]
#[derive(AnchorDeserialize)]
pub struct RewardShared {
    pub offer: Address,
    pub hour: u32,
    pub reward: u64,
    /// What co-stakers get of it.
    pub part: u64,
    /// Shares that earn in this hour.
    pub shares: u64,
}

/// Rewards were paid out.
#[event]
#[derive(AnchorDeserialize)]
pub struct RewardsClaimed {
    pub offer: Address,
    pub position: Address,
    pub holder: Address,
    pub amount: u64,
}
