mod answer_chunk;
mod answer_ops;
mod answer_page;
mod answer_units;
mod claim_job;
mod commit_result;
mod reveal_result;

pub use answer_chunk::*;
pub use answer_ops::*;
pub use answer_page::*;
pub use answer_units::*;
pub use claim_job::*;
pub use commit_result::*;
pub use reveal_result::*;

use crate::clocks::clocks;
use crate::error::JobsError;
use crate::events::DemandAnswered;
use crate::state::{Config, Demand, Job};
use alloc::vec::Vec;
use anchor_lang::prelude::*;
use protocol::demand::MIN_PIECE;
use protocol::hash::Hash;
use staking::Device;

/// Hashes of an answer, or siblings of a path.
pub type Hashes = Vec<[u8; 32]>;

/// Accounts with which a device answers a demand.
#[derive(Accounts)]
pub struct Answer {
    #[account(address = device.key @ JobsError::NotAssignedDevice)]
    pub key: Signer,
    pub config: Account<Config>,
    #[account(address = demand.device @ JobsError::NotAssignedDevice)]
    pub device: Account<Device>,
    /// CHECK: the device's payout wallet; receives the fee. May also be the key, since only lamports are added to it.
    #[account(mut, unsafe(dup), address = device.payout @ JobsError::WrongPayoutAccount)]
    pub payout: UncheckedAccount,
    #[account(mut, constraint(job.job_hash == demand.job_hash @ JobsError::AccountMismatch))]
    pub job: Account<Job>,
    #[account(mut)]
    pub demand: Demand,
}

/// Refuses a piece of fewer than [`MIN_PIECE`] hashes that neither begins nor ends the answer. A chunk may come in pieces of
/// any size, since its bytes are stored in the demand.
fn check_piece<E>(offset: u32, hashes: &[Hash], end: &Option<E>) -> Result<()> {
    let may_be_short = offset == 0 || end.is_some();
    require!(may_be_short || hashes.len() >= MIN_PIECE, JobsError::PieceTooShort);
    Ok(())
}

/// Completes an answer: closes the demand in the job's count and pays the fee.
fn complete(accounts: &mut Answer) -> Result<()> {
    let (opened, question) = (accounts.demand.opened(), accounts.config.question_seconds.get());
    accounts.job.answered(opened, question, clocks()?)?;
    let fee = accounts.demand.fee.get();
    accounts.demand.view().sub_lamports(fee)?;
    AsRef::<AccountView>::as_ref(&accounts.payout).add_lamports(fee)?;
    emit!(DemandAnswered {
        job: *accounts.job.address(),
        demand: *accounts.demand.address(),
        shown: accounts.demand.shown,
        window_ends: accounts.job.deadline_at.get()
    });
    Ok(())
}
