use crate::error::CostakingError;
use crate::events::ConfigChanged;
use anchor_lang::prelude::*;
use protocol::units::{Amount, Bps};

/// Shortest wait governance may set: a day, so that the hours in which an exit earned are settled by its end.
pub const MIN_WAIT: u32 = 86_400;
/// Longest wait governance may set: 30 days, as for a cooldown (K2).
pub const MAX_WAIT: u32 = 30 * 86_400;
/// Largest part of a device's minimum stake that governance may open to co-stake (K2): half.
pub const MAX_CAPACITY_BPS: u16 = 5_000;

protocol::settings! {
    /// Parameters that governance may change.
    pub struct Parameters, changed by ParameterChanges, kept in Config as parameters {
        /// Seconds for which co-stake still counts for the device after its exit is requested (E14: 7 days).
        pub wait: u32,
        /// Largest part of the minimum stake that may be co-staked, in basis points (E4: half).
        pub capacity_bps: u16,
        /// Least share of the rewards that may be offered, in basis points (E5: 5 %).
        pub min_share_bps: u16,
    }
}

impl Parameters {
    /// The published rules.
    pub const PUBLISHED: Self = Self {
        wait: 7 * 86_400,
        capacity_bps: 5_000,
        min_share_bps: 500,
    };

    /// Bounds that no authority can exceed.
    pub fn validate(&self) -> Result<()> {
        let within = (MIN_WAIT..=MAX_WAIT).contains(&self.wait)
            && (1..=MAX_CAPACITY_BPS).contains(&self.capacity_bps)
            && (1..=Bps::WHOLE).contains(&self.min_share_bps.into());
        require!(within, CostakingError::ParameterOutOfBounds);
        Ok(())
    }
}

/// The program's one config. PDA `["config"]`.
#[account]
pub struct Config {
    /// May change parameters and authorities.
    pub authority: Address,
    /// May pause; nothing else.
    pub guardian: Address,
    /// The $IO mint.
    pub mint: Address,
    /// Seconds for which co-stake still counts for the device after its exit is requested; a parameter, see [`Parameters`].
    pub wait: PodU32,
    /// Largest part of the minimum stake that may be co-staked, in basis points.
    pub capacity_bps: PodU16,
    /// Least share of the rewards that may be offered, in basis points.
    pub min_share_bps: PodU16,
    /// Whether new offers and positions are paused.
    pub paused: PodBool,
    /// Bump of this account's PDA.
    pub bump: u8,
    /// Bump of the signing PDA `["authority"]`.
    pub authority_bump: u8,
    /// Version of this layout: 1.
    pub version: u8,
    /// Zeros, for future fields.
    pub reserved: [u8; 32],
}

impl Config {
    /// Seed of the PDA.
    pub const SEED: &'static [u8] = b"config";

    /// Checks and stores the parameters.
    pub fn apply(&mut self, parameters: &Parameters) -> Result<()> {
        parameters.validate()?;
        self.write(parameters);
        Ok(())
    }

    /// The most co-stake of a device whose minimum stake is `minimum` (E4).
    pub fn most(&self, minimum: Amount) -> u64 {
        minimum.share_floor(Bps::saturating(self.capacity_bps.get())).0
    }

    /// The parameters lie within their bounds.
    pub fn invariant(&self) -> Result<()> {
        self.parameters().validate()
    }

    /// Emits the config's keys and its pause switch.
    pub fn announce(&self) {
        emit!(ConfigChanged {
            authority: self.authority,
            guardian: self.guardian,
            paused: self.paused.get()
        });
    }

    /// Fails while paused.
    pub fn check_running(&self) -> Result<()> {
        require!(!self.paused.get(), CostakingError::Paused);
        Ok(())
    }
}
