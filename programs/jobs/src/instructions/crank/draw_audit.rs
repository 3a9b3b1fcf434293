use crate::clocks::clocks;
use crate::draws::is_audited;
use crate::events::AuditDrawn;
use crate::state::{Config, Job};
use anchor_lang::prelude::*;

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
    let (job, clocks) = (&mut accounts.job, clocks()?);
    job.check_undrawn(clocks)?;
    let drawn = is_audited(job)?;
    job.record_draw(drawn, &accounts.config, clocks.now);
    emit!(AuditDrawn {
        job: *job.address(),
        drawn,
        deadline: job.deadline_at.get()
    });
    Ok(())
}
