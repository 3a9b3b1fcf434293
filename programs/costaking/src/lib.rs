//! Co-stakers fund a device's stake for a share of its block rewards. See this crate's `README.md`.
#![cfg_attr(not(feature = "idl-build"), no_std)]
// Anchor generates undocumented items; README.md lists accounts and instructions.
#![allow(missing_docs)]

use anchor_lang::prelude::*;

mod authority;
pub mod error;
pub mod events;
pub mod instructions;
pub mod state;
mod vault;

use instructions::*;
pub use state::{Config, Exit, Offer, OfferTerms, ParameterChanges, Parameters, Position, Status};

declare_id!("HG9Q8vwWBsFWF1yEMMSEndVrgznffCT6XN1b5apw7kVo");

/// Seed of the data-less PDA that signs this program's calls into staking. Its bump is kept in the config.
pub const AUTHORITY_SEED: &[u8] = b"authority";

#[cfg(not(feature = "no-entrypoint"))]
solana_security_txt::security_txt! {
    name: "ionet costaking",
    project_url: "https://github.com/ionet-market/ionet",
    contacts: "link:https://github.com/ionet-market/ionet/security/advisories/new",
    policy: "https://github.com/ionet-market/ionet/blob/main/SECURITY.md",
    source_code: "https://github.com/ionet-market/ionet"
}

#[program]
pub mod costaking_program {
    use super::*;

    // --- admin: the authority of the config, later the governance program -------------------------------------------------------------

    /// Creates the config; only the program's upgrade authority may do this.
    pub fn initialize(ctx: &mut Context<Initialize>, parameters: Parameters) -> Result<()> {
        instructions::initialize(ctx, parameters)
    }

    /// Changes parameters, within their bounds.
    pub fn set_parameters(ctx: &mut Context<Administer>, changes: ParameterChanges) -> Result<()> {
        instructions::set_parameters(ctx, changes)
    }

    /// Replaces the config's authority, its guardian, or both.
    pub fn set_authorities(ctx: &mut Context<Administer>, authority: Option<Address>, guardian: Option<Address>) -> Result<()> {
        instructions::set_authorities(ctx, authority, guardian)
    }

    /// Stops or resumes new offers and positions; exits stay open.
    pub fn set_paused(ctx: &mut Context<Pause>, paused: bool) -> Result<()> {
        instructions::set_paused(ctx, paused)
    }

    // --- owner: the owner of a device -------------------------------------------------------------------------------------------------

    /// Offers co-stakers a share of a device's rewards.
    pub fn create_offer(ctx: &mut Context<CreateOffer>, index: u32, terms: OfferTerms) -> Result<()> {
        instructions::create_offer(ctx, index, terms)
    }

    /// Closes an offer to new co-stakers; those who have joined stay.
    pub fn retract_offer(ctx: &mut Context<ChangeOffer>) -> Result<()> {
        instructions::retract_offer(ctx)
    }

    /// Ends an offer in which no co-staker has shares any more.
    pub fn end_offer(ctx: &mut Context<ChangeOffer>) -> Result<()> {
        instructions::end_offer(ctx)
    }

    // --- co-staker --------------------------------------------------------------------------------------------------------------------

    /// Joins an offer, if its terms are the expected ones.
    pub fn join_offer(ctx: &mut Context<JoinOffer>, id: u32, amount: u64, expected: OfferTerms) -> Result<()> {
        instructions::join_offer(ctx, id, amount, expected)
    }

    /// Starts the exit of some or all shares of a position.
    pub fn request_exit(ctx: &mut Context<RequestExit>, shares: u64) -> Result<()> {
        instructions::request_exit(ctx, shares)
    }

    /// Pays out the rewards of a position.
    pub fn claim_position(ctx: &mut Context<ClaimPosition>) -> Result<()> {
        instructions::claim_position(ctx)
    }

    /// Closes a position without shares; anyone may do this once the offer has ended.
    pub fn close_position(ctx: &mut Context<ClosePosition>) -> Result<()> {
        instructions::close_position(ctx)
    }

    /// Pays out an exit that has cooled down, with its rewards; anyone may do this once the offer has ended.
    pub fn withdraw_exit(ctx: &mut Context<WithdrawExit>) -> Result<()> {
        instructions::withdraw_exit(ctx)
    }

    // --- crank: anyone ----------------------------------------------------------------------------------------------------------------

    /// Distributes a device's reward of an hour.
    pub fn distribute(ctx: &mut Context<Distribute>) -> Result<()> {
        instructions::distribute(ctx)
    }

    /// Records the point from which a position earns rewards.
    pub fn settle_position(ctx: &mut Context<SettlePosition>) -> Result<()> {
        instructions::settle_position(ctx)
    }

    /// Records what an exit has earned.
    pub fn settle_exit(ctx: &mut Context<SettleExit>) -> Result<()> {
        instructions::settle_exit(ctx)
    }

    /// Starts the cooldown of an exit whose waiting period is over.
    pub fn cool_exit(ctx: &mut Context<CoolExit>) -> Result<()> {
        instructions::cool_exit(ctx)
    }

    /// Records an owner's exit, which is the exit of all co-stakers too.
    pub fn force_exit(ctx: &mut Context<ForceExit>) -> Result<()> {
        instructions::force_exit(ctx)
    }

    /// Closes an ended offer that everybody has left.
    pub fn close_offer(ctx: &mut Context<CloseOffer>) -> Result<()> {
        instructions::close_offer(ctx)
    }
}
