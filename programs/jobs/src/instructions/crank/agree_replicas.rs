use super::call_reveals::Siblings;
use crate::clocks::now;
use crate::error::JobsError;
use crate::events::ReplicaAgreed;
use crate::state::Status;
use anchor_lang::prelude::*;

/// - anyone may call; fails unless every replica is revealed or convicted, and at least two are revealed
/// - fails when one has ended: with fewer results to compare, those that are left keep their windows
/// - fails when the traces or outputs of those revealed differ, when one has a value at risk, and while demands on one of them are open
/// - ends their windows at once, so that `settle_job` can pay each, in the same transaction if the caller likes
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
