use crate::error::StakingError;
use crate::events::{BondConvicted, BondMoved, StakeMove};
use crate::state::{Device, StakingConfig};
use crate::vault;
use anchor_lang::prelude::*;
use anchor_spl::TokenAccount;

#[derive(Accounts)]
pub struct ConvictBond {
    #[account(address = config.jobs_authority @ StakingError::NotJobsProgram)]
    pub jobs_authority: Signer,
    pub config: Account<StakingConfig>,
    #[account(mut)]
    pub device: Account<Device>,
    #[account(mut, seeds = [Device::VAULT_SEED, device.address().as_ref()], bump = device.vault_bump)]
    pub vault: Account<TokenAccount>,
    /// Receives the compensation; the jobs program checks whose it is.
    #[account(mut)]
    pub to: Account<TokenAccount>,
    pub token_program: Program<Token>,
}

/// - fails for any caller but the jobs program
/// - fails for a bond larger than the locked bonds, and for a compensation larger than the bond
/// - takes the whole bond from the stake and counts a conviction: `compensation` is paid at once, the rest is owed until `pay_reward`
pub fn convict_bond(ctx: &mut Context<ConvictBond>, bond: u64, compensation: u64) -> Result<()> {
    let accounts = &mut ctx.accounts;
    let device = &mut accounts.device;
    device.convict_bond(bond, compensation)?;
    let address = *device.address();
    device.announce_stake(address, StakeMove::Convicted, bond);
    emit!(BondConvicted {
        device: address,
        bond,
        compensation,
    });
    emit!(BondMoved {
        device: address,
        locked: false,
        bond,
        penalty: bond,
        locked_bond: device.locked_bond.get(),
        open_jobs: device.open_jobs.get(),
    });
    if compensation == 0 {
        return Ok(());
    }
    vault::pay(
        &accounts.device,
        &mut accounts.vault,
        &mut accounts.to,
        &accounts.token_program,
        compensation,
    )
}
