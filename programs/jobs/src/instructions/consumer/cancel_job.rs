use crate::error::JobsError;
use crate::events::Ending;
use crate::instructions::refund;
use crate::state::{Escrow, Job, Status};
use anchor_lang::prelude::*;

#[derive(Accounts)]
pub struct CancelJob {
    #[account(mut, address = escrow.owner @ JobsError::NotOwner)]
    pub owner: Signer,
    #[account(mut)]
    pub escrow: Account<Escrow>,
    #[account(mut, close = owner, constraint(job.escrow == *escrow.address() @ JobsError::AccountMismatch))]
    pub job: Account<Job>,
}

/// - fails for anyone but the escrow's owner, and once a device has taken the job
/// - returns the whole lock to the free balance; rent and bounty return to the owner
pub fn cancel_job(ctx: &mut Context<CancelJob>) -> Result<()> {
    let accounts = &mut ctx.accounts;
    accounts.job.check_status(Status::Open)?;
    refund(&mut accounts.escrow, &accounts.job, Ending::Cancelled, 0)
}
