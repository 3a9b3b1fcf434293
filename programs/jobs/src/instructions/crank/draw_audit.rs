use crate::clocks::clocks;
use crate::error::JobsError;
use crate::events::AuditDrawn;
use crate::state::{Config, Job};
use anchor_lang::prelude::*;
use staking::slot_hashes::{Seed, first_after};

#[derive(Accounts)]
pub struct DrawAudit {
    pub config: Account<Config>,
    #[account(mut)]
    pub job: Account<Job>,
}

/// - anyone may call, and somebody must before the worker can reveal; fails where no draw applies, a second time, and after the deadline
/// - the seed is the first slot hash at least eight slots after the commitment: fails until it is known; one that is no longer kept draws
///   an audit
/// - if no audit is drawn, the reveal time starts; otherwise the audit waits for an auditor
pub fn draw_audit(ctx: &mut Context<DrawAudit>) -> Result<()> {
    let accounts = &mut ctx.accounts;
    let job = &mut accounts.job;
    let address = *job.address();
    let seed = |last_before| match first_after(last_before)? {
        Seed::NotYet => Err(JobsError::SeedNotReady.into()),
        Seed::Known(_, seed) => Ok(Some(seed)),
        Seed::Forgotten => Ok(None),
    };
    let drawn = job.draw_audit(&address, seed, &accounts.config, clocks()?)?;
    emit!(AuditDrawn {
        job: address,
        drawn,
        deadline: job.deadline_at.get()
    });
    Ok(())
}
