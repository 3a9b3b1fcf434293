use crate::error::JobsError;
use crate::events::{EscrowMove, EscrowMoved};
use crate::state::Job;
use anchor_lang::prelude::*;
use core::slice;
use protocol::fees::Quote;

/// A consumer's money in one mint. PDA `["escrow", owner, mint]`.
///
/// Its vault (token account `["vault", escrow]`) holds `free + locked + fees`, and whatever else somebody sent to it. Only the owner can
/// withdraw `free`; only the outcome of a job moves `locked`; no other key can take either.
#[account]
pub struct Escrow {
    /// The consumer's wallet.
    pub owner: Address,
    /// Mint of all its balances.
    pub mint: Address,
    /// Available to withdraw or to lock for a job, in base units of the mint.
    pub free: PodU64,
    /// Highest possible cost of all jobs in progress, in base units of the mint.
    pub locked: PodU64,
    /// Owed to the treasury and the burn, in base units of the mint.
    pub fees: PodU64,
    /// Number of jobs that money is locked for.
    pub open_jobs: PodU32,
    /// Bump of this account's PDA.
    pub bump: u8,
    /// Bump of the vault's PDA.
    pub vault_bump: u8,
    /// Version of this layout: 1.
    pub version: u8,
    /// Zeros, reserved for future fields.
    pub reserved: [u8; 32],
}

impl Escrow {
    /// First seed of the PDA.
    pub const SEED: &'static [u8] = b"escrow";
    /// First seed of the vault's PDA.
    pub const VAULT_SEED: &'static [u8] = b"vault";

    /// Seeds with which the escrow signs for its vault.
    pub fn seeds(&self) -> [&[u8]; 4] {
        [Self::SEED, self.owner.as_ref(), self.mint.as_ref(), slice::from_ref(&self.bump)]
    }

    /// Least balance that the vault must hold.
    pub fn total(&self) -> Result<u64> {
        let parts = [self.free, self.locked, self.fees];
        parts
            .iter()
            .try_fold(0u64, |sum, part| sum.checked_add(part.get()))
            .ok_or(JobsError::BooksBroken.into())
    }

    /// Fails unless money is locked exactly while jobs are in progress.
    pub fn invariant(&self) -> Result<()> {
        self.total()?;
        require!(self.locked.is_zero() == self.open_jobs.is_zero(), JobsError::BooksBroken);
        Ok(())
    }

    /// Adds to the free balance.
    pub fn deposit(&mut self, amount: u64) -> Result<()> {
        require!(amount > 0, JobsError::ZeroAmount);
        self.free = self.free.checked_add(amount).ok_or(JobsError::BooksBroken)?;
        self.invariant()
    }

    /// Takes from the free balance.
    pub fn withdraw(&mut self, amount: u64) -> Result<()> {
        require!(amount > 0, JobsError::ZeroAmount);
        self.free = self.free.checked_sub(amount).ok_or(JobsError::InsufficientEscrow)?;
        self.invariant()
    }

    /// Locks a job's highest possible cost.
    pub fn lock(&mut self, amount: u64) -> Result<()> {
        self.free = self.free.checked_sub(amount).ok_or(JobsError::InsufficientEscrow)?;
        self.locked = self.locked.checked_add(amount).ok_or(JobsError::BooksBroken)?;
        self.open_jobs = self.open_jobs.checked_add(1).ok_or(JobsError::BooksBroken)?;
        self.invariant()
    }

    /// Returns a job's whole lock to the free balance of its escrow, and tells so; returns the amount.
    pub fn refund(escrow: &mut Account<Self>, job: &Job) -> Result<u64> {
        let refund = job.locked.get();
        escrow.unlock(refund)?;
        escrow.free = escrow.free.checked_add(refund).ok_or(JobsError::BooksBroken)?;
        escrow.invariant()?;
        Self::announce(escrow, EscrowMove::Refunded, refund);
        Ok(refund)
    }

    /// Splits a job's lock: the supplier's part leaves the escrow, the fees become owed, the rest is free again.
    pub fn pay(&mut self, locked: u64, quote: &Quote) -> Result<()> {
        self.unlock(locked)?;
        let rest = locked.checked_sub(quote.consumer_pays.0).ok_or(JobsError::BooksBroken)?;
        self.fees = self.fees.checked_add(quote.fees.0).ok_or(JobsError::BooksBroken)?;
        self.free = self.free.checked_add(rest).ok_or(JobsError::BooksBroken)?;
        self.invariant()
    }

    fn unlock(&mut self, locked: u64) -> Result<()> {
        self.locked = self.locked.checked_sub(locked).ok_or(JobsError::BooksBroken)?;
        self.open_jobs = self.open_jobs.checked_sub(1).ok_or(JobsError::BooksBroken)?;
        Ok(())
    }

    /// Clears the fees owed and returns their amount.
    pub fn take_fees(&mut self) -> Result<u64> {
        let fees = self.fees.get();
        require!(fees > 0, JobsError::NoFees);
        self.fees = PodU64::ZERO;
        self.invariant()?;
        Ok(fees)
    }

    /// Emits a move with the balances after it.
    pub fn announce(escrow: &Account<Self>, kind: EscrowMove, amount: u64) {
        emit!(EscrowMoved {
            escrow: *escrow.address(),
            kind,
            amount,
            free: escrow.free.get(),
            locked: escrow.locked.get(),
            fees: escrow.fees.get()
        });
    }
}
