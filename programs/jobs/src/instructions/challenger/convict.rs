// Anchor looks for what it generated for nested accounts beside them.
use super::*;
use crate::state::{Demand, Model, Status};

#[derive(Accounts)]
pub struct Convict {
    /// Its payer is the challenger, who sealed the evidence.
    pub sentence: Nested<Sentence>,
    #[account(address = sentence.job.model @ JobsError::AccountMismatch)]
    pub model: Account<Model>,
    pub evidence: referee::Evidence,
    /// The answered demand for the unit's op outputs, where the model's traces commit to checkpoints only.
    pub shown: Option<Demand>,
    pub referee_program: Program<Referee>,
}

/// - fails unless the job's result is revealed and not paid yet
/// - fails for anyone but the evidence's challenger, for evidence about another job, and for the device's own wallets and key
/// - fails unless the referee convicts: what an honest worker committed to never does
/// - where traces commit to checkpoints only, fails without what the worker has shown of the unit
/// - frees the consumer's whole lock; takes the device's bond: 20 % to the consumer (burned when it is the worker), 50 % forfeited, 30 %
///   owed to the challenger
/// - the reward stays open to earlier seals for the priority; `award` pays it and closes the job
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
