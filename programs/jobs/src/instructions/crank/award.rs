use crate::AUTHORITY_SEED;
use crate::clocks::clocks;
use crate::error::JobsError;
use crate::events::ChallengerAwarded;
use crate::instructions::crank::pay_bounty;
use crate::state::{Config, Conviction, Job, Permit};
use anchor_lang::prelude::*;
use anchor_spl::TokenAccount;
use staking::Device;
use staking::Staking;

#[derive(Accounts)]
pub struct Award {
    /// Anyone; earns the bounty. May be the consumer or the first challenger: only lamports are added to any of the three slots.
    #[account(mut, unsafe(dup))]
    pub cranker: Signer,
    /// CHECK: the owner of the job's escrow, as the conviction keeps it; receives the job's rent.
    #[account(mut, unsafe(dup), address = conviction.consumer @ JobsError::AccountMismatch)]
    pub consumer: UncheckedAccount,
    /// CHECK: the first challenger, as the conviction keeps it; receives the conviction's rent.
    #[account(mut, unsafe(dup), address = conviction.payer @ JobsError::AccountMismatch)]
    pub payer: UncheckedAccount,
    pub config: Account<Config>,
    #[account(mut, close = consumer)]
    pub job: Account<Job>,
    #[account(mut, close = payer, constraint(conviction.job == *job.address() @ JobsError::AccountMismatch))]
    pub conviction: Account<Conviction>,
    #[account(mut, address = job.device @ JobsError::AccountMismatch)]
    pub device: Account<Device>,
    /// CHECK: where the device's permit is, if it has one.
    #[account(seeds = [Permit::SEED, job.device.as_ref()], bump)]
    pub permit: UncheckedAccount,
    /// The device's stake; staking checks whose it is.
    #[account(mut)]
    pub device_vault: Account<TokenAccount>,
    /// Receives the reward.
    #[account(
        mut,
        constraint(*rewarded.owner() == conviction.challenger @ JobsError::WrongRewardAccount),
        constraint(*rewarded.mint() == config.mint @ JobsError::WrongRewardAccount)
    )]
    pub rewarded: Account<TokenAccount>,
    pub staking_config: Account<staking::StakingConfig>,
    /// CHECK: this program's signing PDA, derived with the bump the config keeps.
    #[account(seeds = [AUTHORITY_SEED], bump = config.authority_bump)]
    pub authority: UncheckedAccount,
    pub staking_program: Program<Staking>,
    pub token_program: Program<Token>,
}

/// - anyone may call; fails unless the job is convicted and the priority has passed by both clocks
/// - fails for an hour more while the device has a sealed permit that may excuse the error: the challenger is owed the jackpot once it is
///   opened
/// - fails when the reward's account is not the challenger's in $IO
/// - pays the reward and forfeits the rest of the bond; the bounty goes to the caller, the job's rent to the consumer, the conviction's to
///   the first challenger
pub fn award(ctx: &mut Context<Award>) -> Result<()> {
    let accounts = &mut ctx.accounts;
    let permit = Account::<Permit>::load(*accounts.permit.account()).ok();
    accounts.job.check_awardable(permit.as_deref(), clocks()?)?;
    let reward = accounts.conviction.reward.get();
    emit!(ChallengerAwarded {
        job: *accounts.job.address(),
        device: accounts.conviction.device,
        challenger: accounts.conviction.challenger,
        reward
    });

    let bump = [accounts.config.authority_bump];
    staking::call::<6, _>(
        CpiContext::new(
            accounts.staking_program.address(),
            staking::cpi::accounts::PayReward {
                jobs_authority: accounts.authority.cpi_handle().as_signer(),
                config: accounts.staking_config.cpi_handle(),
                device: accounts.device.cpi_handle_mut(),
                vault: accounts.device_vault.cpi_handle_mut(),
                to: accounts.rewarded.cpi_handle_mut(),
                token_program: accounts.token_program.cpi_handle(),
            },
        )
        .with_signer(&[&[AUTHORITY_SEED, &bump]]),
        &staking::instruction::PayReward {
            reward,
            burned: accounts.conviction.burned.get(),
        },
    )?;

    pay_bounty(&accounts.job, &accounts.cranker)
}
