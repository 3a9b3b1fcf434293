use crate::clocks::clocks;
use crate::error::JobsError;
// Glob import: Anchor looks in this module for what it generated for nested accounts.
use crate::instructions::challenger::*;
use crate::state::Demand;
use anchor_lang::prelude::*;
use protocol::referee::{Fault, Verdict};

#[derive(Accounts)]
pub struct ConvictSilence {
    /// The payer is anyone.
    pub sentence: Nested<Sentence>,
    pub demand: Demand,
}

/// - anyone may call; fails unless the demand is about this job, has no answer, and its deadline has passed by both clocks
/// - fails unless the job's result is revealed and not paid yet
/// - carries out the conviction as `convict` does, with the reward to the demand's challenger; no sealed evidence can overtake it
#[inline(never)]
pub fn convict_silence(ctx: &mut Context<ConvictSilence>) -> Result<()> {
    let bump = ctx.bumps.sentence.conviction;
    let accounts = &mut ctx.accounts;
    let job = &accounts.sentence.job;
    accounts.demand.check_silent(job, clocks()?)?;
    let item = accounts.demand.item().ok_or(JobsError::InvalidDemand)?;
    let verdict = Verdict {
        convicted: true,
        fault: Fault::Silence,
        unit: item.unit,
        op: item.op,
        index: item.index,
        expected: 0,
        claimed: 0,
    };
    let challenger = accounts.demand.challenger;
    carry_out(&mut accounts.sentence, bump, challenger, 0, &verdict)
}
