mod agree_replicas;
mod award;
mod call_reveals;
mod close_audit;
mod close_demand;
mod confess;
mod convict_silence;
mod deposit;
mod draw_audit;
mod expire_job;
mod open_permit;
mod prove_custody;
mod settle_job;
mod skip_audit;
mod sweep_fees;
mod timeout_audit;
mod timeout_job;

pub use agree_replicas::*;
pub use award::*;
pub use call_reveals::*;
pub use close_audit::*;
pub use close_demand::*;
pub use confess::*;
pub use convict_silence::*;
pub use deposit::*;
pub use draw_audit::*;
pub use expire_job::*;
pub use open_permit::*;
pub use prove_custody::*;
pub use settle_job::*;
pub use skip_audit::*;
pub use sweep_fees::*;
pub use timeout_audit::*;
pub use timeout_job::*;

use crate::state::Job;
use anchor_lang::prelude::*;

/// Moves the job's bounty to the caller that ends it; the remaining rent goes to the consumer when the account closes.
fn pay_bounty(job: &Account<Job>, cranker: &Signer) -> Result<()> {
    let bounty = u64::from(job.bounty.get());
    job.view().sub_lamports(bounty)?;
    AsRef::<AccountView>::as_ref(cranker).add_lamports(bounty)?;
    Ok(())
}
