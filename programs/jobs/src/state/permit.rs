use crate::error::JobsError;
use crate::state::{Config, Job};
use anchor_lang::prelude::*;
use core::slice;
use protocol::hash::Hash;
use protocol::permit;
use protocol::trace;
use protocol::units::{Amount, Bps};

/// Permission for one device, which the seal hides, to err once in a job that the permit's secret draws; see `protocol::permit`. PDA
/// `["permit", seal]`.
///
/// Its vault (token account `["vault", permit]`) holds the jackpot.
#[account]
pub struct Permit {
    /// Account that paid the rents and gets them back.
    pub payer: Address,
    /// Seal of the device and the secret.
    pub seal: [u8; 32],
    /// Most that the challenger of an error gets on top of its reward, in $IO base units; after that, what is left of it.
    pub jackpot: PodU64,
    /// Prices of the wrong job, less audits (`protocol::permit::kept`), that its challenger gets, as far as the jackpot reaches.
    pub multiple: PodU16,
    /// Share of the device's jobs that are drawn, in basis points.
    pub rate_bps: PodU16,
    /// Whether the permit was opened: it excuses no other error.
    pub opened: PodBool,
    /// Bump of this account's PDA.
    pub bump: u8,
    /// Bump of the vault's PDA.
    pub vault_bump: u8,
    /// Version of this layout: 1.
    pub version: u8,
    /// Zeros, reserved for future fields.
    pub reserved: [u8; 24],
}

impl Permit {
    /// First seed of the PDA.
    pub const SEED: &'static [u8] = b"permit";
    /// First seed of the vault's PDA.
    pub const VAULT_SEED: &'static [u8] = b"vault";

    /// Seeds with which the permit signs for its vault.
    pub fn seeds(&self) -> [&[u8]; 3] {
        [Self::SEED, &self.seal, slice::from_ref(&self.bump)]
    }

    /// Writes a new permit; fails without a multiple or a jackpot, and for a rate of zero or above the whole.
    pub fn issue(
        &mut self,
        payer: Address,
        seal: Hash,
        rate_bps: u16,
        multiple: u16,
        jackpot: u64,
        (bump, vault_bump): (u8, u8),
    ) -> Result<()> {
        let sound = (1..=Bps::WHOLE).contains(&rate_bps.into()) && multiple > 0 && jackpot > 0;
        require!(sound, JobsError::InvalidPermit);
        self.payer = payer;
        self.seal = seal;
        self.rate_bps = rate_bps.into();
        self.multiple = multiple.into();
        self.jackpot = jackpot.into();
        self.bump = bump;
        self.vault_bump = vault_bump;
        self.version = 1;
        self.invariant()
    }

    /// Opens the permit with its secret; fails unless the job's result was committed to as an error that the permit allows. An opened
    /// permit excuses no other error, and no longer counts.
    pub fn open(&mut self, config: &mut Config, job: &Job, secret: &Hash) -> Result<()> {
        let party = job.device.as_array();
        let sealed = !self.opened.get() && permit::seal(party, secret) == self.seal;
        require!(sealed, JobsError::WrongSecret);
        let result = trace::result(&job.job_hash, party, &job.traces, &job.outputs);
        let committed = trace::commit(&result, party, &permit::nonce(secret, &job.job_hash)) == job.commitment;
        require!(committed && self.allows(job, secret), JobsError::NotByPermit);
        self.opened = true.into();
        config.remove_permit()
    }

    /// Whether the device errs in this job, which is claimed: the secret draws it, and the permit covers its price and bond.
    pub fn allows(&self, job: &Job, secret: &Hash) -> bool {
        let covers = |kept| permit::covers(kept, self.multiple.get(), Amount(job.bond.get()));
        let drawn = permit::is_drawn(secret, &job.job_hash, Bps::saturating(self.rate_bps.get()));
        drawn && job.may_be_excused() && job.kept_price().is_ok_and(covers)
    }

    /// Takes what finding the error in this job is worth out of the jackpot, and returns it.
    pub fn pay(&mut self, job: &Job) -> Result<u64> {
        let jackpot = Amount(self.jackpot.get());
        let prize = permit::prize(job.kept_price()?, self.multiple.get(), jackpot);
        self.jackpot = jackpot.saturating_sub(prize).0.into();
        Ok(prize.0)
    }

    /// Fails unless the rate is at most the whole and a sealed permit has a jackpot.
    pub fn invariant(&self) -> Result<()> {
        let sound = u64::from(self.rate_bps.get()) <= Bps::WHOLE && (self.opened.get() || !self.jackpot.is_zero());
        require!(sound, JobsError::BooksBroken);
        Ok(())
    }
}
