use crate::clocks::clocks;
use crate::error::JobsError;
use crate::events::JobExtended;
use crate::state::{Escrow, Job};
use anchor_lang::prelude::*;

#[derive(Accounts)]
pub struct ExtendJob {
    #[account(address = escrow.owner @ JobsError::NotOwner)]
    pub owner: Signer,
    pub escrow: Account<Escrow>,
    #[account(mut, constraint(job.escrow == *escrow.address() @ JobsError::AccountMismatch))]
    pub job: Account<Job>,
}

/// - fails for anyone but the escrow's owner, after the deadline, once a commitment is posted, for replicas, which wait for each other, and
///   beyond thirty days from the opening
/// - gives the offer, or the worker, that many more seconds at the same price (I11)
pub fn extend_job(ctx: &mut Context<ExtendJob>, seconds: u32) -> Result<()> {
    let accounts = &mut ctx.accounts;
    accounts.job.extend(seconds, clocks()?)?;
    emit!(JobExtended {
        job: *accounts.job.address(),
        deadline: accounts.job.deadline_at.get()
    });
    Ok(())
}
