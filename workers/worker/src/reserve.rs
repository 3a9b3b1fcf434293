//! The SOL that the hot key keeps for what is in hand: nobody else can answer demands, and silence costs the bond.

use crate::Worker;
use crate::admission::Task;
use chain::PriorityFee;
use protocol::demand::MAX_OPEN;
use solana_signer::Signer;

/// Most transactions of an answer: 1,024 hashes in pieces of 25, and the end.
const PIECES: u64 = 42;

/// Most compute units that one of them asks for.
const PIECE_UNITS: u32 = 30_000;

/// What an audit's account and its proof lock until it is over.
const AUDIT_LAMPORTS: u64 = 50_000_000;

/// Most lamports that answers about a result take: to all questions that may be open at a time, in transactions that each pay as much as
/// they may. A consumer that asks can raise what others pay.
pub(crate) fn for_answers(fee: PriorityFee) -> u64 {
    let pieces = PIECES.saturating_mul(MAX_OPEN.into());
    fee.most_for(PIECE_UNITS).saturating_mul(pieces)
}

/// Most lamports that a task takes.
pub(crate) fn for_task(task: &Task, fee: PriorityFee) -> u64 {
    if task.is_audit() { AUDIT_LAMPORTS } else { for_answers(fee) }
}

/// Most lamports that all of these take.
pub(crate) fn for_tasks(tasks: &[Task], fee: PriorityFee) -> u64 {
    let each = tasks.iter().map(|task| for_task(task, fee));
    each.fold(0, u64::saturating_add)
}

impl Worker {
    /// Logs when the key may not be able to pay for the answers to come.
    pub(crate) async fn warn_if_poor(&self) {
        let key = self.key.pubkey();
        if let Ok(account) = self.chain.account(&key).await {
            let lamports = account.map_or(0, |account| account.lamports);
            let needed = for_tasks(&self.tasks(), self.settings.priority_fee);
            if lamports < needed {
                tracing::error!(event = "poor", %key, lamports, needed, "answers may take more than the hot key has: send it 0.1 SOL now");
            }
        }
    }
}
