use super::draw_audit::DrawAudit;
use crate::clocks::clocks;
use crate::events::AuditSkipped;
use crate::state::AuditStage;
use anchor_lang::prelude::*;

/// - anyone may call; fails unless a drawn audit has waited for an auditor until its deadline has passed by both clocks
/// - starts the worker's reveal time
pub fn skip_audit(ctx: &mut Context<DrawAudit>) -> Result<()> {
    let accounts = &mut ctx.accounts;
    let seconds = accounts.config.reveal_seconds.get();
    accounts.job.clear_audit(AuditStage::Drawn, seconds, clocks()?)?;
    emit!(AuditSkipped {
        job: *accounts.job.address(),
        deadline: accounts.job.deadline_at.get()
    });
    Ok(())
}
