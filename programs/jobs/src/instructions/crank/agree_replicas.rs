use super::call_reveals::Siblings;
use crate::clocks::now;
use crate::error::JobsError;
use crate::events::ReplicaAgreed;
use crate::state::Status;
use anchor_lang::prelude::*;

/// - anyone may call; fails unless every replica is revealed or convicted, and at least two are revealed
/// - fails when one has ended: those that are left have its watchers no more, so they stand under their windows
/// - fails when their traces or outputs differ, and while demands on one of them are open
/// - the windows end now: each is paid by `settle_job`, in this same transaction if one likes
pub fn agree_replicas(ctx: &mut Context<Siblings>) -> Result<()> {
    let rest = ctx.remaining_accounts()?;
    let accounts = &mut ctx.accounts;
    accounts.check(&rest)?;
    let now = now()?;
    let there = accounts.jobs().count();
    let all = accounts.jobs().next().map_or(0, |job| job.replicas);
    require!(there == usize::from(all), JobsError::TooFewReplicas);
    let mut result = None;
    let mut agreeing = 0;
    for job in accounts.jobs().filter(|job| job.status != Status::Convicted) {
        job.check_status(Status::Revealed)?;
        let own = (job.traces, job.outputs);
        require!(*result.get_or_insert(own) == own, JobsError::ReplicasDiffer);
        job.agree(now)?;
        agreeing += 1;
        emit!(ReplicaAgreed { job: *job.address() });
    }
    require!(agreeing > 1, JobsError::TooFewReplicas);
    Ok(())
}
