use crate::error::JobsError;
use anchor_lang::prelude::*;
use protocol::bond::Split;
use protocol::referee::Verdict;

/// Record of a result that was proved wrong, until its challenger is paid. PDA `["conviction", job]`.
#[account]
pub struct Conviction {
    /// The convicted job.
    pub job: Address,
    /// The convicted device.
    pub device: Address,
    /// Challenger that is owed the reward: the one with the earliest seal so far.
    pub challenger: Address,
    /// Account that paid this account's rent and gets it back.
    pub payer: Address,
    /// Account that gets the job's rent. It is kept here because the escrow may be closed by then.
    pub consumer: Address,
    /// Slot in which the challenger's evidence was sealed; 0 for silence, which no evidence can overtake.
    pub sealed_slot: PodU64,
    /// What the device owes the challenger, in $IO base units.
    pub reward: PodU64,
    /// Unit with the fault; see `protocol::referee::Verdict`.
    pub unit: PodU32,
    /// Op with the fault; 0 when the fault lies above the ops.
    pub op: PodU32,
    /// Element, chunk or node with the fault; for silence, the page or chunk that was demanded.
    pub index: PodU32,
    /// How the result is wrong; see `protocol::referee::Fault`.
    pub fault: u8,
    /// For an element, its correct value, as a code.
    pub expected: u8,
    /// For an element, the value that the worker committed to, as a code.
    pub claimed: u8,
    /// Bump of this account's PDA.
    pub bump: u8,
    /// Version of this layout: 1.
    pub version: u8,
    /// What the device owes on top of the reward and will be burned, in $IO base units.
    pub burned: PodU64,
    /// Whether a permit has excused the error.
    pub pardoned: PodBool,
    /// Zeros, reserved for future fields.
    pub reserved: [u8; 23],
}

impl Conviction {
    /// First seed of the PDA.
    pub const SEED: &'static [u8] = b"conviction";

    /// Writes a new conviction.
    #[allow(clippy::too_many_arguments)]
    pub fn record(
        &mut self,
        (job, device): (Address, Address),
        (challenger, payer): (Address, Address),
        consumer: Address,
        sealed_slot: u64,
        verdict: &Verdict,
        split: &Split,
        bump: u8,
    ) {
        self.job = job;
        self.device = device;
        self.payer = payer;
        self.consumer = consumer;
        self.reward = split.reward.0.into();
        self.burned = split.burned.0.into();
        self.bump = bump;
        self.version = 1;
        self.attribute(challenger, sealed_slot, verdict);
    }

    /// Transfers the reward to a challenger whose evidence was sealed in an earlier slot.
    pub fn overtake(&mut self, challenger: Address, sealed_slot: u64, verdict: &Verdict) -> Result<()> {
        require!(sealed_slot < self.sealed_slot.get(), JobsError::SealNotEarlier);
        self.attribute(challenger, sealed_slot, verdict);
        Ok(())
    }

    /// Treats the conviction as an error by permit, once: burns nothing and adds the jackpot to the reward. Returns what would have been
    /// burned.
    pub fn pardon(&mut self, jackpot: u64) -> Result<u64> {
        // A permit that was closed after it was opened may be issued again under the same seal.
        require!(!self.pardoned.get(), JobsError::NotByPermit);
        self.pardoned = true.into();
        let returned = self.burned.get();
        self.burned = PodU64::ZERO;
        self.reward = self.reward.checked_add(jackpot).ok_or(JobsError::BooksBroken)?;
        Ok(returned)
    }

    fn attribute(&mut self, challenger: Address, sealed_slot: u64, verdict: &Verdict) {
        self.challenger = challenger;
        self.sealed_slot = sealed_slot.into();
        self.unit = verdict.unit.into();
        self.op = verdict.op.into();
        self.index = verdict.index.into();
        self.fault = verdict.fault as u8;
        self.expected = verdict.expected;
        self.claimed = verdict.claimed;
    }
}
