use super::{Referee, convicting_verdict, is_of_device};
use crate::AUTHORITY_SEED;
use crate::clocks::now;
use crate::error::JobsError;
use crate::events::{EscrowMove, JobConvicted};
use crate::state::{Config, Conviction, Escrow, Job, Model, Status};
use anchor_lang::prelude::*;
use anchor_spl::TokenAccount;
use protocol::bond;
use protocol::units::Amount;
use staking::Device;
use staking::Staking;

#[derive(Accounts)]
pub struct Convict {
    /// Sealed the evidence; pays the conviction's rent, which `award` returns.
    #[account(mut)]
    pub challenger: Signer,
    pub config: Account<Config>,
    #[account(mut)]
    pub job: Account<Job>,
    #[account(address = job.model @ JobsError::AccountMismatch)]
    pub model: Account<Model>,
    #[account(mut, address = job.escrow @ JobsError::AccountMismatch)]
    pub escrow: Account<Escrow>,
    pub evidence: referee::Evidence,
    #[account(init, payer = challenger, seeds = [Conviction::SEED, job.address().as_ref()], bump)]
    pub conviction: Account<Conviction>,
    #[account(mut, address = job.device @ JobsError::AccountMismatch)]
    pub device: Account<Device>,
    /// The device's stake; staking checks whose it is.
    #[account(mut)]
    pub device_vault: Account<TokenAccount>,
    /// Receives the compensation. Any account of the consumer's will do, so that none it closes or gives away can stand in the way.
    #[account(
        mut,
        constraint(*compensated.owner() == escrow.owner @ JobsError::WrongCompensationAccount),
        constraint(*compensated.mint() == config.mint @ JobsError::WrongCompensationAccount)
    )]
    pub compensated: Account<TokenAccount>,
    pub staking_config: Account<staking::Config>,
    /// CHECK: this program's signing PDA, derived with the bump the config keeps.
    #[account(seeds = [AUTHORITY_SEED], bump = config.authority_bump)]
    pub authority: UncheckedAccount,
    pub referee_program: Program<Referee>,
    pub staking_program: Program<Staking>,
    pub token_program: Program<Token>,
    pub system_program: Program<System>,
}

/// - fails unless the job's result is revealed and not paid yet
/// - fails for anyone but the evidence's challenger, for evidence about another job, and for the device's own wallets and key
/// - fails unless the referee convicts: what an honest worker committed to never does
/// - frees the consumer's whole lock; takes the device's bond: 20 % to the consumer (burned when it is the worker), 50 % forfeited, 30 % owed to
///   the challenger
/// - the reward stays open to earlier seals for the priority; `award` pays it and closes the job
#[inline(never)]
pub fn convict(ctx: &mut Context<Convict>) -> Result<()> {
    let bump = ctx.bumps.conviction;
    let accounts = &mut ctx.accounts;
    let (address, challenger) = (*accounts.job.address(), *accounts.challenger.address());
    accounts.job.check_status(Status::Revealed)?;
    require!(!is_of_device(&accounts.device, &challenger), JobsError::WorkerCannotChallenge);
    let claim = accounts.job.result_claim(&accounts.model);
    let verdict = convicting_verdict(&accounts.referee_program, &accounts.evidence, &challenger, &address, claim)?;

    let (device, consumer) = (accounts.job.device, accounts.escrow.owner);
    let (refund, at_stake) = (accounts.job.locked.get(), accounts.job.bond.get());
    let split = bond::split(Amount(at_stake), is_of_device(&accounts.device, &consumer));
    let sealed_slot = accounts.evidence.sealed_slot.get();
    let parties = (address, device);
    accounts
        .conviction
        .record(parties, challenger, consumer, sealed_slot, &verdict, split.reward, bump);
    accounts.job.convict(accounts.config.priority_seconds.get(), now()?)?;
    accounts.escrow.release(refund)?;
    accounts.escrow.announce(*accounts.escrow.address(), EscrowMove::Refunded, refund);
    emit!(JobConvicted {
        job: address,
        device,
        challenger,
        sealed_slot,
        refund,
        reward: split.reward.0,
        compensation: split.compensation.0,
        burned: split.burned.0,
        fault: verdict.fault as u8,
        unit: verdict.unit,
        op: verdict.op,
        index: verdict.index,
        expected: verdict.expected,
        claimed: verdict.claimed,
        priority_ends: accounts.job.deadline_at.get(),
    });

    take_bond(accounts, at_stake, split.reward.0, split.compensation.0)
}

/// Has staking split the device's bond, on a stack frame of its own.
#[inline(never)]
fn take_bond(accounts: &mut Convict, at_stake: u64, reward: u64, compensation: u64) -> Result<()> {
    let bump = [accounts.config.authority_bump];
    staking::cpi::convict_bond(
        CpiContext::new(
            accounts.staking_program.address(),
            staking::cpi::accounts::ConvictBond {
                jobs_authority: accounts.authority.cpi_handle().as_signer(),
                config: accounts.staking_config.cpi_handle(),
                device: accounts.device.cpi_handle_mut(),
                vault: accounts.device_vault.cpi_handle_mut(),
                to: accounts.compensated.cpi_handle_mut(),
                token_program: accounts.token_program.cpi_handle(),
            },
        )
        .with_signer(&[&[AUTHORITY_SEED, &bump]]),
        at_stake,
        reward,
        compensation,
    )
}
