use super::commit_audit::WorkAudit;
use crate::clocks::now;
use crate::events::AuditRevealed;
use anchor_lang::prelude::*;

/// - fails for anyone but the auditor's hot key, unless the worker's result is revealed and the job has not ended, and a second time
/// - fails when the result and nonce do not open the auditor's commitment
/// - the next slot hash draws the chunks that the auditor must open
pub fn reveal_audit(ctx: &mut Context<WorkAudit>, traces: [u8; 32], outputs: [u8; 32], nonce: [u8; 32]) -> Result<()> {
    let accounts = &mut ctx.accounts;
    let slot = now()?.slot;
    accounts.audit.reveal(&accounts.job, &traces, &outputs, &nonce, slot)?;
    emit!(AuditRevealed {
        job: accounts.audit.job,
        traces,
        outputs,
        agrees: accounts.audit.agrees.get()
    });
    accounts.audit.invariant()
}
