// Glob import: Anchor looks in this module for what it generated for nested accounts.
use super::*;
use crate::state::{Demand, Model, Status};

#[derive(Accounts)]
pub struct Convict {
    /// The payer is the challenger, who sealed the evidence.
    pub sentence: Nested<Sentence>,
    #[account(address = sentence.job.model @ JobsError::AccountMismatch)]
    pub model: Account<Model>,
    pub evidence: referee::Evidence,
    /// The answered demand for the unit's op outputs, where the model's traces commit only to checkpoints.
    pub shown: Option<Demand>,
    pub referee_program: Program<Referee>,
}

/// - fails unless the job's result is revealed and not paid yet
/// - fails for anyone but the evidence's challenger, for evidence about another job, and for the device's owner and keys
/// - fails unless the referee convicts, which no evidence about an honest result can make it do
/// - where traces commit only to checkpoints, fails without an answer that shows the unit's op outputs
/// - frees the consumer's whole lock and takes the device's bond: 20 % to the consumer (burned when the consumer is the worker), 30 % owed
///   to the challenger, the rest forfeited
/// - evidence sealed earlier may take the reward over during the priority period; `award` then pays it and closes the job
#[inline(never)]
pub fn convict(ctx: &mut Context<Convict>) -> Result<()> {
    let bump = ctx.bumps.sentence.conviction;
    let accounts = &mut ctx.accounts;
    let (job, challenger) = (&accounts.sentence.job, *accounts.sentence.payer.address());
    job.check_status(Status::Revealed)?;
    require!(
        !is_of_device(&accounts.sentence.device, &challenger),
        JobsError::WorkerCannotChallenge
    );
    let claim = job.result_claim(&accounts.model, accounts.shown.as_deref())?;
    let verdict = convicting_verdict(&accounts.referee_program, &accounts.evidence, &challenger, job.address(), claim)?;
    let sealed_slot = accounts.evidence.sealed_slot.get();
    carry_out(&mut accounts.sentence, bump, challenger, sealed_slot, &verdict)
}
