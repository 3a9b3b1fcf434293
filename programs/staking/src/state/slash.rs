use crate::error::StakingError;
use anchor_lang::prelude::*;
use protocol::units::Bps;

protocol::coded! {
    /// Why people may slash a device (H1). Faults that the chain can prove are slashed by the programs instead.
    pub enum SlashReason {
        /// The GPUs are not those registered.
        Spoofing = 0,
        /// Consumers' data was leaked or changed.
        DataCompromise = 1,
        /// Jobs were claimed and not served.
        InadequateService = 2,
        /// GPUs were used for something else while they were hired.
        BreachOfUtilization = 3,
    }
}

protocol::coded! {
    /// Stage of a slash.
    pub enum SlashStatus {
        /// Proposed by the first key.
        Proposed = 0,
        /// Approved by the second key: the stake is set aside.
        Approved = 1,
        /// The owner has appealed.
        Appealed = 2,
    }
}

/// What a slash has set aside, by where it was taken; in $IO base units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// Of the owner's stake.
    pub own: u64,
    /// Whether that stake was cooling.
    pub of_cooling: bool,
    /// Of active co-stake.
    pub co: u64,
    /// Of cooling co-stake.
    pub co_cooling: u64,
}

impl Parts {
    /// The amounts: own, active and cooling co-stake.
    pub fn amounts(&self) -> [u64; 3] {
        [self.own, self.co, self.co_cooling]
    }

    /// All that is set aside.
    pub fn sum(&self) -> Result<u64> {
        let sum = self.own.checked_add(self.co).and_then(|sum| sum.checked_add(self.co_cooling));
        sum.ok_or(StakingError::BooksBroken.into())
    }
}

/// A slash that people decide, until its appeal period is over. PDA `["slash", device, number u32 le]`.
#[account]
pub struct Slash {
    /// The device that is slashed.
    pub device: Address,
    /// The proposer, who paid the rent and gets it back.
    pub payer: Address,
    /// Hash of the evidence.
    pub evidence: [u8; 32],
    /// Hash of the owner's answer; all zero until then.
    pub answer: [u8; 32],
    /// Amounts set aside, in $IO base units: from the owner's stake, from active and from cooling co-stake.
    pub parts: [PodU64; 3],
    /// End of the appeal period, unix seconds; 0 before the approval.
    pub ends_at: PodI64,
    /// Number chosen by the proposer: seed of the PDA.
    pub number: PodU32,
    /// Share of the stake to slash, in basis points.
    pub share_bps: PodU16,
    /// 0 spoofing, 1 data compromise, 2 inadequate service, 3 breach of utilization; see [`SlashReason`].
    pub reason: u8,
    /// See [`SlashStatus`].
    pub status: u8,
    /// Bump of this account's PDA.
    pub bump: u8,
    /// Version of this layout: 1.
    pub version: u8,
    /// Amount still to be taken from the owner's stake when the bonds of jobs in progress are released, in $IO base units.
    pub due: PodU64,
    /// Whether the owner's part was taken from cooling stake.
    pub of_cooling: PodBool,
    /// Zeros, for future fields.
    pub reserved: [u8; 5],
}

const _: () = assert!(
    core::mem::size_of::<Slash>() + 8 == 192,
    "the size of slashes on chain must not change"
);

impl Slash {
    /// First seed of the PDA.
    pub const SEED: &'static [u8] = b"slash";

    /// Writes a proposal.
    pub fn propose(
        &mut self,
        device: Address,
        payer: Address,
        number: u32,
        (reason, share_bps): (u8, u16),
        evidence: [u8; 32],
        bump: u8,
    ) -> Result<()> {
        let sound = reason <= SlashReason::BreachOfUtilization && (1..=Bps::WHOLE).contains(&share_bps.into()) && evidence != [0; 32];
        require!(sound, StakingError::InvalidSlash);
        self.device = device;
        self.payer = payer;
        self.number = number.into();
        self.reason = reason;
        self.share_bps = share_bps.into();
        self.evidence = evidence;
        self.bump = bump;
        self.version = 1;
        self.invariant()
    }

    /// Fails unless the slash has one of these statuses.
    pub fn check_status(&self, allowed: &[SlashStatus]) -> Result<()> {
        require!(allowed.iter().any(|status| self.status == *status), StakingError::WrongSlash);
        Ok(())
    }

    /// Records the approval: `parts` are set aside until `ends_at`, and `due` is still to be taken.
    pub fn approve(&mut self, parts: &Parts, due: u64, ends_at: i64) -> Result<()> {
        self.check_status(&[SlashStatus::Proposed])?;
        self.parts = parts.amounts().map(PodU64::from);
        self.of_cooling = parts.of_cooling.into();
        self.due = due.into();
        self.ends_at = ends_at.into();
        self.status = SlashStatus::Approved as u8;
        self.invariant()
    }

    /// Records the owner's answer, within the appeal period.
    pub fn appeal(&mut self, answer: [u8; 32], now: i64) -> Result<()> {
        self.check_status(&[SlashStatus::Approved])?;
        require!(now < self.ends_at.get(), StakingError::AppealOver);
        self.answer = answer;
        self.status = SlashStatus::Appealed as u8;
        self.invariant()
    }

    /// Fails unless the slash is approved and may still be overturned.
    pub fn check_appealable(&self, now: i64) -> Result<()> {
        self.check_status(&[SlashStatus::Approved, SlashStatus::Appealed])?;
        require!(now < self.ends_at.get(), StakingError::AppealOver);
        Ok(())
    }

    /// Fails unless the slash is approved and its appeal period is over.
    pub fn check_final(&self, now: i64) -> Result<()> {
        self.check_status(&[SlashStatus::Approved, SlashStatus::Appealed])?;
        require!(now >= self.ends_at.get(), StakingError::AppealNotOver);
        Ok(())
    }

    /// Records that `taken` of what was due is now set aside, and `left` is still due.
    pub fn collect(&mut self, taken: u64, left: u64) -> Result<()> {
        let [own, _, _] = &mut self.parts;
        *own = own.checked_add(taken).ok_or(StakingError::BooksBroken)?;
        self.due = left.into();
        self.invariant()
    }

    /// Upholds the slash: clears the parts and returns them. What is due stays due.
    pub fn uphold(&mut self) -> Result<Parts> {
        let parts = self.parts();
        require!(parts.sum()? > 0 || self.due.is_zero(), StakingError::DueBonded);
        self.parts = [PodU64::ZERO; 3];
        self.invariant()?;
        Ok(parts)
    }

    /// Fails while anything is set aside or due.
    pub fn check_empty(&self) -> Result<()> {
        require!(self.amounts() == [0; 3] && self.due.is_zero(), StakingError::WrongSlash);
        Ok(())
    }

    /// What is set aside.
    pub fn parts(&self) -> Parts {
        let [own, co, co_cooling] = self.amounts();
        Parts {
            own,
            of_cooling: self.of_cooling.get(),
            co,
            co_cooling,
        }
    }

    /// The parts as numbers.
    pub fn amounts(&self) -> [u64; 3] {
        self.parts.map(|part| part.get())
    }

    /// It has evidence and a valid reason and share. It has an end exactly when it is approved, and only then may something be set aside or
    /// due, or the owner answer.
    pub fn invariant(&self) -> Result<()> {
        let proposed = self.status == SlashStatus::Proposed;
        let appealed = self.status == SlashStatus::Appealed;
        let takes = self.check_empty().is_err();
        let sound = self.status <= SlashStatus::Appealed
            && self.reason <= SlashReason::BreachOfUtilization
            && (1..=Bps::WHOLE).contains(&self.share_bps.get().into())
            && self.evidence != [0; 32]
            && (!takes || !proposed)
            && (self.due.is_zero() || !self.of_cooling.get())
            && self.ends_at.is_zero() == proposed
            && (appealed || self.answer == [0; 32]);
        require!(sound, StakingError::BooksBroken);
        Ok(())
    }
}
