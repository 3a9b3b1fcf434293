use crate::error::JobsError;
use crate::state::Job;
use anchor_lang::prelude::*;
use protocol::hash::Hash;
use protocol::permit;
use protocol::trace;
use protocol::units::Bps;

/// Permission for one device to err once, in a job that the permit's secret draws; see `protocol::permit`. PDA `["permit", device]`.
///
/// Its vault (token account `["vault", permit]`) holds the jackpot.
#[account]
pub struct Permit {
    /// The device that may err.
    pub device: Address,
    /// Account that paid the rents and gets them back.
    pub payer: Address,
    /// Seal of the secret; zero once the permit was opened.
    pub seal: [u8; 32],
    /// What the challenger of an error gets on top of its reward, in $IO base units; zero once paid.
    pub jackpot: PodU64,
    /// Share of the device's jobs that are drawn, in basis points.
    pub rate_bps: PodU16,
    /// Bump of this account's PDA.
    pub bump: u8,
    /// Bump of the vault's PDA.
    pub vault_bump: u8,
    /// Version of this layout: 1.
    pub version: u8,
    /// Zeros, reserved for future fields.
    pub reserved: [u8; 27],
}

impl Permit {
    /// First seed of the PDA.
    pub const SEED: &'static [u8] = b"permit";
    /// First seed of the vault's PDA.
    pub const VAULT_SEED: &'static [u8] = b"vault";

    /// Writes a new permit; fails without a seal or a jackpot, and for a rate of zero or above the whole.
    pub fn issue(
        &mut self,
        device: Address,
        payer: Address,
        seal: Hash,
        rate_bps: u16,
        jackpot: u64,
        (bump, vault_bump): (u8, u8),
    ) -> Result<()> {
        let sound = seal != [0; 32] && (1..=Bps::WHOLE).contains(&rate_bps.into()) && jackpot > 0;
        require!(sound, JobsError::InvalidPermit);
        self.device = device;
        self.payer = payer;
        self.seal = seal;
        self.rate_bps = rate_bps.into();
        self.jackpot = jackpot.into();
        self.bump = bump;
        self.vault_bump = vault_bump;
        self.version = 1;
        self.invariant()
    }

    /// Opens the permit with its secret; fails unless the job's result was committed to as an error that the permit allows. An opened
    /// permit excuses no other error.
    pub fn open(&mut self, job: &Job, secret: &Hash) -> Result<()> {
        require!(self.device == job.device, JobsError::AccountMismatch);
        let party = self.device.as_array();
        require!(permit::seal(party, secret) == self.seal, JobsError::WrongSecret);
        let result = trace::result(&job.job_hash, party, &job.traces, &job.outputs);
        let committed = trace::commit(&result, party, &permit::nonce(secret, &job.job_hash)) == job.commitment;
        let drawn = permit::is_drawn(secret, &job.job_hash, Bps::saturating(self.rate_bps.get()));
        require!(committed && drawn && self.may_excuse(job), JobsError::NotByPermit);
        self.seal = [0; 32];
        Ok(())
    }

    /// Whether the permit may excuse an error in this job, as far as anybody can tell without the secret.
    pub fn may_excuse(&self, job: &Job) -> bool {
        self.seal != [0; 32] && self.device == job.device && job.may_be_excused()
    }

    /// Sets the jackpot to zero and returns it.
    pub fn pay_jackpot(&mut self) -> u64 {
        let jackpot = self.jackpot.get();
        self.jackpot = PodU64::ZERO;
        jackpot
    }

    /// Fails unless the rate is at most the whole and a sealed permit has a jackpot.
    pub fn invariant(&self) -> Result<()> {
        let sealed = self.seal != [0; 32];
        let sound = u64::from(self.rate_bps.get()) <= Bps::WHOLE && (!sealed || !self.jackpot.is_zero());
        require!(sound, JobsError::BooksBroken);
        Ok(())
    }
}
