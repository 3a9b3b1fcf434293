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

/// - anyone may call, and the worker has to, before it reveals; fails where there is nothing to draw, a second time, and after the deadline
/// - fails before a slot at least eight after the commitment has a hash; one that is no longer kept draws the audit
/// - not drawn: the reveal's time runs; drawn: the audit waits for an auditor
pub fn draw_audit(ctx: &mut Context<DrawAudit>) -> Result<()> {
    let accounts = &mut ctx.accounts;
    let job = &mut accounts.job;
    let address = *job.address();
    let seed = |last_before| match first_after(last_before)? {
        Seed::NotYet => Err(JobsError::AuditNotDue.into()),
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
