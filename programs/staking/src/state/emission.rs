use crate::error::StakingError;
use anchor_lang::prelude::*;
use protocol::emission::{self, BLOCK_SECONDS, Hour};
use protocol::score::Weights;
use protocol::units::{Amount, Bps};

/// Longest time for an answer: until the next beacon.
pub const MAX_ANSWER: u16 = 300;
/// Longest presence that may be required before an hour is paid: a week.
pub const MAX_UPTIME: u32 = 7 * 86_400;
/// Most tallies of an hour. The number fits one byte, and each tally adds 12 million compute units of check-ins a slot.
pub const MAX_SHARDS: u8 = 64;

protocol::settings! {
    /// How an hour's block is divided, as set by the authority.
    pub struct RewardRules, changed by RewardRuleChanges, kept in Emission as rules {
        /// Presence required before an hour for it to be paid, in seconds (F2: more than 5 hours).
        pub min_uptime: u32,
        /// Seconds in which a call must be answered.
        pub answer_seconds: u16,
        /// Share of devices that a beacon calls, in basis points.
        pub call_bps: u16,
        /// The enterprise pool's share of the block, in basis points; the rest is the community's (G3).
        pub enterprise_bps: u16,
        /// Score points per GPU and hundredth of its multiplier; see `protocol::score::Weights` (G1, G2).
        pub multiplier_weight: u16,
        /// Score points per connectivity tier.
        pub tier_weight: u16,
        /// Score points for working on a job.
        pub hired_weight: u16,
        /// Tallies that an hour's scores are summed in.
        pub shards: u8,
    }
}

impl RewardRules {
    /// The published rules, and our own values where none are published: each of the twelve beacons calls a sixth of the devices, so that a
    /// device is called twice an hour on average.
    pub const PUBLISHED: Self = Self {
        min_uptime: 18_000,
        answer_seconds: 60,
        call_bps: 1_667,
        enterprise_bps: 9_500,
        multiplier_weight: Weights::PUBLISHED.multiplier,
        tier_weight: Weights::PUBLISHED.tier,
        hired_weight: Weights::PUBLISHED.hired,
        shards: 1,
    };

    /// Bounds that no authority can exceed.
    pub fn validate(&self) -> Result<()> {
        let within = self.min_uptime <= MAX_UPTIME
            && (1..=MAX_ANSWER).contains(&self.answer_seconds)
            && u64::from(self.call_bps) <= Bps::WHOLE
            && u64::from(self.enterprise_bps) <= Bps::WHOLE
            && self.multiplier_weight > 0
            && (1..=MAX_SHARDS).contains(&self.shards);
        require!(within, StakingError::ParameterOutOfBounds);
        Ok(())
    }
}

/// The emission for suppliers, hour by hour. PDA `["emission"]`.
///
/// Its vault (token account `["vault", emission]`) is funded in advance; this program mints nothing. It holds the rewards owed to devices
/// and all future emission.
#[account]
pub struct Emission {
    /// Sets connectivity tiers; nothing else.
    pub verifier: Address,
    /// Start of the next hour to settle, unix seconds.
    pub next_hour: PodI64,
    /// Rewards settled and not paid out yet, in $IO base units, including the dust of rounding (A9).
    pub owed: PodU64,
    /// First month, counted from January 1970.
    pub genesis_month: PodU32,
    /// Presence required before an hour for it to be paid, in seconds; a rule in force, see [`RewardRules`].
    pub min_uptime: PodU32,
    /// Seconds in which a call must be answered.
    pub answer_seconds: PodU16,
    /// Share of devices that a beacon calls, in basis points.
    pub call_bps: PodU16,
    /// The enterprise pool's share of a block, in basis points.
    pub enterprise_bps: PodU16,
    /// Score points per GPU and hundredth of its multiplier.
    pub multiplier_weight: PodU16,
    /// Score points per connectivity tier.
    pub tier_weight: PodU16,
    /// Score points for working on a job.
    pub hired_weight: PodU16,
    /// Tallies that an hour's scores are summed in.
    pub shards: u8,
    /// Bump of this account's PDA.
    pub bump: u8,
    /// Bump of the vault's PDA.
    pub vault_bump: u8,
    /// Version of this layout: 1.
    pub version: u8,
    /// Zeros, for future fields.
    pub reserved: [u8; 32],
}

impl Emission {
    /// Seed of the PDA.
    pub const SEED: &'static [u8] = b"emission";
    /// First seed of the vault's PDA.
    pub const VAULT_SEED: &'static [u8] = b"vault";

    /// Starts the emission with the hour that begins at `genesis`.
    pub fn start(&mut self, genesis: i64, rules: &RewardRules, verifier: Address, (bump, vault_bump): (u8, u8)) -> Result<()> {
        let hour = Hour::of(genesis).ok_or(StakingError::NoSuchHour)?;
        self.genesis_month = hour.month.into();
        self.next_hour = genesis.into();
        self.bump = bump;
        self.vault_bump = vault_bump;
        self.version = 1;
        self.apply(rules, verifier)
    }

    /// Stores rules and verifier; open blocks keep the rules they were opened with (K3).
    pub fn apply(&mut self, rules: &RewardRules, verifier: Address) -> Result<()> {
        self.verifier = verifier;
        self.write(rules);
        self.invariant()
    }

    /// Moves on to the next hour (A7).
    pub fn advance(&mut self) {
        self.next_hour = self.next_hour.get().saturating_add(BLOCK_SECONDS).into();
    }

    /// Emission of the hour's block: the table's value, but at most what is not owed yet of the vault's `funds`.
    pub fn block(&self, hour: i64, funds: u64) -> Result<Amount> {
        let hour = Hour::of(hour).ok_or(StakingError::NoSuchHour)?;
        let left = funds.saturating_sub(self.owed.get());
        Ok(emission::block(self.genesis_month.get(), hour).min(Amount(left)))
    }

    /// Books `amount` as owed to devices.
    pub fn owe(&mut self, amount: u64) -> Result<()> {
        self.owed = self.owed.checked_add(amount).ok_or(StakingError::BooksBroken)?;
        self.invariant()
    }

    /// Books `amount` as paid out.
    pub fn pay(&mut self, amount: u64) -> Result<()> {
        self.owed = self.owed.checked_sub(amount).ok_or(StakingError::BooksBroken)?;
        self.invariant()
    }

    /// The rules lie within their bounds, and hours begin on the hour.
    pub fn invariant(&self) -> Result<()> {
        require!(emission::number(self.next_hour.get()).is_some(), StakingError::BooksBroken);
        self.rules().validate()
    }
}
