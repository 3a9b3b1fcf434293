use crate::clocks::now;
use crate::events::RevealsCalled;
use crate::siblings::check_all;
use crate::state::{Config, Job};
use anchor_lang::prelude::*;

/// All replicas of a job. Of those that have ended only the addresses follow, in order, as remaining accounts.
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
    /// Fails unless these are all replicas of one job that are left.
    pub(super) fn check(&self, rest: &[AccountView]) -> Result<()> {
        check_all([self.first.as_deref(), self.second.as_deref(), self.third.as_deref()], rest)
    }

    /// Those that are left.
    pub(super) fn jobs(&mut self) -> impl Iterator<Item = &mut Account<Job>> {
        [&mut self.first, &mut self.second, &mut self.third].into_iter().flatten()
    }
}

/// - anyone may call; fails unless every replica has committed or ended, and once the reveals are called
/// - an overdue replica has to be ended first, which anyone may do: after a restart of the cluster it might not be overdue any more
/// - each worker has the reveal's time from now on
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
