use crate::error::StakingError;
use anchor_lang::prelude::*;
use protocol::units::Bps;

/// Largest reason for a slash that people decide (H1). Faults that the chain can prove are slashed by the programs instead.
pub const MAX_REASON: u8 = 3;

protocol::coded! {
    /// Where a slash stands.
    pub enum SlashStatus {
        /// One of two keys has asked for it.
        Proposed = 0,
        /// Both have: the stake is set aside.
        Approved = 1,
        /// The owner has answered.
        Appealed = 2,
    }
}

/// A slash that people decide, until its time for an appeal is over. PDA `["slash", device, number u32 le]`.
#[account]
pub struct Slash {
    /// The device that it is about.
    pub device: Address,
    /// The proposer; paid the rent and gets it back.
    pub payer: Address,
    /// Hash of the evidence.
    pub evidence: [u8; 32],
    /// Hash of the owner's answer; zero before.
    pub answer: [u8; 32],
    /// What is set aside, in $IO base units: of the owner's stake, of active and of cooling co-stake.
    pub parts: [PodU64; 3],
    /// End of the time for an appeal, unix seconds; 0 before the approval.
    pub ends_at: PodI64,
    /// The proposer's own number for it: seed of the PDA.
    pub number: PodU32,
    /// Share of what is at stake, in basis points.
    pub share_bps: PodU16,
    /// 0 spoofing, 1 data compromise, 2 inadequate service, 3 breach of utilization (H1).
    pub reason: u8,
    /// See [`SlashStatus`].
    pub status: u8,
    /// Bump of this account's PDA.
    pub bump: u8,
    /// Version of this layout: 1.
    pub version: u8,
    /// What it is still to take of the owner's stake once the bonds of jobs in progress are free, in $IO base units.
    pub due: PodU64,
    /// Whether the owner's part was taken of stake that cools down.
    pub of_cooling: PodBool,
    /// Zeros, for fields to come.
    pub reserved: [u8; 5],
}

const _: () = assert!(core::mem::size_of::<Slash>() + 8 == 192, "slashes on chain have this size");

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
        let sound = reason <= MAX_REASON && (1..=Bps::WHOLE).contains(&share_bps.into()) && evidence != [0; 32];
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

    /// Fails unless it stands at one of these.
    pub fn check_status(&self, allowed: &[SlashStatus]) -> Result<()> {
        require!(allowed.iter().any(|status| self.status == *status), StakingError::WrongSlash);
        Ok(())
    }

    /// The stake is set aside until `ends_at`, the owner's `of_cooling` stake or of active, and what is `due` will be.
    pub fn approve(&mut self, parts: [u64; 3], of_cooling: bool, due: u64, ends_at: i64) -> Result<()> {
        self.check_status(&[SlashStatus::Proposed])?;
        self.parts = parts.map(PodU64::from);
        self.of_cooling = of_cooling.into();
        self.due = due.into();
        self.ends_at = ends_at.into();
        self.status = SlashStatus::Approved as u8;
        self.invariant()
    }

    /// The owner answers, in time.
    pub fn appeal(&mut self, answer: [u8; 32], now: i64) -> Result<()> {
        self.check_status(&[SlashStatus::Approved])?;
        require!(now < self.ends_at.get(), StakingError::AppealOver);
        self.answer = answer;
        self.status = SlashStatus::Appealed as u8;
        self.invariant()
    }

    /// Fails unless the stake is set aside and its time is over, or not over, as asked.
    pub fn check_time(&self, now: i64, over: bool) -> Result<()> {
        self.check_status(&[SlashStatus::Approved, SlashStatus::Appealed])?;
        let is_over = now >= self.ends_at.get();
        require!(!is_over || over, StakingError::AppealOver);
        require!(is_over || !over, StakingError::AppealNotOver);
        Ok(())
    }

    /// `taken` of what was due is set aside too, and `left` still due.
    pub fn collect(&mut self, taken: u64, left: u64) -> Result<()> {
        let [own, _, _] = &mut self.parts;
        *own = own.checked_add(taken).ok_or(StakingError::BooksBroken)?;
        self.due = left.into();
        self.invariant()
    }

    /// It stands: returns the parts, which are not set aside any more. What is due still is.
    pub fn uphold(&mut self) -> Result<[u64; 3]> {
        let parts = self.amounts();
        require!(parts != [0; 3] || self.due.is_zero(), StakingError::DueBonded);
        self.parts = [PodU64::ZERO; 3];
        self.invariant()?;
        Ok(parts)
    }

    /// Fails while anything is set aside, or waited for.
    pub fn check_empty(&self) -> Result<()> {
        require!(self.amounts() == [0; 3] && self.due.is_zero(), StakingError::WrongSlash);
        Ok(())
    }

    /// The parts as numbers.
    pub fn amounts(&self) -> [u64; 3] {
        self.parts.map(|part| part.get())
    }

    /// It has evidence and a share; it has an end exactly when both keys have agreed, and only then something is set aside or due, and the
    /// owner answers.
    pub fn invariant(&self) -> Result<()> {
        let proposed = self.status == SlashStatus::Proposed;
        let appealed = self.status == SlashStatus::Appealed;
        let takes = self.check_empty().is_err();
        let sound = self.status <= SlashStatus::Appealed
            && self.reason <= MAX_REASON
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
