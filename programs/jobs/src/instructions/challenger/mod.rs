mod convict;
mod open_demand;
mod overtake;

pub use convict::*;
pub use open_demand::*;
pub use overtake::*;

use crate::AUTHORITY_SEED;
use crate::bonds::Bonds;
use crate::clocks::now;
use crate::error::JobsError;
use crate::events::JobConvicted;
use crate::state::{Config, Conviction, Escrow, Job};
use anchor_lang::pinocchio::cpi::get_return_data;
use anchor_lang::prelude::*;
use anchor_spl::TokenAccount;
use protocol::bond;
use protocol::referee::Verdict;
use protocol::units::Amount;
use referee::Referee;
use staking::Device;
use staking::Staking;

/// The referee's verdict on evidence that `challenger` sealed about a job's result; fails unless it convicts.
fn convicting_verdict(
    program: &Program<Referee>,
    evidence: &referee::Evidence,
    challenger: &Address,
    job: &Address,
    claim: referee::Claim,
) -> Result<Verdict> {
    require!(evidence.challenger == *challenger, JobsError::NotChallenger);
    require!(evidence.subject == *job, JobsError::EvidenceMismatch);
    ask(program, evidence, claim)
}

/// Calls the referee, in a stack frame of its own because the return data takes a kilobyte.
#[inline(never)]
fn ask(program: &Program<Referee>, evidence: &referee::Evidence, claim: referee::Claim) -> Result<Verdict> {
    let accounts = referee::cpi::accounts::Judge {
        evidence: evidence.cpi_handle(),
    };
    referee::cpi::judge(CpiContext::new(program.address(), accounts), claim)?;
    let answer = get_return_data().ok_or(JobsError::NoVerdict)?;
    require!(*answer.program_id() == referee::ID, JobsError::NoVerdict);
    let verdict = Verdict::from_bytes(answer.as_slice()).ok_or(JobsError::NoVerdict)?;
    require!(verdict.convicted, JobsError::NotConvicted);
    Ok(verdict)
}

/// Whether a wallet or key is the device's own. Each of these has signed for the device. The payout wallet has not, so it does not count:
/// otherwise a liar could name a challenger's wallet to silence it, or the consumer's to have the compensation burned.
fn is_of_device(device: &Device, address: &Address) -> bool {
    [device.owner, device.key, device.first_key].contains(address)
}

/// Accounts of a conviction, whether it rests on evidence or on silence.
#[derive(Accounts)]
pub struct Sentence {
    /// Pays the conviction's rent, which `award` returns.
    #[account(mut)]
    pub payer: Signer,
    pub config: Account<Config>,
    #[account(mut)]
    pub job: Account<Job>,
    #[account(mut, address = job.escrow @ JobsError::AccountMismatch)]
    pub escrow: Account<Escrow>,
    #[account(init, payer = payer, seeds = [Conviction::SEED, job.address().as_ref()], bump)]
    pub conviction: Account<Conviction>,
    #[account(mut, address = job.device @ JobsError::AccountMismatch)]
    pub device: Account<Device>,
    /// Holds the device's stake; staking checks that it is the device's.
    #[account(mut)]
    pub device_vault: Account<TokenAccount>,
    /// Receives the compensation. Any token account of the consumer's is accepted, so that the consumer cannot block a conviction by
    /// closing or giving away a particular one.
    #[account(
        mut,
        constraint(*compensated.owner() == escrow.owner @ JobsError::WrongCompensationAccount),
        constraint(*compensated.mint() == config.mint @ JobsError::WrongCompensationAccount)
    )]
    pub compensated: Account<TokenAccount>,
    pub staking_config: Account<staking::StakingConfig>,
    /// CHECK: this program's signing PDA, derived with the bump in the config.
    #[account(seeds = [AUTHORITY_SEED], bump = config.authority_bump)]
    pub authority: UncheckedAccount,
    pub staking_program: Program<Staking>,
    pub token_program: Program<Token>,
    pub system_program: Program<System>,
}

/// Carries out a verdict: refunds the consumer, splits the device's bond, and starts the priority period, in which evidence sealed earlier
/// may take the reward over.
pub(super) fn carry_out(sentence: &mut Sentence, bump: u8, challenger: Address, sealed_slot: u64, verdict: &Verdict) -> Result<()> {
    let address = *sentence.job.address();
    let (device, consumer) = (sentence.job.device, sentence.escrow.owner);
    let at_stake = sentence.job.bond.get();
    let split = bond::split(Amount(at_stake), is_of_device(&sentence.device, &consumer));
    let payer = *sentence.payer.address();
    sentence
        .conviction
        .record((address, device), (challenger, payer), consumer, sealed_slot, verdict, &split, bump);
    sentence.job.convict(sentence.config.priority_seconds.get(), now()?)?;
    let refund = Escrow::refund(&mut sentence.escrow, &sentence.job)?;
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
        priority_ends: sentence.job.deadline_at.get(),
    });

    take_bond(sentence, at_stake, split.compensation.0)
}

/// Takes the device's bond, in a stack frame of its own.
#[inline(never)]
fn take_bond(sentence: &mut Sentence, at_stake: u64, compensation: u64) -> Result<()> {
    let bonds = Bonds::new(
        &sentence.staking_program,
        &sentence.staking_config,
        &sentence.authority,
        &sentence.config,
    );
    bonds.convict(
        &mut sentence.device,
        &mut sentence.device_vault,
        &mut sentence.compensated,
        &sentence.token_program,
        (at_stake, compensation),
    )
}
