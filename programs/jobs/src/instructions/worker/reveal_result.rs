use super::commit_result::WorkJob;
use crate::clocks::clocks;
use crate::events::JobRevealed;
use anchor_lang::prelude::*;

/// - fails for anyone but the assigned device's hot key, unless the job is committed, and after the reveal's deadline
/// - fails for a replica before its reveal is called, before an audit draw that applies, and while an auditor is awaited or at work
/// - fails when the result and nonce do not open the commitment
/// - records the roots and starts the challenge window
pub fn reveal_result(ctx: &mut Context<WorkJob>, traces: [u8; 32], outputs: [u8; 32], nonce: [u8; 32]) -> Result<()> {
    let accounts = &mut ctx.accounts;
    accounts.job.reveal(traces, outputs, &nonce, clocks()?)?;
    emit!(JobRevealed {
        job: *accounts.job.address(),
        traces,
        outputs,
        window_ends: accounts.job.deadline_at.get()
    });
    Ok(())
}
