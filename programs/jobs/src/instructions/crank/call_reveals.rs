use crate::clocks::now;
use crate::events::RevealsCalled;
use crate::siblings::check_all;
use crate::state::{Config, Job};
use anchor_lang::prelude::*;

/// All replicas of a job. Those that have ended are left out here and follow, in order, as remaining accounts.
#[derive(Accounts)]
pub struct Siblings {
    pub config: Account<Config>,
    #[account(mut)]
    pub first: Option<Account<Job>>,
    #[account(mut)]
    pub second: Option<Account<Job>>,
    #[account(mut)]
    pub third: Option<Account<Job>>,
}

impl Siblings {
    /// Fails unless these are all the replicas of one job that have not ended.
    pub(super) fn check(&self, rest: &[AccountView]) -> Result<()> {
        check_all([self.first.as_deref(), self.second.as_deref(), self.third.as_deref()], rest)
    }

    /// The replicas that have not ended.
    pub(super) fn jobs(&mut self) -> impl Iterator<Item = &mut Account<Job>> {
        [&mut self.first, &mut self.second, &mut self.third].into_iter().flatten()
    }
}

/// - anyone may call; fails unless every replica has committed or ended, and if the reveals have already been called
/// - an overdue replica must be ended first, which anyone may do: after a restart of the cluster it may no longer be overdue
/// - starts the reveal time of each worker
pub fn call_reveals(ctx: &mut Context<Siblings>) -> Result<()> {
    let rest = ctx.remaining_accounts()?;
    let accounts = &mut ctx.accounts;
    accounts.check(&rest)?;
    let (now, seconds) = (now()?, accounts.config.reveal_seconds.get());
    for job in accounts.jobs() {
        job.call_reveal(seconds, now)?;
        emit!(RevealsCalled {
            job: *job.address(),
            deadline: job.deadline_at.get()
        });
    }
    Ok(())
}
