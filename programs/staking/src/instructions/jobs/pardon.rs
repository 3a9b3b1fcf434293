use crate::error::StakingError;
use crate::events::StakeMove;
use crate::state::{Device, StakingConfig};
use anchor_lang::prelude::*;
use anchor_spl::TokenAccount;
use anchor_spl::prelude::*;

#[derive(Accounts)]
pub struct Pardon {
    #[account(address = config.jobs_authority @ StakingError::NotJobsProgram)]
    pub jobs_authority: Signer,
    pub config: Account<StakingConfig>,
    #[account(mut)]
    pub device: Account<Device>,
    #[account(mut, seeds = [Device::VAULT_SEED, device.address().as_ref()], bump = device.vault_bump)]
    pub vault: Account<TokenAccount>,
    /// Holds the jackpot; the jobs program checks whose it is.
    #[account(mut)]
    pub from: Account<TokenAccount>,
    /// Owner of `from`.
    pub funder: Signer,
    pub token_program: Program<Token>,
}

/// - fails for any caller but the jobs program
/// - fails for more than the device owes, and for a device that was never convicted
/// - reverses one conviction: `returned` of what is owed becomes the owner's stake again, cooling if the owner's stake is cooling
/// - takes `jackpot` in, which is then owed
pub fn pardon(ctx: &mut Context<Pardon>, returned: u64, jackpot: u64) -> Result<()> {
    let accounts = &mut ctx.accounts;
    accounts.device.pardon(returned, jackpot)?;
    accounts
        .device
        .announce_stake(*accounts.device.address(), StakeMove::Pardoned, returned);
    accounts
        .token_program
        .transfer(&mut accounts.from, &mut accounts.vault, &accounts.funder, &[], jackpot)
}
