use crate::AUTHORITY_SEED;
use crate::bonds::Bonds;
use crate::clocks::clocks;
use crate::error::JobsError;
use crate::events::ChallengerAwarded;
use crate::instructions::crank::pay_bounty;
use crate::state::{Config, Conviction, Job};
use anchor_lang::prelude::*;
use anchor_spl::TokenAccount;
use staking::Device;
use staking::Staking;

#[derive(Accounts)]
pub struct Award {
    /// Anyone; earns the bounty. May also be the consumer or the conviction's payer, since lamports are only added to these three accounts.
    #[account(mut, unsafe(dup))]
    pub cranker: Signer,
    /// CHECK: the owner of the job's escrow, as the conviction names it; receives the job's rent.
    #[account(mut, unsafe(dup), address = conviction.consumer @ JobsError::AccountMismatch)]
    pub consumer: UncheckedAccount,
    /// CHECK: the payer of the conviction's rent, as the conviction names it; receives that rent.
    #[account(mut, unsafe(dup), address = conviction.payer @ JobsError::AccountMismatch)]
    pub payer: UncheckedAccount,
    pub config: Account<Config>,
    #[account(mut, close = consumer)]
    pub job: Account<Job>,
    #[account(mut, close = payer, constraint(conviction.job == *job.address() @ JobsError::AccountMismatch))]
    pub conviction: Account<Conviction>,
    #[account(mut, address = job.device @ JobsError::AccountMismatch)]
    pub device: Account<Device>,
    /// Holds the device's stake; staking checks that it is the device's.
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
    /// CHECK: this program's signing PDA, derived with the bump in the config.
    #[account(seeds = [AUTHORITY_SEED], bump = config.authority_bump)]
    pub authority: UncheckedAccount,
    pub staking_program: Program<Staking>,
    pub token_program: Program<Token>,
}

/// - anyone may call; fails unless the job is convicted and the priority period has passed by both clocks
/// - fails for an hour more while there are permits, one of which may excuse the error and add a jackpot to the reward
/// - fails unless the reward goes to a $IO account of the challenger
/// - pays the reward and forfeits the rest of the bond; the bounty goes to the caller, the job's rent to the consumer, the conviction's
///   rent to its payer
pub fn award(ctx: &mut Context<Award>) -> Result<()> {
    let accounts = &mut ctx.accounts;
    accounts.job.check_awardable(&accounts.config, &accounts.conviction, clocks()?)?;
    let reward = accounts.conviction.reward.get();
    emit!(ChallengerAwarded {
        job: *accounts.job.address(),
        device: accounts.conviction.device,
        challenger: accounts.conviction.challenger,
        reward
    });

    let bonds = Bonds::new(
        &accounts.staking_program,
        &accounts.staking_config,
        &accounts.authority,
        &accounts.config,
    );
    bonds.pay_reward(
        &mut accounts.device,
        &mut accounts.device_vault,
        &mut accounts.rewarded,
        &accounts.token_program,
        (reward, accounts.conviction.burned.get()),
    )?;
    pay_bounty(&accounts.job, &accounts.cranker)
}
