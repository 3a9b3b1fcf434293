#![allow(unused_variables)] // Anchor repeats the instruction argument in functions that do not read it.

use crate::clocks::now;
use crate::error::JobsError;
use crate::events::{EscrowMove, JobOpened};
use crate::state::{Config, Escrow, Job, JobTerms, Model};
use anchor_lang::prelude::*;

#[derive(Accounts)]
#[instruction(id: u64)]
pub struct OpenJob {
    /// Pays rent and bounty. When the job ends, the rent returns and the bounty goes to the caller that ends it.
    #[account(mut, address = escrow.owner @ JobsError::NotOwner)]
    pub owner: Signer,
    pub config: Account<Config>,
    pub model: Account<Model>,
    #[account(mut)]
    pub escrow: Account<Escrow>,
    #[account(init, payer = owner, seeds = [Job::SEED, escrow.address().as_ref(), &id.to_le_bytes()], bump)]
    pub job: Account<Job>,
    pub system_program: Program<System>,
}

/// - fails while paused, for anyone but the escrow's owner, for terms outside their bounds, and for an id in use
/// - fails when no bond could cover the job, or the free balance does not cover its highest cost, fees included
/// - locks that cost; the job then waits for a device
pub fn open_job(ctx: &mut Context<OpenJob>, id: u64, terms: JobTerms) -> Result<()> {
    let bump = ctx.bumps.job;
    let accounts = &mut ctx.accounts;
    accounts.config.check_running()?;
    let (job, escrow) = (*accounts.job.address(), *accounts.escrow.address());
    let model = (*accounts.model.address(), accounts.model.hash);
    let foreign_mint = accounts.escrow.mint != accounts.config.mint;
    let locked = accounts
        .job
        .open(id, job, escrow, model, &terms, &accounts.config, foreign_mint, now()?, bump)?;
    accounts.escrow.lock(locked)?;
    let bounty = u64::from(accounts.job.bounty.get());
    if bounty > 0 {
        system_program::transfer(
            CpiContext::new(
                accounts.system_program.address(),
                system_program::Transfer {
                    from: accounts.owner.cpi_handle_mut(),
                    to: accounts.job.cpi_handle_mut(),
                },
            ),
            bounty,
        )?;
    }
    Escrow::announce(&accounts.escrow, EscrowMove::Locked, locked);
    emit!(JobOpened {
        job,
        escrow,
        model: model.0,
        mint: accounts.escrow.mint,
        foreign_mint,
        bounty,
        id,
        terms
    });
    Ok(())
}
