//! Brings open cases concurrently, until they are closed.

use super::{RETRY, Watchtower};
use crate::Error;
use crate::cases::OpenCase;
use crate::dispute::{Action, Challenger, Charge};
use futures_util::stream::{FuturesUnordered, StreamExt};
use std::convert::Infallible;
use tokio::sync::mpsc;

/// Consecutive failed transactions after which a case no longer blocks the payment of its job.
const STUCK: u32 = 6;

impl Watchtower {
    /// Brings every case that comes.
    pub(super) async fn prosecute(&self, mut cases: mpsc::UnboundedReceiver<OpenCase>) -> Infallible {
        let mut trials = FuturesUnordered::new();
        loop {
            tokio::select! {
                Some(()) = trials.next(), if !trials.is_empty() => {}
                Some(case) = cases.recv() => trials.push(self.prosecute_one(case)),
            }
        }
    }

    async fn prosecute_one(&self, case: OpenCase) {
        let on_unrecorded = |error: chain::Error| self.note_disk_error(&error.into());
        let challenger = Challenger {
            chain: &self.chain,
            pending: &self.pending,
            key: &self.key,
            options: &self.options,
            on_unrecorded: &on_unrecorded,
        };
        let mut charge = Charge {
            job: &case.job,
            hash: &case.hash,
            evidence: &case.evidence,
            since: case.since,
        };
        let (mut retry, mut failures) = (RETRY, 0);
        let ending = loop {
            let done = |action: Action, receipt: &chain::Receipt| {
                failures = 0;
                retry.reset();
                self.accused.add(case.hash);
                let (signature, fee, units) = (receipt.signature, receipt.fee, receipt.compute_units);
                tracing::info!(event = "sent", job = %case.job, what = action.name(), %signature, fee, units);
                if action == Action::Convict {
                    self.metrics.convictions_total.add(1);
                    tracing::warn!(event = "convicted", job = %case.job, %signature);
                }
            };
            match challenger.bring(&mut charge, done).await {
                Ok(ending) => break ending,
                Err(error) => {
                    self.retry(&error, "a step of a dispute failed");
                    // Errors of the node say nothing about the case or the key, and once the node recovers the cranks may be the first to pay
                    // for the job.
                    failures += u32::from(matches!(&error, Error::Chain(error) if error.failure().is_some()));
                    if failures == STUCK {
                        // Otherwise the job's payment would wait until, say, somebody funds this key.
                        self.accused.remove(&case.hash);
                    }
                    retry.wait().await;
                }
            }
        };
        self.accused.remove(&case.hash);
        tracing::info!(event = "closed", job = %case.job, ?ending);
        if let Err(error) = self.cases.remove(&case) {
            self.note_disk_error(&error);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::tower::tests::{JOB, node, tower};
    use anchor_lang::bytemuck::Zeroable;
    use chain::Simulation;
    use chain::fake::account;
    use jobs::{Job, Status};
    use solana_transaction_error::TransactionError;
    use std::time::Duration;
    use tokio::time::timeout;

    /// An outage says nothing about a case, while a key without SOL cannot bring it.
    #[tokio::test(start_paused = true)]
    async fn a_case_blocks_its_payment_through_outages_but_not_for_want_of_sol() {
        let node = node();
        let (_folder, tower) = tower(&node).await;
        let job = Job {
            job_hash: [1; 32],
            status: Status::Revealed as u8,
            ..Job::zeroed()
        };
        node.set_account(JOB, account(&job));
        node.set_simulation(Simulation {
            error: Some(TransactionError::InsufficientFundsForFee),
            ..Simulation::default()
        });
        let case = OpenCase {
            job: JOB,
            hash: job.job_hash,
            since: 0,
            evidence: vec![2; 100],
        };
        tower.accused.add(case.hash);
        let blocks = async || {
            let trial = timeout(Duration::from_secs(600), tower.prosecute_one(case.clone())).await;
            assert!(trial.is_err(), "{trial:?}");
            tower.accused.has(&job)
        };
        node.set_unreachable(true);
        assert!(blocks().await, "the node does not answer");
        node.set_unreachable(false);
        node.set_refusing(true);
        assert!(blocks().await, "the node answers with errors");
        node.set_refusing(false);
        assert!(!blocks().await, "the key has no SOL");
    }
}
