//! The SOL that the hot key keeps: for what is in hand, since nobody else can answer demands and silence costs the bond, and for the next
//! check-in, since a device that misses an hour begins anew.

use crate::Worker;
use crate::admission::Task;
use crate::models::Model;
use chain::PriorityFee;
use protocol::audit::max_proof_bytes;
use protocol::demand::MAX_OPEN;
use solana_signer::Signer;

/// Lamports that a new hot key is given: for eight results in hand at the highest fees, the evidence of a check-in, and some fees.
pub const FUND: u64 = 150_000_000;

/// What the evidence of a check-in locks at most until it is over: of eight GPUs and the largest work.
pub(crate) const EVIDENCE_LAMPORTS: u64 = 50_000_000;

/// What an audit's account locks until it is over.
pub(crate) const AUDIT_LAMPORTS: u64 = 3_000_000;

/// Most transactions of an answer: 1,024 hashes in pieces of 25, and the end.
const PIECES: u64 = 42;

/// Most compute units that one of them asks for.
const PIECE_UNITS: u32 = 30_000;

/// Most lamports that answers about a result take: to all questions that may be open at a time, in transactions that each pay as much as
/// they may. A consumer that asks can raise what others pay.
pub(crate) fn for_answers(fee: PriorityFee) -> u64 {
    let pieces = PIECES.saturating_mul(MAX_OPEN.into());
    fee.most_for(PIECE_UNITS).saturating_mul(pieces)
}

/// Most lamports that the proof of an audit of so many units locks while it is checked.
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

/// Most lamports that all of these take from now on.
pub(crate) fn for_tasks(tasks: &[Task], fee: PriorityFee) -> u64 {
    let each = tasks.iter().map(|task| for_task(task, fee));
    each.fold(0, u64::saturating_add)
}

/// Lamports with which a task is taken besides those in hand: work that is not begun gives way to an hour of rewards.
pub(crate) fn to_take(task: &Task, in_hand: &[Task], fee: PriorityFee) -> u64 {
    for_tasks(in_hand, fee)
        .saturating_add(for_task(task, fee))
        .saturating_add(EVIDENCE_LAMPORTS)
}

/// Lamports in SOL, to be shown.
pub(crate) fn in_sol(lamports: u64) -> f64 {
    lamports as f64 / 1e9
}

impl Worker {
    /// Logs when the key may not be able to pay for the answers to come.
    pub(crate) async fn warn_if_poor(&self) {
        let key = self.key.pubkey();
        if let Ok(account) = self.chain.account(&key).await {
            let lamports = account.map_or(0, |account| account.lamports);
            let needed = for_tasks(&self.tasks(), self.settings.priority_fee);
            if lamports < needed {
                let fund = in_sol(FUND);
                tracing::error!(event = "poor", %key, lamports, needed, "answers may take more than the hot key has: send it {fund} SOL now");
            }
        }
    }
}
