//! One instruction, one file, grouped by who may call it.

mod admin;
mod auditor;
mod challenger;
mod consumer;
mod crank;
mod registrar;
mod worker;

pub use admin::*;
pub use auditor::*;
pub use challenger::*;
pub use consumer::*;
pub use crank::*;
pub use registrar::*;
pub use worker::*;

use crate::events::{Ending, JobRefunded};
use crate::state::{Escrow, Job};
use anchor_lang::prelude::*;

/// Refunds the consumer of a job that ends without a result.
fn refund(escrow: &mut Account<Escrow>, job: &Account<Job>, ending: Ending, penalty: u64) -> Result<()> {
    let refund = Escrow::refund(escrow, job)?;
    emit!(JobRefunded {
        job: *job.address(),
        ending,
        refund,
        penalty
    });
    Ok(())
}
