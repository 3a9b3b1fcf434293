// Glob import: Anchor looks in this module for what it generated for nested accounts.
use super::timeout_job::*;
use crate::clocks::clocks;
use crate::events::{Ending, PermitConfessed};
use crate::state::Permit;
use anchor_lang::prelude::*;

#[derive(Accounts)]
pub struct Confess {
    /// The job's parties, as for a missed deadline.
    pub ending: Nested<TimeoutJob>,
    #[account(mut)]
    pub permit: Account<Permit>,
}

/// - anyone who knows the secret may call, in the second half of the window: the first half is reserved for challengers and, once a demand
///   was opened, all but the last half of `question_seconds`
/// - fails while a demand that was opened in the challengers' time has no answer, since a confession must not end a dispute; demands opened
///   later do not block it
/// - fails unless the result is revealed, and the permit excuses it as in `open_permit`
/// - refunds the consumer and takes the penalty from the worker, as for a missed deadline; the jackpot stays until the permit is closed
pub fn confess(ctx: &mut Context<Confess>, secret: [u8; 32]) -> Result<()> {
    let accounts = &mut ctx.accounts;
    let question = accounts.ending.config.question_seconds.get();
    accounts.ending.job.check_confessable(question, clocks()?)?;
    accounts.permit.open(&accounts.ending.job, &secret)?;
    emit!(PermitConfessed {
        job: *accounts.ending.job.address(),
        permit: *accounts.permit.address()
    });
    refund(&mut accounts.ending, Ending::Confessed)
}
