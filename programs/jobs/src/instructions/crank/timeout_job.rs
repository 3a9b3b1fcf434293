use crate::AUTHORITY_SEED;
use crate::bonds::Bonds;
use crate::clocks::clocks;
use crate::error::JobsError;
use crate::events::{Ending, EscrowMove, JobRefunded};
use crate::instructions::crank::pay_bounty;
use crate::state::{Config, Escrow, Job};
use anchor_lang::prelude::*;
use staking::Device;
use staking::Staking;

#[derive(Accounts)]
pub struct TimeoutJob {
    /// Anyone; earns the bounty. May also be the consumer, since lamports are only added to either account.
    #[account(mut, unsafe(dup))]
    pub cranker: Signer,
    /// CHECK: the escrow's owner; receives the rent.
    #[account(mut, unsafe(dup), address = escrow.owner @ JobsError::AccountMismatch)]
    pub consumer: UncheckedAccount,
    pub config: Account<Config>,
    #[account(mut, close = consumer)]
    pub job: Account<Job>,
    #[account(mut, address = job.escrow @ JobsError::AccountMismatch)]
    pub escrow: Account<Escrow>,
    #[account(mut, address = job.device @ JobsError::AccountMismatch)]
    pub device: Account<Device>,
    pub staking_config: Account<staking::StakingConfig>,
    /// CHECK: this program's signing PDA, derived with the bump in the config.
    #[account(seeds = [AUTHORITY_SEED], bump = config.authority_bump)]
    pub authority: UncheckedAccount,
    pub staking_program: Program<Staking>,
}

/// - anyone may call; fails unless the job waits for a commit or a reveal whose deadline has passed by both clocks
/// - fails while an auditor is awaited or at work, since the worker has no deadline then
/// - frees the consumer's whole lock; releases the bond less the penalty, which is forfeited; the penalty is higher once an auditor has
///   committed
/// - the bounty goes to the caller, the rent to the consumer
pub fn timeout_job(ctx: &mut Context<TimeoutJob>) -> Result<()> {
    ctx.accounts.job.check_late(clocks()?)?;
    refund(&mut ctx.accounts, Ending::TimedOut)
}

/// Ends a job that its worker has not served: refunds the consumer and takes the penalty from the worker.
pub(super) fn refund(accounts: &mut TimeoutJob, ending: Ending) -> Result<()> {
    let job = &accounts.job;
    let (refund, bond, penalty) = (job.locked.get(), job.bond.get(), job.penalty());
    accounts.escrow.release(refund)?;
    accounts.escrow.announce(*accounts.escrow.address(), EscrowMove::Refunded, refund);
    emit!(JobRefunded {
        job: *job.address(),
        ending,
        refund,
        penalty
    });

    let bonds = Bonds {
        staking: &accounts.staking_program,
        config: &accounts.staking_config,
        authority: &accounts.authority,
        bump: accounts.config.authority_bump,
    };
    bonds.slash(&mut accounts.device, bond, penalty)?;

    pay_bounty(&accounts.job, &accounts.cranker)
}
