//! Suppliers register GPU devices, stake $IO on them and post bonds for the jobs they take. See this crate's `README.md`.
#![cfg_attr(not(feature = "idl-build"), no_std)]
// Anchor generates undocumented items; README.md lists accounts and instructions.
#![allow(missing_docs)]

#[cfg(feature = "cpi")]
extern crate alloc;

use anchor_lang::prelude::*;

#[cfg(feature = "cpi")]
mod call;
pub mod error;
pub mod events;
pub mod instructions;
pub mod slot_hashes;
pub mod state;
mod vault;

#[cfg(feature = "cpi")]
pub use call::call;
use instructions::*;
pub use state::{
    Device, DeviceKey, Emission, GpuModel, GpuSpecChanges, ParameterChanges, Parameters, Parts, RewardBlock, RewardRuleChanges,
    RewardRules, Slash, SlashReason, SlashStatus, StakingConfig, Tally,
};

declare_id!("AcuGZKbvcirmtnKvduanXUECzymoAtS3dbotf4idER6P");

/// This program, as an account another program's instruction asks for: `Program<Staking>`.
pub struct Staking;

impl Id for Staking {
    fn id() -> Address {
        crate::ID
    }
}

#[cfg(not(feature = "no-entrypoint"))]
solana_security_txt::security_txt! {
    name: "ionet staking",
    project_url: "https://github.com/ionet-market/ionet",
    contacts: "link:https://github.com/ionet-market/ionet/security/advisories/new",
    policy: "https://github.com/ionet-market/ionet/blob/main/SECURITY.md",
    source_code: "https://github.com/ionet-market/ionet"
}

#[program]
pub mod staking_program {
    use super::*;

    // --- admin: the authority of the config, later the governance program -------------------------------------------------------------

    /// Creates the config; only the program's upgrade authority may do this.
    pub fn initialize(ctx: &mut Context<Initialize>, parameters: Parameters) -> Result<()> {
        instructions::initialize(ctx, parameters)
    }

    /// Changes parameters, within their bounds.
    pub fn set_parameters(ctx: &mut Context<Administer>, changes: ParameterChanges) -> Result<()> {
        instructions::set_parameters(ctx, changes)
    }

    /// Replaces the config's authority, its guardian, or both.
    pub fn set_authorities(ctx: &mut Context<Administer>, authority: Option<Address>, guardian: Option<Address>) -> Result<()> {
        instructions::set_authorities(ctx, authority, guardian)
    }

    /// Stops or resumes registration and staking; exits stay open.
    pub fn set_paused(ctx: &mut Context<Pause>, paused: bool) -> Result<()> {
        instructions::set_paused(ctx, paused)
    }

    /// Adds a GPU model to the table.
    pub fn add_gpu_model(ctx: &mut Context<AddGpuModel>, id: u16, spec: GpuSpec) -> Result<()> {
        instructions::add_gpu_model(ctx, id, spec)
    }

    /// Changes a GPU model.
    pub fn update_gpu_model(ctx: &mut Context<UpdateGpuModel>, changes: GpuSpecChanges) -> Result<()> {
        instructions::update_gpu_model(ctx, changes)
    }

    /// Starts the emission with the hour at `genesis`.
    pub fn start_emission(ctx: &mut Context<StartEmission>, genesis: i64, rules: RewardRules, verifier: Address) -> Result<()> {
        instructions::start_emission(ctx, genesis, rules, verifier)
    }

    /// Changes the rules of future hours, or the verifier.
    pub fn set_reward_rules(ctx: &mut Context<SetRewardRules>, changes: RewardRuleChanges, verifier: Option<Address>) -> Result<()> {
        instructions::set_reward_rules(ctx, changes, verifier)
    }

    /// Names the keys that propose and approve slashes.
    pub fn set_judges(ctx: &mut Context<Administer>, proposer: Option<Address>, approver: Option<Address>) -> Result<()> {
        instructions::set_judges(ctx, proposer, approver)
    }

    /// Returns the stake that a slash set aside.
    pub fn overturn_slash(ctx: &mut Context<OverturnSlash>) -> Result<()> {
        instructions::overturn_slash(ctx)
    }

    // --- judge: two keys that judge what the chain cannot see -------------------------------------------------------------------------

    /// Proposes a slash, with evidence.
    pub fn propose_slash(ctx: &mut Context<ProposeSlash>, number: u32, reason: u8, share_bps: u16, evidence: [u8; 32]) -> Result<()> {
        instructions::propose_slash(ctx, number, reason, share_bps, evidence)
    }

    /// Approves a slash: the stake is set aside.
    pub fn approve_slash(ctx: &mut Context<ApproveSlash>, share_bps: u16, evidence: [u8; 32]) -> Result<()> {
        instructions::approve_slash(ctx, share_bps, evidence)
    }

    /// Withdraws a proposed slash, or ends an approved one that has nothing left to take.
    pub fn drop_slash(ctx: &mut Context<DropSlash>) -> Result<()> {
        instructions::drop_slash(ctx)
    }

    // --- verifier: the key that measures connections ---------------------------------------------------------------------------------

    /// Sets a device's connectivity tier.
    pub fn set_tier(ctx: &mut Context<SetTier>, tier: u8) -> Result<()> {
        instructions::set_tier(ctx, tier)
    }

    // --- supplier: the owner of a device ----------------------------------------------------------------------------------------------

    /// Registers a device. Its hot key signs too, so that nobody registers a key that they do not hold.
    pub fn register_device(ctx: &mut Context<RegisterDevice>, quantity: u8) -> Result<()> {
        instructions::register_device(ctx, quantity)
    }

    /// Replaces a device's hot key.
    pub fn rotate_device_key(ctx: &mut Context<RotateDeviceKey>) -> Result<()> {
        instructions::rotate_device_key(ctx)
    }

    /// Sets the wallet that job payments go to.
    pub fn set_payout(ctx: &mut Context<SetPayout>, payout: Address) -> Result<()> {
        instructions::set_payout(ctx, payout)
    }

    /// Adds to a device's stake.
    pub fn stake(ctx: &mut Context<Stake>, amount: u64) -> Result<()> {
        instructions::stake(ctx, amount)
    }

    /// Withdraws stake above the minimum without a cooldown.
    pub fn withdraw_overflow(ctx: &mut Context<WithdrawOverflow>, amount: u64) -> Result<()> {
        instructions::withdraw_overflow(ctx, amount)
    }

    /// Starts the cooldown of the owner's whole stake.
    pub fn unstake(ctx: &mut Context<Unstake>) -> Result<()> {
        instructions::unstake(ctx)
    }

    /// Pays out a stake whose cooldown has ended.
    pub fn withdraw(ctx: &mut Context<Withdraw>) -> Result<()> {
        instructions::withdraw(ctx)
    }

    /// Retires a device permanently.
    pub fn terminate_device(ctx: &mut Context<TerminateDevice>) -> Result<()> {
        instructions::terminate_device(ctx)
    }

    /// Closes an empty, retired device and returns its rent.
    pub fn close_device(ctx: &mut Context<CloseDevice>) -> Result<()> {
        instructions::close_device(ctx)
    }

    /// Appeals against a slash.
    pub fn appeal_slash(ctx: &mut Context<AppealSlash>, answer: [u8; 32]) -> Result<()> {
        instructions::appeal_slash(ctx, answer)
    }

    /// Pays out the rewards collected so far.
    pub fn claim_rewards(ctx: &mut Context<ClaimRewards>) -> Result<()> {
        instructions::claim_rewards(ctx)
    }

    // --- worker: a device's hot key ---------------------------------------------------------------------------------------------------

    /// Answers a beacon's call.
    pub fn answer_call(ctx: &mut Context<AnswerCall>, index: u8, root: Option<[u8; 32]>) -> Result<()> {
        instructions::answer_call(ctx, index, root)
    }

    /// Records that a device was present for a whole hour.
    pub fn check_in(ctx: &mut Context<CheckIn>) -> Result<()> {
        instructions::check_in(ctx)
    }

    // --- jobs: the jobs program's authority, by CPI -----------------------------------------------------------------------------------

    /// Locks a bond for a job that the device claims.
    pub fn lock_bond(ctx: &mut Context<LockBond>, bond: u64) -> Result<()> {
        instructions::lock_bond(ctx, bond)
    }

    /// Releases the bond of a finished job.
    pub fn release_bond(ctx: &mut Context<SettleBond>, bond: u64) -> Result<()> {
        instructions::release_bond(ctx, bond)
    }

    /// Releases the bond of a missed job, less a penalty.
    pub fn slash_bond(ctx: &mut Context<SettleBond>, bond: u64, penalty: u64) -> Result<()> {
        instructions::slash_bond(ctx, bond, penalty)
    }

    /// Takes the bond of a job whose result was proved wrong: the consumer is compensated, the rest is owed.
    pub fn convict_bond(ctx: &mut Context<ConvictBond>, bond: u64, compensation: u64) -> Result<()> {
        instructions::convict_bond(ctx, bond, compensation)
    }

    /// Ends a conviction: pays the challenger and forfeits the rest of what is owed for it.
    pub fn pay_reward(ctx: &mut Context<PayReward>, reward: u64, burned: u64) -> Result<()> {
        instructions::pay_reward(ctx, reward, burned)
    }

    /// Reverses the conviction for an error that a permit excuses, and takes in its jackpot.
    pub fn pardon(ctx: &mut Context<Pardon>, returned: u64, jackpot: u64) -> Result<()> {
        instructions::pardon(ctx, returned, jackpot)
    }

    // --- costaking: the costaking program's authority, by CPI -------------------------------------------------------------------------

    /// Adds co-stake.
    pub fn add_co_stake(ctx: &mut Context<AddCoStake>, amount: u64) -> Result<()> {
        instructions::add_co_stake(ctx, amount)
    }

    /// Starts the cooldown of co-stake.
    pub fn cool_co_stake(ctx: &mut Context<ChangeCoStake>, amount: u64) -> Result<()> {
        instructions::cool_co_stake(ctx, amount)
    }

    /// Pays out co-stake that has cooled down.
    pub fn withdraw_co_stake(ctx: &mut Context<WithdrawCoStake>, shares: u64) -> Result<()> {
        instructions::withdraw_co_stake(ctx, shares)
    }

    /// Sets whether a device's rewards are shared, and whether co-stakers may join.
    pub fn set_offering(ctx: &mut Context<ChangeCoStake>, offering: u8) -> Result<()> {
        instructions::set_offering(ctx, offering)
    }

    /// Clears the record of an owner's exit once the offer has recorded it.
    pub fn take_forced(ctx: &mut Context<ChangeCoStake>) -> Result<()> {
        instructions::take_forced(ctx)
    }

    /// Collects a reward that the owner shares with co-stakers.
    pub fn collect_shared(ctx: &mut Context<CollectShared>, part: u64) -> Result<()> {
        instructions::collect_shared(ctx, part)
    }

    // --- crank: anyone ----------------------------------------------------------------------------------------------------------------

    /// Burns the stake that a device has forfeited.
    pub fn burn_forfeited(ctx: &mut Context<BurnForfeited>) -> Result<()> {
        instructions::burn_forfeited(ctx)
    }

    /// Upholds a slash whose appeal period is over: what it set aside is forfeited.
    pub fn finish_slash(ctx: &mut Context<FinishSlash>) -> Result<()> {
        instructions::finish_slash(ctx)
    }

    /// Sets aside stake that is due to a slash and no longer in bonds.
    pub fn collect_due(ctx: &mut Context<CollectDue>) -> Result<()> {
        instructions::collect_due(ctx)
    }

    /// Opens the block of the current hour.
    pub fn open_block(ctx: &mut Context<OpenBlock>, hour: i64) -> Result<()> {
        instructions::open_block(ctx, hour)
    }

    /// Opens a tally for a shard of an hour's scores.
    pub fn open_tally(ctx: &mut Context<OpenTally>, shard: u8) -> Result<()> {
        instructions::open_tally(ctx, shard)
    }

    /// Records a beacon, which calls devices.
    pub fn record_beacon(ctx: &mut Context<RecordBeacon>, index: u8) -> Result<()> {
        instructions::record_beacon(ctx, index)
    }

    /// Counts an hour's tallies and divides its block between the pools.
    pub fn settle_block(ctx: &mut Context<SettleBlock>) -> Result<()> {
        instructions::settle_block(ctx)
    }

    /// Skips an hour that has no block.
    pub fn skip_hour(ctx: &mut Context<SkipHour>) -> Result<()> {
        instructions::skip_hour(ctx)
    }

    /// Credits a device with its reward of a settled hour.
    pub fn collect_reward(ctx: &mut Context<CollectReward>) -> Result<()> {
        instructions::collect_reward(ctx)
    }

    /// Closes a tally whose rewards are all collected.
    pub fn close_tally(ctx: &mut Context<CloseTally>) -> Result<()> {
        instructions::close_tally(ctx)
    }

    /// Closes a settled block whose tallies are all closed.
    pub fn close_block(ctx: &mut Context<CloseBlock>) -> Result<()> {
        instructions::close_block(ctx)
    }
}
