use crate::draws::seed_after;
use crate::error::JobsError;
use crate::events::AuditProven;
use crate::state::{Audit, Job, Model};
use anchor_lang::prelude::*;

#[derive(Accounts)]
pub struct ProveCustody {
    #[account(mut, constraint(job.job_hash == audit.job_hash @ JobsError::AccountMismatch))]
    pub job: Account<Job>,
    #[account(address = job.model @ JobsError::AccountMismatch)]
    pub model: Account<Model>,
    pub audit: Account<Audit>,
    /// The openings, uploaded like evidence. Anybody may have uploaded them, since they prove themselves.
    pub proof: referee::Evidence,
}

/// - anyone may call; fails unless the auditor has revealed the worker's result, and until the next slot hash is known
/// - fails once that hash is no longer kept, after 512 slots: an auditor has to be prompt
/// - fails unless the bytes open the chunks that this hash draws, in the worker's tree and in the auditor's
/// - the auditor will be paid when the job is
pub fn prove_custody(ctx: &mut Context<ProveCustody>) -> Result<()> {
    let accounts = &mut ctx.accounts;
    let (job, audit) = (&mut accounts.job, &accounts.audit);
    require!(audit.agrees.get(), JobsError::WrongAudit);
    let (_, seed) = seed_after(audit.revealed_slot.get())?.ok_or(JobsError::AuditNotDue)?;
    let proof = referee::state::bytes(&accounts.proof);
    audit.check_custody(job, accounts.model.checkpoints(), &seed, proof)?;
    job.prove_audit()?;
    emit!(AuditProven {
        job: audit.job,
        device: audit.device
    });
    Ok(())
}
