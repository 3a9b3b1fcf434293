use crate::error::GovernanceError;
use anchor_lang::prelude::*;
use protocol::ballot::{KINDS, Kind, MAX_VOTING};
use protocol::units::{Bps, IO};

const DAY: u32 = 86_400;
/// Bounds of the quorum: 1 % and 20 % of the circulating supply. A quorum that nobody reaches would end governance permanently.
pub const QUORUM_BPS: core::ops::RangeInclusive<u16> = 100..=2_000;
/// Bounds of the approval: half and four fifths of the votes, so that a fifth cannot block everything.
pub const APPROVAL_BPS: core::ops::RangeInclusive<u16> = 5_000..=8_000;
/// Bounds of the share of vetoes that ends a proposal: a quarter and a half of all votes.
pub const VETO_BPS: core::ops::RangeInclusive<u16> = 2_500..=5_000;
/// Shortest and longest vote: a day and 30 days.
pub const VOTING: core::ops::RangeInclusive<u32> = DAY..=30 * DAY;
/// Longest timelock, and the longest time to execute: 30 days.
pub const MAX_TIMELOCK: u32 = 30 * DAY;
/// Shortest timelock by kind. A guardian may be replaced at once. Code and authorities change only after everything in progress has ended:
/// a challenge window lasts at most a week, its demands and an award hours more. By then an owner has had the time to leave, too, since its
/// cooldown, as published, is over.
pub const MIN_TIMELOCK: [u32; KINDS] = [0, DAY, DAY, MIN_UPGRADE_TIMELOCK];
const MIN_UPGRADE_TIMELOCK: u32 = 14 * DAY;
/// Largest deposit: 100,000 $IO.
pub const MAX_DEPOSIT: u64 = 100_000 * IO;
/// Longest term of a guardian: a year.
pub const MAX_TERM: i64 = 366 * DAY as i64;

// Vetoes are accepted until a timelock ends, so stake must remember its age for that long.
const _: () = assert!(*VOTING.end() + MAX_TIMELOCK <= MAX_VOTING);
const _: () = assert!(MIN_UPGRADE_TIMELOCK > jobs::state::MAX_DURATION + 2 * DAY);

/// Rules of voting. Arrays are indexed by `protocol::ballot::Kind`: guardian, parameter, treasury, upgrade.
#[derive(Clone, Copy, Debug, PartialEq, Eq, AnchorSerialize, AnchorDeserialize, IdlType)]
pub struct Rules {
    /// Quorum: votes needed, in basis points of the $IO that circulates when the vote opens.
    pub quorum_bps: [u16; 4],
    /// Share of yes among yes, no and veto, in basis points.
    pub approval_bps: [u16; 4],
    /// Timelock: seconds from the end of the vote until the proposal may be executed.
    pub timelock: [u32; 4],
    /// Seconds of voting.
    pub voting: u32,
    /// Seconds after the timelock in which the proposal may be executed.
    pub expiry: u32,
    /// Share of vetoes among all votes that ends a proposal and burns its deposit, in basis points.
    pub veto_bps: u16,
    /// Deposit that a proposer pays until the proposal has ended, in $IO base units.
    pub deposit: u64,
}

impl Rules {
    /// The published values (K4 and K1), and our own where nothing is published.
    pub const PUBLISHED: Self = Self {
        quorum_bps: [500, 1_000, 1_000, 1_000],
        approval_bps: [5_000, 5_000, 5_000, 6_667],
        timelock: [0, 2 * DAY, 2 * DAY, 14 * DAY],
        voting: 7 * DAY,
        expiry: 14 * DAY,
        veto_bps: 3_334,
        deposit: 1_000 * IO,
    };

    /// Fails for values outside the bounds, which governance cannot change.
    pub fn validate(&self) -> Result<()> {
        let timelocks = self.timelock.iter().zip(MIN_TIMELOCK);
        let within = self.quorum_bps.iter().all(|share| QUORUM_BPS.contains(share))
            && self.approval_bps.iter().all(|share| APPROVAL_BPS.contains(share))
            && VETO_BPS.contains(&self.veto_bps)
            && timelocks.into_iter().all(|(lock, least)| (least..=MAX_TIMELOCK).contains(lock))
            && VOTING.contains(&self.voting)
            && (DAY..=MAX_TIMELOCK).contains(&self.expiry)
            && self.deposit <= MAX_DEPOSIT;
        require!(within, GovernanceError::RuleOutOfBounds);
        Ok(())
    }
}

/// Changes of the rules; `None` leaves a rule as it is, separately for each element of an array.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, AnchorSerialize, AnchorDeserialize, IdlType)]
pub struct RuleChanges {
    /// Quorum: votes needed, in basis points of the $IO that circulates when the vote opens.
    pub quorum_bps: [Option<u16>; 4],
    /// Share of yes among yes, no and veto, in basis points.
    pub approval_bps: [Option<u16>; 4],
    /// Timelock: seconds from the end of the vote until the proposal may be executed.
    pub timelock: [Option<u32>; 4],
    /// Seconds of voting.
    pub voting: Option<u32>,
    /// Seconds after the timelock in which the proposal may be executed.
    pub expiry: Option<u32>,
    /// Share of vetoes among all votes that ends a proposal and burns its deposit, in basis points.
    pub veto_bps: Option<u16>,
    /// Deposit that a proposer pays until the proposal has ended, in $IO base units.
    pub deposit: Option<u64>,
}

impl RuleChanges {
    /// The rules that result from these changes to `now`.
    pub fn over(&self, now: &Rules) -> Rules {
        fn each<T: Copy>(changes: &[Option<T>; KINDS], mut now: [T; KINDS]) -> [T; KINDS] {
            for (now, change) in now.iter_mut().zip(changes) {
                *now = change.unwrap_or(*now);
            }
            now
        }
        Rules {
            quorum_bps: each(&self.quorum_bps, now.quorum_bps),
            approval_bps: each(&self.approval_bps, now.approval_bps),
            timelock: each(&self.timelock, now.timelock),
            voting: self.voting.unwrap_or(now.voting),
            expiry: self.expiry.unwrap_or(now.expiry),
            veto_bps: self.veto_bps.unwrap_or(now.veto_bps),
            deposit: self.deposit.unwrap_or(now.deposit),
        }
    }
}

impl From<Rules> for RuleChanges {
    /// Sets all rules.
    fn from(all: Rules) -> Self {
        Self {
            quorum_bps: all.quorum_bps.map(Some),
            approval_bps: all.approval_bps.map(Some),
            timelock: all.timelock.map(Some),
            voting: Some(all.voting),
            expiry: Some(all.expiry),
            veto_bps: Some(all.veto_bps),
            deposit: Some(all.deposit),
        }
    }
}

/// The program's only config. PDA `["config"]`; signs for the token account `["deposits"]`.
#[account]
pub struct Config {
    /// The PDA `["authority"]`, which signs the instructions of proposals.
    pub authority: Address,
    /// May pause the other programs until `guardian_until`.
    pub guardian: Address,
    /// End of the guardian's term, unix seconds.
    pub guardian_until: PodI64,
    /// The $IO mint.
    pub mint: Address,
    /// Token account that holds rewards not paid yet, which do not circulate.
    pub emission_vault: Address,
    /// Number of proposals so far, which is also the next one's number.
    pub proposals: PodU64,
    /// Sum of the deposits held, in $IO base units.
    pub deposits: PodU64,
    /// Deposit that a proposer pays until the proposal has ended, in $IO base units; a rule in force, see [`Rules`].
    pub deposit: PodU64,
    /// Quorum by kind, in basis points of what circulates.
    pub quorum_bps: [PodU16; 4],
    /// Share of yes among yes, no and veto by kind, in basis points.
    pub approval_bps: [PodU16; 4],
    /// Timelock by kind: seconds from the end of the vote until a proposal may be executed.
    pub timelock: [PodU32; 4],
    /// Seconds of voting.
    pub voting: PodU32,
    /// Seconds after the timelock in which the proposal may be executed.
    pub expiry: PodU32,
    /// Share of vetoes among all votes that ends a proposal, in basis points.
    pub veto_bps: PodU16,
    /// Bump of this account's PDA.
    pub bump: u8,
    /// Bump of the PDA `["authority"]`.
    pub authority_bump: u8,
    /// Bump of the PDA `["purse"]`, which pays the rent of accounts that proposals create.
    pub purse_bump: u8,
    /// Bump of the PDA `["guardian"]`, the guardian of the other programs.
    pub guardian_bump: u8,
    /// Bump of the token account `["deposits"]`.
    pub deposits_bump: u8,
    /// Version of this layout: 1.
    pub version: u8,
    /// Zeros, reserved for future fields.
    pub reserved: [u8; 32],
}

impl Config {
    /// Seed of the PDA.
    pub const SEED: &'static [u8] = b"config";
    /// Seed of the token account of deposits.
    pub const DEPOSITS_SEED: &'static [u8] = b"deposits";

    /// Validates the rules and stores them.
    pub fn apply(&mut self, rules: &Rules) -> Result<()> {
        rules.validate()?;
        self.quorum_bps = rules.quorum_bps.map(Into::into);
        self.approval_bps = rules.approval_bps.map(Into::into);
        self.timelock = rules.timelock.map(Into::into);
        self.voting = rules.voting.into();
        self.expiry = rules.expiry.into();
        self.veto_bps = rules.veto_bps.into();
        self.deposit = rules.deposit.into();
        Ok(())
    }

    /// The rules in force.
    pub fn rules(&self) -> Rules {
        Rules {
            quorum_bps: self.quorum_bps.map(|share| share.get()),
            approval_bps: self.approval_bps.map(|share| share.get()),
            timelock: self.timelock.map(|seconds| seconds.get()),
            voting: self.voting.get(),
            expiry: self.expiry.get(),
            veto_bps: self.veto_bps.get(),
            deposit: self.deposit.get(),
        }
    }

    /// Sets a guardian for a term that ends within a year of `now`.
    pub fn set_guardian(&mut self, guardian: Address, until: i64, now: i64) -> Result<()> {
        require!(until <= now.saturating_add(MAX_TERM), GovernanceError::RuleOutOfBounds);
        self.guardian = guardian;
        self.guardian_until = until.into();
        Ok(())
    }

    /// Counts a new proposal and returns its number.
    pub fn count_proposal(&mut self) -> Result<u64> {
        let index = self.proposals.get();
        self.proposals = self.proposals.checked_add(1).ok_or(GovernanceError::BooksBroken)?;
        Ok(index)
    }

    /// Votes that a proposal of this kind needs when `circulating` base units circulate; at least one.
    pub fn quorum(&self, kind: Kind, circulating: u64) -> Result<u64> {
        let share = self.quorum_bps.get(kind as usize).ok_or(GovernanceError::BooksBroken)?;
        let share = Bps::saturating(share.get());
        Ok(protocol::units::Amount(circulating).share_ceil(share).0.max(1))
    }

    /// Adds a deposit to the sum held.
    pub fn take_deposit(&mut self, amount: u64) -> Result<()> {
        self.deposits = self.deposits.checked_add(amount).ok_or(GovernanceError::BooksBroken)?;
        Ok(())
    }

    /// Takes a deposit from the sum held.
    pub fn release_deposit(&mut self, amount: u64) -> Result<()> {
        self.deposits = self.deposits.checked_sub(amount).ok_or(GovernanceError::BooksBroken)?;
        Ok(())
    }

    /// Fails unless the rules lie within their bounds.
    pub fn invariant(&self) -> Result<()> {
        self.rules().validate()
    }
}
