use crate::error::StakingError;
use crate::events::ConfigChanged;
use anchor_lang::prelude::*;
use protocol::stake;
use protocol::units::{Amount, IO};

/// Longest cooldown governance may set (K2): 30 days.
pub const MAX_COOLDOWN: u32 = 30 * 86_400;
/// Longest grace period, probation or appeal period: 90 days, so that a typo cannot freeze the market.
pub const MAX_DELAY: u32 = 90 * 86_400;
/// Shortest appeal period: a fortnight, since the authority that decides may have to hold a vote.
pub const MIN_APPEAL: u32 = 14 * 86_400;
/// Largest base stake: 1,000,000 $IO. With multiplier 655.35 and 8 GPUs the minimum is 5.3e17 base units, within 64 bits.
pub const MAX_BASE_STAKE: u64 = 1_000_000 * IO;

protocol::settings! {
    /// Parameters that governance may change.
    pub struct Parameters, changed by ParameterChanges, kept in StakingConfig as parameters {
        /// Stake per GPU at multiplier 1.00, in base units (C1: 200 $IO).
        pub base_stake: u64,
        /// Seconds from unstaking to withdrawal (D2: 14 days).
        pub cooldown: u32,
        /// Seconds before a raised multiplier or base stake raises the minimum stake (C3: 30 days).
        pub raise_grace: u32,
        /// Seconds a new device waits before it may take jobs (B6: 12 hours).
        pub probation: u32,
        /// Seconds in which a slash may be appealed and overturned (H5: 30 days).
        pub appeal: u32,
    }
}

impl Parameters {
    /// The published rules.
    pub const PUBLISHED: Self = Self {
        base_stake: stake::BASE_STAKE.0,
        cooldown: 14 * 86_400,
        raise_grace: 30 * 86_400,
        probation: 43_200,
        appeal: 30 * 86_400,
    };

    /// Bounds that no authority can exceed.
    pub fn validate(&self) -> Result<()> {
        let within = (1..=MAX_BASE_STAKE).contains(&self.base_stake)
            && self.cooldown <= MAX_COOLDOWN
            && self.raise_grace <= MAX_DELAY
            && self.probation <= MAX_DELAY
            && (MIN_APPEAL..=MAX_DELAY).contains(&self.appeal);
        require!(within, StakingError::ParameterOutOfBounds);
        Ok(())
    }
}

/// The program's one config. PDA `["config"]`.
#[account]
pub struct StakingConfig {
    /// May change parameters, authorities and the GPU table.
    pub authority: Address,
    /// May pause; nothing else.
    pub guardian: Address,
    /// The one program address that may move bonds: the jobs program's `["authority"]`.
    pub jobs_authority: Address,
    /// The $IO mint.
    pub mint: Address,
    /// Stake per GPU at multiplier 1.00, in $IO base units; a parameter, see [`Parameters`].
    pub base_stake: PodU64,
    /// Seconds from unstaking to withdrawal.
    pub cooldown: PodU32,
    /// Seconds before a raised multiplier or base stake raises the minimum stake.
    pub raise_grace: PodU32,
    /// Seconds a new device waits before it may take jobs.
    pub probation: PodU32,
    /// Whether new devices and stakes are paused.
    pub paused: PodBool,
    /// Bump of this account's PDA.
    pub bump: u8,
    /// Version of this layout: 1.
    pub version: u8,
    /// The one program address that may move co-stake: the costaking program's `["authority"]`.
    pub costaking_authority: Address,
    /// Proposes slashes, with evidence; nothing else.
    pub slash_proposer: Address,
    /// Approves what the other proposed; nothing else.
    pub slash_approver: Address,
    /// Seconds in which a slash may be appealed and overturned.
    pub appeal: PodU32,
    /// The base stake that minimum stakes followed when it last changed, in $IO base units.
    pub base_before: PodU64,
    /// When a raised base stake raises the minimum stake (C3), unix seconds; 0 if it never changed.
    pub base_raise_at: PodI64,
    /// Zeros, for future fields.
    pub reserved: [u8; 12],
}

const _: () = assert!(
    core::mem::size_of::<StakingConfig>() + 8 == 287,
    "the size of the config on chain must not change"
);

impl StakingConfig {
    /// Seed of the PDA.
    pub const SEED: &'static [u8] = b"config";

    /// Checks and stores the parameters; all of them take effect at once.
    pub fn apply(&mut self, parameters: &Parameters) -> Result<()> {
        parameters.validate()?;
        self.write(parameters);
        Ok(())
    }

    /// Checks and stores the parameters; a raised base stake raises the minimum stake only after the grace period in force until `now`
    /// (C3).
    pub fn change(&mut self, parameters: &Parameters, now: i64) -> Result<()> {
        if parameters.base_stake != self.base_stake.get() {
            // The requirement in force stays: a second raise within the grace period must not bring the first one forward.
            self.base_before = self.required_base(now).0.into();
            self.base_raise_at = now.saturating_add(self.raise_grace.get().into()).into();
        }
        self.apply(parameters)
    }

    /// The base stake that the minimum stake follows at `now`.
    pub fn required_base(&self, now: i64) -> Amount {
        let base = stake::required(self.base_stake.get(), self.base_before.get(), self.base_raise_at.get(), now);
        Amount(base)
    }

    /// The parameters lie within their bounds.
    pub fn invariant(&self) -> Result<()> {
        self.parameters().validate()
    }

    /// Emits the config's replaceable keys and its pause switch.
    pub fn announce(&self) {
        emit!(ConfigChanged {
            authority: self.authority,
            guardian: self.guardian,
            slash_proposer: self.slash_proposer,
            slash_approver: self.slash_approver,
            paused: self.paused.get()
        });
    }

    /// Fails while paused.
    pub fn check_running(&self) -> Result<()> {
        require!(!self.paused.get(), StakingError::Paused);
        Ok(())
    }
}
