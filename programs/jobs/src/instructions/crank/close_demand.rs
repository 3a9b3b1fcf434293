use crate::error::JobsError;
use crate::events::DemandClosed;
use crate::state::{Demand, Job};
use anchor_lang::prelude::*;

#[derive(Accounts)]
pub struct CloseDemand {
    /// CHECK: the demand's challenger; receives the rent, and the fee if no answer came.
    #[account(mut, address = demand.challenger @ JobsError::AccountMismatch)]
    pub challenger: UncheckedAccount,
    /// CHECK: the address of the demand's job, which may have ended; parsed below.
    #[account(address = demand.job @ JobsError::AccountMismatch)]
    pub job: UncheckedAccount,
    #[account(mut, close = challenger)]
    pub demand: Demand,
}

/// - anyone may call; fails while the demand's job is revealed, or is convicted and evidence may still be judged by the answer
/// - returns everything left in the account to the challenger
pub fn close_demand(ctx: &mut Context<CloseDemand>) -> Result<()> {
    let accounts = &ctx.accounts;
    let job = Account::<Job>::load(*accounts.job.account()).ok();
    accounts.demand.check_over(job.as_deref())?;
    emit!(DemandClosed {
        job: accounts.demand.job,
        demand: *accounts.demand.address(),
        challenger: accounts.demand.challenger,
    });
    Ok(())
}
