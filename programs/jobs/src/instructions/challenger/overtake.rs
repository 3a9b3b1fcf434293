use super::{convicting_verdict, is_of_device};
use crate::clocks::clocks;
use crate::error::JobsError;
use crate::events::ConvictionOvertaken;
use crate::state::{Conviction, Demand, Job, Model, Status};
use anchor_lang::prelude::*;
use referee::Referee;
use staking::Device;

#[derive(Accounts)]
pub struct Overtake {
    /// The challenger with the earlier seal.
    pub challenger: Signer,
    pub job: Account<Job>,
    #[account(address = job.model @ JobsError::AccountMismatch)]
    pub model: Account<Model>,
    pub evidence: referee::Evidence,
    /// As for `convict`.
    pub shown: Option<Demand>,
    #[account(mut, constraint(conviction.job == *job.address() @ JobsError::AccountMismatch))]
    pub conviction: Account<Conviction>,
    #[account(address = job.device @ JobsError::AccountMismatch)]
    pub device: Account<Device>,
    pub referee_program: Program<Referee>,
}

/// - fails unless the job is convicted, and once the priority period has passed by both clocks
/// - fails for anyone but the evidence's challenger, for evidence about another job, and for the device's owner and keys
/// - fails unless the evidence was sealed in an earlier slot than that of the challenger who is owed the reward so far, and convicts
/// - this challenger is owed the reward from now on; the conviction's rent still returns to its payer
pub fn overtake(ctx: &mut Context<Overtake>) -> Result<()> {
    let accounts = &mut ctx.accounts;
    let (address, challenger) = (*accounts.job.address(), *accounts.challenger.address());
    accounts.job.check_status(Status::Convicted)?;
    accounts.job.check_in_time(clocks()?)?;
    require!(!is_of_device(&accounts.device, &challenger), JobsError::WorkerCannotChallenge);
    let claim = accounts.job.result_claim(&accounts.model, accounts.shown.as_deref())?;
    let verdict = convicting_verdict(&accounts.referee_program, &accounts.evidence, &challenger, &address, claim)?;
    let sealed_slot = accounts.evidence.sealed_slot.get();
    accounts.conviction.overtake(challenger, sealed_slot, &verdict)?;
    emit!(ConvictionOvertaken {
        job: address,
        challenger,
        sealed_slot,
        fault: verdict.fault as u8,
        unit: verdict.unit,
        op: verdict.op,
        index: verdict.index,
        expected: verdict.expected,
        claimed: verdict.claimed,
    });
    Ok(())
}
