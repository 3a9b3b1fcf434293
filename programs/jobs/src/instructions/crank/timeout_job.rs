use crate::AUTHORITY_SEED;
use crate::bonds::Bonds;
use crate::clocks::clocks;
use crate::draws::is_audited;
use crate::error::JobsError;
use crate::events::Ending;
use crate::instructions::crank::pay_bounty;
use crate::instructions::refund;
use crate::state::{Config, Escrow, Job};
use anchor_lang::prelude::*;
use staking::Device;
use staking::Staking;

/// Accounts of a job that its worker has not served.
#[derive(Accounts)]
pub struct Unserved {
    /// Anyone; earns the bounty. May also be the consumer, since lamports are only added to either account.
    #[account(mut, unsafe(dup))]
    pub cranker: Signer,
    /// CHECK: the escrow's owner; receives the rent.
    #[account(mut, unsafe(dup), address = escrow.owner @ JobsError::AccountMismatch)]
    pub consumer: UncheckedAccount,
    #[account(mut, close = consumer)]
    pub job: Account<Job>,
    #[account(mut, address = job.escrow @ JobsError::AccountMismatch)]
    pub escrow: Account<Escrow>,
    #[account(mut, address = job.device @ JobsError::AccountMismatch)]
    pub device: Account<Device>,
    pub staking_config: Account<staking::StakingConfig>,
    pub staking_program: Program<Staking>,
}

#[derive(Accounts)]
pub struct TimeoutJob {
    pub unserved: Nested<Unserved>,
    pub config: Account<Config>,
    /// CHECK: this program's signing PDA, derived with the bump in the config.
    #[account(seeds = [AUTHORITY_SEED], bump = config.authority_bump)]
    pub authority: UncheckedAccount,
}

/// - anyone may call; fails unless the job waits for a commit or a reveal whose deadline has passed by both clocks
/// - fails while an auditor is awaited or at work, since the worker has no deadline then
/// - frees the consumer's whole lock; releases the bond less the penalty, which is forfeited; the penalty is higher once an auditor has
///   committed, and if nobody has recorded that the result is drawn for an audit, or may be, as the slot hash is no longer kept
/// - the bounty goes to the caller, the rent to the consumer
pub fn timeout_job(ctx: &mut Context<TimeoutJob>) -> Result<()> {
    let accounts = &mut ctx.accounts;
    let job = &accounts.unserved.job;
    job.check_late(clocks()?)?;
    let drawn = job.awaits_draw() && is_audited(job)?;
    let penalty = job.penalty(drawn);
    end_unserved(
        &mut accounts.unserved,
        &accounts.authority,
        &accounts.config,
        Ending::TimedOut,
        penalty,
    )
}

/// Ends a job that its worker has not served: refunds the consumer and takes the penalty from the worker.
pub(super) fn end_unserved(
    unserved: &mut Unserved,
    authority: &UncheckedAccount,
    config: &Config,
    ending: Ending,
    penalty: u64,
) -> Result<()> {
    let bond = unserved.job.bond.get();
    refund(&mut unserved.escrow, &unserved.job, ending, penalty)?;
    let bonds = Bonds::new(&unserved.staking_program, &unserved.staking_config, authority, config);
    bonds.slash(&mut unserved.device, bond, penalty)?;
    pay_bounty(&unserved.job, &unserved.cranker)
}
