#![allow(unused_variables)] // Anchor repeats the instruction argument in functions that do not read it.

use super::is_of_device;
use crate::clocks::clocks;
use crate::error::JobsError;
use crate::events::DemandOpened;
use crate::state::{Config, DEMAND_SEED, Demand, Item, Job, Model, demand_space, reserve_checkpoints};
use anchor_lang::prelude::*;
use staking::Device;

#[derive(Accounts)]
#[instruction(item: Item)]
pub struct OpenDemand {
    /// Pays rent and fee.
    #[account(mut)]
    pub challenger: Signer,
    pub config: Account<Config>,
    #[account(mut)]
    pub job: Account<Job>,
    #[account(address = job.model @ JobsError::AccountMismatch)]
    pub model: Account<Model>,
    #[account(address = job.device @ JobsError::AccountMismatch)]
    pub device: Account<Device>,
    /// CHECK: the treasury's wallet; receives what the demand costs beyond the fee that its answer earns.
    #[account(mut, address = config.treasury @ JobsError::AccountMismatch)]
    pub treasury: UncheckedAccount,
    /// The answered demand for the part above; `None` for a part at the top.
    pub above: Option<Demand>,
    #[account(
        init,
        payer = challenger,
        space = demand_space(item.kind, model.checkpoints()),
        seeds = [DEMAND_SEED, job.address().as_ref(), &item.seed()],
        bump
    )]
    pub demand: Demand,
    pub system_program: Program<System>,
}

/// - fails unless the job's result is revealed and its window has not passed, with eight demands open, and for the device's owner and keys
/// - fails for a part that no result of this job has, for a part whose part above has not been shown, and for a part that was demanded
///   before: one answer serves everyone
/// - blocks a confession, unless a confession was already possible
/// - the worker has `answer_seconds` to answer, or less if earlier answers were slow, but at least half a minute
/// - the fee goes to the device's payout wallet with the answer, or back to the challenger once the job is gone or convicted
/// - every eighth demand on a job doubles the cost, and what exceeds the fee goes to the treasury at once; fails for a cost above `most`
pub fn open_demand(ctx: &mut Context<OpenDemand>, item: Item, most: u64) -> Result<()> {
    let bump = ctx.bumps.demand;
    let accounts = &mut ctx.accounts;
    let challenger = *accounts.challenger.address();
    require!(!is_of_device(&accounts.device, &challenger), JobsError::WorkerCannotChallenge);
    let fee = u64::from(accounts.config.demand_fee.get());
    let cost = accounts.job.demand_cost(fee)?;
    require!(cost <= most, JobsError::DemandTooDear);
    let clocks = clocks()?;
    let deadline = accounts.job.demand(&accounts.config, clocks)?;
    let job = *accounts.job.address();
    let above = accounts.above.as_deref();
    accounts.demand.open(
        job,
        &accounts.job,
        accounts.model.checkpoints(),
        item.try_into()?,
        above,
        challenger,
        (clocks.now, deadline),
        fee,
        bump,
    )?;
    reserve_checkpoints(&mut accounts.demand)?;
    system_program::transfer(
        CpiContext::new(
            accounts.system_program.address(),
            system_program::Transfer {
                from: accounts.challenger.cpi_handle_mut(),
                to: accounts.demand.cpi_handle_mut(),
            },
        ),
        fee,
    )?;
    let excess = cost.saturating_sub(fee);
    if excess > 0 {
        system_program::transfer(
            CpiContext::new(
                accounts.system_program.address(),
                system_program::Transfer {
                    from: accounts.challenger.cpi_handle_mut(),
                    to: accounts.treasury.cpi_handle_mut(),
                },
            ),
            excess,
        )?;
    }
    emit!(DemandOpened {
        job,
        demand: *accounts.demand.address(),
        device: accounts.job.device,
        challenger,
        item,
        cost,
        deadline: deadline.unix
    });
    Ok(())
}
