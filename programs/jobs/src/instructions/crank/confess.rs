// Glob import: Anchor looks in this module for what it generated for nested accounts.
use super::timeout_job::*;
use crate::AUTHORITY_SEED;
use crate::clocks::clocks;
use crate::events::{Ending, PermitConfessed};
use crate::state::{Config, Permit};
use anchor_lang::prelude::*;

#[derive(Accounts)]
pub struct Confess {
    /// The job's parties, as for a missed deadline.
    pub unserved: Nested<Unserved>,
    /// Counts the sealed permits.
    #[account(mut)]
    pub config: Account<Config>,
    /// CHECK: this program's signing PDA, derived with the bump in the config.
    #[account(seeds = [AUTHORITY_SEED], bump = config.authority_bump)]
    pub authority: UncheckedAccount,
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
    let job = &accounts.unserved.job;
    job.check_confessable(accounts.config.question_seconds.get(), clocks()?)?;
    accounts.permit.open(&mut accounts.config, job, &secret)?;
    emit!(PermitConfessed {
        job: *job.address(),
        permit: *accounts.permit.address()
    });
    let penalty = job.penalty(false);
    end_unserved(
        &mut accounts.unserved,
        &accounts.authority,
        &accounts.config,
        Ending::Confessed,
        penalty,
    )
}
