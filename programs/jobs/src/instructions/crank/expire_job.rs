use crate::clocks::clocks;
use crate::error::JobsError;
use crate::events::Ending;
use crate::instructions::crank::pay_bounty;
use crate::instructions::refund;
use crate::state::{Escrow, Job, Status};
use anchor_lang::prelude::*;

#[derive(Accounts)]
pub struct ExpireJob {
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
}

/// - anyone may call; fails once the job is taken, and before the offer has expired by both clocks
/// - frees the consumer's whole lock; the bounty goes to the caller, the rent to the consumer
pub fn expire_job(ctx: &mut Context<ExpireJob>) -> Result<()> {
    let accounts = &mut ctx.accounts;
    accounts.job.check_overdue(Status::Open, clocks()?)?;
    refund(&mut accounts.escrow, &accounts.job, Ending::Expired, 0)?;
    pay_bounty(&accounts.job, &accounts.cranker)
}
