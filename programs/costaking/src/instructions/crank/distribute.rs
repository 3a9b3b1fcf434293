use crate::AUTHORITY_SEED;
use crate::authority;
use crate::error::CostakingError;
use crate::events::RewardShared;
use crate::state::{Config, Offer, Status};
use anchor_lang::prelude::*;
use anchor_spl::TokenAccount;
use staking::{Device, Emission, RewardBlock, Staking, Tally};

#[derive(Accounts)]
pub struct Distribute {
    pub config: Account<Config>,
    #[account(mut)]
    pub offer: Account<Offer>,
    #[account(mut, seeds = [Offer::VAULT_SEED, offer.address().as_ref()], bump = offer.vault_bump)]
    pub vault: Account<TokenAccount>,
    #[account(mut, address = offer.device @ CostakingError::AccountMismatch)]
    pub device: Account<Device>,
    pub block: Account<RewardBlock>,
    #[account(mut)]
    pub tally: Account<Tally>,
    #[account(mut)]
    pub emission: Account<Emission>,
    /// Rewards are paid from it; staking checks whose it is.
    #[account(mut)]
    pub emission_vault: Account<TokenAccount>,
    pub staking_config: Account<staking::StakingConfig>,
    /// CHECK: this program's signing PDA, derived with the bump the config keeps.
    #[account(seeds = [AUTHORITY_SEED], bump = config.authority_bump)]
    pub authority: UncheckedAccount,
    pub staking_program: Program<Staking>,
    pub token_program: Program<Token>,
}

/// - anyone may call, once the hour's block is settled; fails when the device has no reward of it to collect, and while it has one of an
///   earlier hour
/// - co-stakers get their share in proportion to the assets that earned in that hour, rounded down; the owner gets the rest (E12)
/// - after the owner's exit, fails until `force_exit` has recorded it
pub fn distribute(ctx: &mut Context<Distribute>) -> Result<()> {
    let accounts = &mut ctx.accounts;
    accounts.offer.check_status(&[Status::Open, Status::Closed, Status::Forced])?;
    require!(accounts.device.forced_at.is_zero(), CostakingError::Forced);
    let hour = accounts.block.number()?;
    let waiting = accounts.device.pending().find(|(of, _, _)| *of == hour);
    let (_, pool, score) = waiting.ok_or(CostakingError::NothingPending)?;
    let reward = accounts.block.reward(pool, score)?;
    let (shares, earning) = accounts.offer.earning(hour, &accounts.device);
    let part = accounts.offer.part(reward, earning);
    accounts.offer.distribute(hour, part, shares)?;
    emit!(RewardShared {
        offer: *accounts.offer.address(),
        hour,
        reward,
        part,
        shares
    });
    authority::collect_shared(accounts, part)
}
