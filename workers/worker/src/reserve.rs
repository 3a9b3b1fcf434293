//! The SOL that the hot key reserves: for everything in hand, because only this worker can answer demands and silence costs the bond; and
//! for the next check-in, because a device that misses an hour starts over.

use crate::Worker;
use crate::admission::Task;
use crate::models::Model;
use chain::PriorityFee;
use protocol::audit::max_proof_bytes;
use protocol::demand::MAX_OPEN;
use solana_signer::Signer;

/// Lamports that a new hot key gets: for eight results in hand at the highest fees, the evidence of a check-in, and some fees.
pub const FUND: u64 = 150_000_000;

/// Most lamports that the evidence of a check-in locks until the check-in is done: for eight GPUs and the largest work.
pub(crate) const EVIDENCE_LAMPORTS: u64 = 50_000_000;

/// Lamports that an audit's account locks until the audit is over.
pub(crate) const AUDIT_LAMPORTS: u64 = 3_000_000;

/// Most transactions per answer: 1,024 hashes in pieces of 25, and the end.
const PIECES: u64 = 42;

/// Most compute units that one of them requests.
const PIECE_UNITS: u32 = 30_000;

/// Most lamports that answers about a result take: to every question that may be open at one time, in transactions at the highest fee
/// allowed, since whoever asks can also drive up the fees that others pay.
pub(crate) fn for_answers(fee: PriorityFee) -> u64 {
    let pieces = PIECES.saturating_mul(MAX_OPEN.into());
    fee.most_for(PIECE_UNITS).saturating_mul(pieces)
}

/// Most lamports that an audit's proof locks until it is checked, for a job of so many units.
pub(crate) fn for_proof(model: &Model, units: u32) -> u64 {
    let package = model.engine().package();
    let chunks = package.ops.iter().filter_map(|op| op.descriptor.output.layout().chunks()).max();
    // At most 12 KiB.
    let bytes = max_proof_bytes(chunks.unwrap_or(1), package.checkpoints(), units) as u32;
    chain::rent(::referee::state::space(bytes))
}

/// Most lamports that a task takes from now on.
fn for_task(task: &Task, fee: PriorityFee) -> u64 {
    if task.is_audit() { task.locks } else { for_answers(fee) }
}

/// Most lamports that these tasks take from now on.
pub(crate) fn for_tasks(tasks: &[Task], fee: PriorityFee) -> u64 {
    let each = tasks.iter().map(|task| for_task(task, fee));
    each.fold(0, u64::saturating_add)
}

/// Lamports that the key needs to take a task in addition to those in hand. New work must leave enough for a check-in.
pub(crate) fn to_take(task: &Task, in_hand: &[Task], fee: PriorityFee) -> u64 {
    for_tasks(in_hand, fee)
        .saturating_add(for_task(task, fee))
        .saturating_add(EVIDENCE_LAMPORTS)
}

/// Lamports in SOL, for display.
pub(crate) fn in_sol(lamports: u64) -> f64 {
    lamports as f64 / 1e9
}

impl Worker {
    /// Logs an error if the key may not be able to pay for all answers.
    pub(crate) async fn warn_if_poor(&self) {
        let key = self.key.pubkey();
        if let Ok(account) = self.chain.account(&key).await {
            let lamports = account.map_or(0, |account| account.lamports);
            let needed = for_tasks(&self.tasks(), self.settings.priority_fee);
            if lamports < needed {
                let fund = in_sol(FUND);
                tracing::error!(event = "poor", %key, lamports, needed, "answers may cost more than the hot key has: send it {fund} SOL now");
            }
        }
    }
}
