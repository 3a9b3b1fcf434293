use crate::AUTHORITY_SEED;
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
    collect(accounts, part)
}

/// Calls staking to pay the part in, in a stack frame of its own.
#[inline(never)]
fn collect(accounts: &mut Distribute, part: u64) -> Result<()> {
    let bump = [accounts.config.authority_bump];
    staking::call::<9, _>(
        CpiContext::new(
            accounts.staking_program.address(),
            staking::cpi::accounts::CollectShared {
                costaking_authority: accounts.authority.cpi_handle().as_signer(),
                config: accounts.staking_config.cpi_handle(),
                device: accounts.device.cpi_handle_mut(),
                block: accounts.block.cpi_handle(),
                tally: accounts.tally.cpi_handle_mut(),
                emission: accounts.emission.cpi_handle_mut(),
                vault: accounts.emission_vault.cpi_handle_mut(),
                to: accounts.vault.cpi_handle_mut(),
                token_program: accounts.token_program.cpi_handle(),
            },
        )
        .with_signer(&[&[AUTHORITY_SEED, &bump]]),
        &staking::instruction::CollectShared { part },
    )
}
