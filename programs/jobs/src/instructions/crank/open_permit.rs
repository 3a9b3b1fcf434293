use crate::AUTHORITY_SEED;
use crate::bonds::Bonds;
use crate::error::JobsError;
use crate::events::PermitOpened;
use crate::state::{Config, Conviction, Job, Permit, Status};
use anchor_lang::prelude::*;
use anchor_spl::TokenAccount;
use staking::{Device, Staking};

#[derive(Accounts)]
pub struct OpenPermit {
    /// Counts the sealed permits.
    #[account(mut)]
    pub config: Account<Config>,
    pub job: Account<Job>,
    #[account(mut, constraint(conviction.job == *job.address() @ JobsError::AccountMismatch))]
    pub conviction: Account<Conviction>,
    #[account(mut)]
    pub permit: Account<Permit>,
    /// Holds the jackpot.
    #[account(mut, seeds = [Permit::VAULT_SEED, permit.address().as_ref()], bump = permit.vault_bump)]
    pub vault: Account<TokenAccount>,
    #[account(mut, address = job.device @ JobsError::AccountMismatch)]
    pub device: Account<Device>,
    /// Holds the device's stake; staking checks that it is the device's.
    #[account(mut)]
    pub device_vault: Account<TokenAccount>,
    pub staking_config: Account<staking::StakingConfig>,
    /// CHECK: this program's signing PDA, derived with the bump in the config.
    #[account(seeds = [AUTHORITY_SEED], bump = config.authority_bump)]
    pub authority: UncheckedAccount,
    pub staking_program: Program<Staking>,
    pub token_program: Program<Token>,
}

/// - anyone who knows the secret may call; fails unless the job is convicted and its challenger has not been paid yet, and a second time
/// - fails unless the permit's secret was sealed for the job's device, drew that very job, made the nonce of its commitment, and may excuse
///   an error at that price with that bond
/// - returns what was to be burned to the device's stake, and adds the prize to what the challenger is owed
#[inline(never)]
pub fn open_permit(ctx: &mut Context<OpenPermit>, secret: [u8; 32]) -> Result<()> {
    let accounts = &mut ctx.accounts;
    accounts.job.check_status(Status::Convicted)?;
    accounts.permit.open(&mut accounts.config, &accounts.job, &secret)?;
    let jackpot = accounts.permit.pay(&accounts.job)?;
    let returned = accounts.conviction.pardon(jackpot)?;
    emit!(PermitOpened {
        job: *accounts.job.address(),
        device: accounts.job.device,
        permit: *accounts.permit.address(),
        returned,
        jackpot
    });
    pardon(accounts, returned, jackpot)
}

/// Has staking give the stake back and take in the jackpot, in a stack frame of its own.
#[inline(never)]
fn pardon(accounts: &mut OpenPermit, returned: u64, jackpot: u64) -> Result<()> {
    let bonds = Bonds::new(
        &accounts.staking_program,
        &accounts.staking_config,
        &accounts.authority,
        &accounts.config,
    );
    bonds.pardon(
        &mut accounts.device,
        &mut accounts.device_vault,
        &accounts.permit,
        &mut accounts.vault,
        &accounts.token_program,
        (returned, jackpot),
    )
}
