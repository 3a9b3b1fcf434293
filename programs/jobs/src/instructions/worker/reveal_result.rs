use super::commit_result::WorkJob;
use crate::clocks::clocks;
use crate::events::JobRevealed;
use anchor_lang::prelude::*;

/// - fails for anyone but the assigned device's hot key, in any other state, and after the reveal's deadline
/// - fails for a replica before the reveals are called
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
