//! Sends transactions and follows them to their outcome.

use super::{Chain, Failure, Outcome, Prepared, Receipt, SendOptions, Uncertain, prepare::MAX_COMPUTE_UNITS, shorter_in_tests};
use crate::{Error, Intent, Landed, Pending, Result, program_error::explain};
use futures_util::{
    FutureExt,
    future::{BoxFuture, join_all},
};
use solana_instruction::Instruction;
use solana_signer::Signer;
use std::{convert::Infallible, slice::from_ref, time::Duration};
use tokio::time::{Instant, MissedTickBehavior, interval, interval_at, sleep};

/// Interval at which a transaction is sent again until it is confirmed or expires: leaders drop what they have no room for.
const REBROADCAST: Duration = shorter_in_tests(Duration::from_secs(2));

/// Interval at which the chain is polled in case the subscription, which is faster, says nothing.
const POLL: Duration = shorter_in_tests(Duration::from_secs(1));

/// First delay before the next poll when a subscription has announced a transaction that the node does not return yet. It doubles up to
/// [`POLL`]: the machine that pushes may be far ahead of the one that is asked.
const SETTLE: Duration = shorter_in_tests(Duration::from_millis(50));

/// Interval at which the node is asked whether a transaction is in a block, about half a slot.
const LOOK: Duration = shorter_in_tests(Duration::from_millis(250));

/// Age at which transactions in a row get a new blockhash: a third of the time that one lasts.
const RENEWAL: Duration = shorter_in_tests(Duration::from_secs(20));

/// Blocks past its last valid height before a transaction counts as expired. A hosted node is many machines, some behind others: the one
/// that reports the height may be ahead of the one that does not know the transaction, but not by as many blocks as make one final.
pub(super) const EXPIRY_MARGIN: u64 = 32;

impl Chain {
    /// Sends a prepared transaction repeatedly until it is confirmed, fails or expires.
    ///
    /// Sending the same one twice, even after a restart, lands it at most once.
    pub async fn submit(&self, prepared: &Prepared, options: &SendOptions) -> Outcome {
        let signature = prepared.signature;
        let seen = async {
            let confirmed = match self.network.signature_seen(&signature).await {
                Ok(seen) => seen.await,
                Err(error) => {
                    tracing::debug!(%signature, %error, "no subscription, polling instead");
                    false
                }
            };
            if !confirmed {
                std::future::pending::<()>().await;
            }
        };
        self.submit_and_look(prepared, options, seen.boxed()).await
    }

    /// Like [`Self::submit`], with something that tells when to look the transaction up besides the regular polls.
    async fn submit_and_look(&self, prepared: &Prepared, options: &SendOptions, seen: BoxFuture<'_, ()>) -> Outcome {
        let (mut last_error, doublings) = (None, self.congestion.doublings());
        let outcome = tokio::time::timeout(options.timeout, self.follow(prepared, seen, &mut last_error)).await;
        match &outcome {
            Ok(Outcome::Confirmed(_) | Outcome::Failed(_)) => self.congestion.landed(),
            // If the node did not accept the transaction, or it bid too little, its expiry says nothing about congestion.
            Ok(Outcome::Unknown(_)) if last_error.is_none() && !prepared.capped => self.congestion.expired(doublings),
            _ => {}
        }
        outcome.unwrap_or_else(|_| {
            Outcome::Unknown(Uncertain {
                signature: prepared.signature,
                expired: false,
                last_error: last_error.map(|error| error.to_string()),
            })
        })
    }

    async fn follow(&self, prepared: &Prepared, mut seen: BoxFuture<'_, ()>, last_error: &mut Option<Error>) -> Outcome {
        let signature = prepared.signature;
        let mut broadcast = interval(REBROADCAST);
        broadcast.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut poll = interval_at(Instant::now() + POLL, POLL);
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut announced, mut settle) = (false, SETTLE);
        loop {
            tokio::select! {
                // Subscribes before the first send if that takes no time. If it takes long or hangs, sending does not wait for it.
                biased;
                () = &mut seen => {
                    seen = std::future::pending().boxed();
                    announced = true;
                }
                _ = poll.tick() => {}
                _ = broadcast.tick() => {
                    // A send that succeeds clears earlier errors.
                    *last_error = self.network.send(&prepared.transaction).await.err();
                    if let Some(error) = last_error {
                        tracing::debug!(%signature, %error, "send failed, trying again");
                    }
                    continue;
                }
            }
            match self.look(prepared).await {
                Ok(Some(outcome)) => return outcome,
                Ok(None) if announced => {
                    poll.reset_after(settle);
                    settle = POLL.min(settle.saturating_mul(2));
                }
                Ok(None) => {}
                Err(error) => *last_error = Some(error),
            }
        }
    }

    /// The outcome of a transaction so far; `None` while it may still land.
    async fn look(&self, prepared: &Prepared) -> Result<Option<Outcome>> {
        // Read the height first: if it is past the last valid height by then, a transaction that is in no block can no longer land.
        let height = self.network.block_height().await?;
        if let Some(landed) = self.network.outcome(&prepared.signature).await? {
            return Ok(Some(Self::outcome(prepared, landed)));
        }
        let expired = height > prepared.last_valid_block_height.saturating_add(EXPIRY_MARGIN);
        Ok(expired.then_some(Outcome::Unknown(Uncertain {
            signature: prepared.signature,
            expired,
            last_error: None,
        })))
    }

    fn outcome(prepared: &Prepared, landed: Landed) -> Outcome {
        let Landed {
            slot,
            error,
            compute_units,
            fee,
            logs,
            ..
        } = landed;
        let receipt = Receipt {
            signature: prepared.signature,
            slot,
            compute_units: (compute_units > 0).then_some(compute_units),
            // What was signed tells the fee while the node does not.
            fee: if fee > 0 { fee } else { prepared.fee },
            logs: logs.unwrap_or_default(),
        };
        match error {
            None => Outcome::Confirmed(receipt),
            Some(error) => {
                let explanation = explain(&error, &prepared.transaction, &receipt.logs);
                Outcome::Failed(Failure {
                    explanation,
                    error,
                    logs: receipt.logs.clone(),
                    receipt: Some(receipt),
                })
            }
        }
    }

    /// Prepares and sends a transaction that may be lost in a crash.
    pub async fn send(&self, instructions: &[Instruction], signers: &[&dyn Signer], options: &SendOptions) -> Result<Receipt> {
        let prepared = self.prepare(instructions, signers, options).await?;
        self.submit(&prepared, options).await.confirmed()
    }

    /// Sends transactions of one instruction each that depend on each other. Each is sent as soon as the one before has succeeded in a
    /// block, without waiting for the votes that confirm it. Returns the receipt of the last, which is confirmed only if all are. They may
    /// take longer together than a blockhash lasts.
    ///
    /// Only the first is simulated, since simulation sees only confirmed state; the others request one and a half times its compute units.
    /// Stops at the first failure. If a block is dropped, the transactions that depend on it fail.
    pub async fn send_in_order(&self, steps: &[Instruction], signers: &[&dyn Signer], options: &SendOptions) -> Result<Receipt> {
        let Some((last, before)) = steps.split_last() else {
            return Err(Error::Signing("there is nothing to send".to_owned()));
        };
        let first = from_ref(before.first().unwrap_or(last));
        let mut params = self.signing_params(first, signers, options).await?;
        let mut renewed = Instant::now();
        let more = params.units.saturating_add(params.units / 2).min(MAX_COMPUTE_UNITS);
        for step in before {
            let prepared = self.sign(from_ref(step), signers, &params)?;
            self.submit_to_block(&prepared, options).await?;
            params.units = options.compute_units.unwrap_or(more);
            // If the node does not return a new one now, the old one is still good for a while.
            if renewed.elapsed() >= RENEWAL
                && let Ok(lifetime) = self.network.lifetime().await
            {
                (params.lifetime, renewed) = (lifetime, Instant::now());
            }
        }
        let prepared = self.sign(from_ref(last), signers, &params)?;
        self.submit(&prepared, options).await.confirmed()
    }

    /// Sends a prepared transaction until it succeeds in a block, which may still be dropped.
    async fn submit_to_block(&self, prepared: &Prepared, options: &SendOptions) -> Result<()> {
        let signature = &prepared.signature;
        let pushed = async {
            match self.network.signature_processed(signature).await {
                Ok(processed) => processed.await,
                Err(_) => false,
            }
        };
        // The node may refuse subscriptions, or take them and never notify.
        let polled = async {
            let mut pause = LOOK;
            loop {
                sleep(pause).await;
                pause = match self.network.processed(signature).await {
                    Ok(true) => return,
                    Ok(false) => LOOK,
                    Err(_) => POLL.min(pause.saturating_mul(2)),
                };
            }
        };
        // Nodes limit the number of subscriptions, so there is no second one to the votes.
        let submitted = self.submit_and_look(prepared, options, std::future::pending().boxed());
        tokio::select! {
            // As in `follow`, the subscription comes first.
            biased;
            true = pushed => Ok(()),
            () = polled => Ok(()),
            outcome = submitted => outcome.confirmed().map(drop),
        }
    }

    /// Finds the outcome of a transaction recorded before a crash, sending it again if it can still land.
    pub async fn resolve(&self, pending: &Pending, prepared: &Prepared, options: &SendOptions) -> Result<Outcome> {
        let outcome = match self.look(prepared).await? {
            Some(outcome) => outcome,
            None => self.submit(prepared, options).await,
        };
        if outcome.is_final() {
            pending.settle(&prepared.signature)?;
        }
        Ok(outcome)
    }

    /// Keeps resolving transactions that nobody waits for: those of an earlier run, and those that were not confirmed in time. Runs beside
    /// all other work and never completes. `on_unrecorded` is told when the disk does not take an outcome.
    pub async fn keep_resolving(&self, pending: &Pending, options: &SendOptions, on_unrecorded: impl Fn(Error)) -> Infallible {
        let mut left = pending.unsettled();
        loop {
            join_all(left.iter().map(|intent| self.resolve_one(pending, intent, options, &on_unrecorded))).await;
            let known = pending.unsettled();
            // After this long, no sender waits for its transaction any more.
            sleep(options.timeout).await;
            left = pending.unsettled();
            left.retain(|intent| known.contains(intent));
        }
    }

    async fn resolve_one(&self, pending: &Pending, intent: &Intent, options: &SendOptions, on_unrecorded: &impl Fn(Error)) {
        let (purpose, signature) = (&intent.purpose, intent.prepared.signature());
        let fate = match self.resolve(pending, &intent.prepared, options).await {
            Ok(Outcome::Confirmed(_)) => "landed",
            Ok(Outcome::Failed(_)) => "failed",
            Ok(outcome) if outcome.is_final() => "expired",
            Ok(_) => "unknown",
            Err(error @ Error::Pending { .. }) => return on_unrecorded(error),
            Err(error) => {
                return tracing::warn!(event = "retry", purpose, %signature, %error, "could not find out whether the transaction landed; trying again");
            }
        };
        tracing::info!(event = "resolved", purpose, %signature, fate);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
    use super::*;
    use crate::{
        Simulation,
        client::tests::{OPTIONS, chain, custom, landed, transfer},
        fake::Fake,
    };
    use solana_compute_budget_interface::ComputeBudgetInstruction;
    use solana_keypair::Keypair;
    use solana_transaction::versioned::VersionedTransaction;
    use std::sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    };

    #[tokio::test]
    async fn confirmed_by_subscription_at_once() {
        let (fake, chain) = chain();
        fake.on_send(|_| Some(landed(None)));
        let payer = Keypair::new();
        let receipt = chain.send(&transfer(&payer), &[&payer], &OPTIONS).await.unwrap();
        assert_eq!((receipt.slot, receipt.compute_units, receipt.fee), (7, Some(150), 5_000));
        assert_eq!(fake.lookups(), 1, "asked once, when notified");
        assert_eq!(fake.sent().len(), 1);
    }

    #[tokio::test]
    async fn the_fee_is_known_without_the_details() {
        let (fake, chain) = chain();
        fake.set_recent_fees(&[70_000]);
        fake.set_simulation(Simulation {
            compute_units: 5_000,
            ..Simulation::default()
        });
        fake.on_send(|_| {
            Some(Landed {
                slot: 7,
                ..Landed::default()
            })
        });
        let payer = Keypair::new();
        let receipt = chain.send(&transfer(&payer), &[&payer], &OPTIONS).await.unwrap();
        assert_eq!(
            (receipt.compute_units, receipt.fee),
            (None, 5_000 + 490),
            "7,000 units at 0.07 lamports"
        );
    }

    #[tokio::test]
    async fn confirmed_by_polling_without_subscriptions() {
        let (fake, chain) = chain();
        fake.set_deaf(true);
        fake.on_send(|_| Some(landed(None)));
        let payer = Keypair::new();
        chain.send(&transfer(&payer), &[&payer], &OPTIONS).await.unwrap();
    }

    #[tokio::test]
    async fn sent_while_the_subscription_hangs() {
        let (fake, chain) = chain();
        fake.set_hanging(true);
        fake.on_send(|_| Some(landed(None)));
        let payer = Keypair::new();
        chain.send(&transfer(&payer), &[&payer], &OPTIONS).await.unwrap();
    }

    /// The compute units that each sent transaction requests, and the lamports that it moves.
    fn asked_and_moved(fake: &Fake) -> Vec<(u32, u64)> {
        let number = |data: &[u8]| u64::from_le_bytes(data[data.len() - 8..].try_into().unwrap());
        let read = |transaction: &VersionedTransaction| {
            let [limit, transfer] = transaction.message.instructions() else {
                panic!("{transaction:?}")
            };
            let limit = u32::from_le_bytes(limit.data[1..].try_into().unwrap());
            (limit, number(&transfer.data))
        };
        fake.sent().iter().map(read).collect()
    }

    /// Transfers of one lamport, two and so on.
    fn transfers(payer: &Keypair, count: u64) -> Vec<Instruction> {
        let transfer = |lamports| solana_system_interface::instruction::transfer(&payer.pubkey(), &payer.pubkey(), lamports);
        (1..=count).map(transfer).collect()
    }

    #[tokio::test]
    async fn ordered_transactions_wait_for_blocks_and_not_for_votes() {
        let (fake, chain) = chain();
        fake.set_processing(true);
        fake.set_simulation(Simulation {
            compute_units: 1_000,
            ..Simulation::default()
        });
        let mut sent = 0;
        fake.on_send(move |_| {
            sent += 1;
            (sent == 3).then(|| landed(None))
        });
        let payer = Keypair::new();
        let receipt = chain.send_in_order(&transfers(&payer, 3), &[&payer], &OPTIONS).await.unwrap();
        assert_eq!(receipt.signature, fake.sent()[2].signatures[0]);
        assert_eq!(asked_and_moved(&fake), [(2_200, 1), (3_300, 2), (3_300, 3)]);
    }

    /// Whether a node refuses subscriptions or never answers, each piece of an answer follows as soon as the one before is in a block,
    /// however long votes take, and all of them together may take longer than a blockhash lasts.
    #[tokio::test(start_paused = true)]
    async fn ordered_transactions_need_no_subscriptions() {
        const COUNT: usize = 400;
        const VOTES: Duration = shorter_in_tests(Duration::from_millis(1_600));
        for without in [Fake::set_deaf, Fake::set_hanging] {
            let (fake, chain) = chain();
            without(&fake, true);
            fake.set_processing(true);
            let payer = Keypair::new();
            let (steps, signers): (_, [&dyn Signer; 1]) = (transfers(&payer, COUNT as u64), [&payer]);
            let blocks = async {
                loop {
                    sleep(VOTES).await;
                    fake.advance(4);
                    fake.confirm();
                }
            };
            tokio::select! {
                sent = chain.send_in_order(&steps, &signers, &OPTIONS) => drop(sent.unwrap()),
                () = blocks => {}
            }
            assert_eq!(fake.sent().len(), COUNT);
            assert_eq!(fake.looks(), COUNT - 1, "one for each, except the last");
            assert_eq!(fake.subscriptions(), COUNT);
            assert_eq!(fake.blockhashes(), 5, "it took 240 slots");
        }
    }

    /// The machine that pushes may be ahead of the one that is asked.
    #[tokio::test(start_paused = true)]
    async fn a_machine_that_lags_is_asked_less_and_less_often() {
        let (fake, chain) = chain();
        let payer = Keypair::new();
        let prepared = chain.prepare(&transfer(&payer), &[&payer], &OPTIONS).await.unwrap();
        let lagging = async {
            sleep(POLL / 2).await;
            fake.announce_confirmed(prepared.signature());
            sleep(20 * POLL).await;
            fake.land(prepared.signature(), landed(None));
        };
        let (outcome, ()) = tokio::join!(chain.submit(&prepared, &OPTIONS), lagging);
        assert!(matches!(outcome, Outcome::Confirmed(_)));
        assert_eq!(fake.lookups(), 25, "six at first, then one each interval");
    }

    #[tokio::test]
    async fn nothing_is_sent_after_a_failure() {
        let (fake, chain) = chain();
        fake.set_processing(true);
        fake.on_send(|_| Some(landed(Some(custom(5)))));
        let payer = Keypair::new();
        let error = chain.send_in_order(&transfers(&payer, 2), &[&payer], &OPTIONS).await.unwrap_err();
        assert!(error.failure().is_some());
        assert_eq!(fake.sent().len(), 1);
    }

    #[tokio::test]
    async fn sent_again_until_a_leader_takes_it() {
        let (fake, chain) = chain();
        let mut refusals = 3;
        fake.on_send(move |_| {
            refusals -= 1;
            (refusals < 0).then(|| landed(None))
        });
        let payer = Keypair::new();
        chain.send(&transfer(&payer), &[&payer], &OPTIONS).await.unwrap();
        let sent = fake.sent();
        assert_eq!(sent.len(), 4);
        assert!(
            sent.iter().all(|transaction| *transaction == sent[0]),
            "the very same transaction each time"
        );
    }

    #[tokio::test]
    async fn a_broken_subscription_falls_back_to_polling() {
        let (fake, chain) = chain();
        let payer = Keypair::new();
        let prepared = chain.prepare(&transfer(&payer), &[&payer], &OPTIONS).await.unwrap();
        let waiting = tokio::spawn({
            let prepared = prepared.clone();
            async move { chain.submit(&prepared, &OPTIONS).await }
        });
        while fake.sent().is_empty() {
            tokio::task::yield_now().await;
        }
        fake.set_deaf(true);
        fake.land(prepared.signature(), landed(None));
        assert!(matches!(waiting.await.unwrap(), Outcome::Confirmed(_)));
    }

    #[tokio::test]
    async fn failure_in_a_block_has_its_cost() {
        let (fake, chain) = chain();
        fake.on_send(|_| Some(landed(Some(custom(1)))));
        let payer = Keypair::new();
        let prepared = chain.prepare(&transfer(&payer), &[&payer], &OPTIONS).await.unwrap();
        let outcome = chain.submit(&prepared, &OPTIONS).await;
        assert!(outcome.is_final());
        let Outcome::Failed(failure) = outcome else { panic!("{outcome:?}") };
        assert_eq!(failure.receipt.unwrap().fee, 5_000);
        assert_eq!(failure.explanation.name, "ResultWithNegativeLamports");
    }

    #[tokio::test]
    async fn expiry_is_certain_and_silence_is_not() {
        let (fake, chain) = chain();
        let payer = Keypair::new();
        let prepared = chain.prepare(&transfer(&payer), &[&payer], &OPTIONS).await.unwrap();
        let short = SendOptions {
            timeout: POLL * 5,
            ..OPTIONS
        };
        let silent = chain.submit(&prepared, &short).await;
        assert!(matches!(silent, Outcome::Unknown(Uncertain { expired: false, .. })) && !silent.is_final());

        fake.advance(150 + EXPIRY_MARGIN);
        let silent = chain.submit(&prepared, &short).await;
        assert!(!silent.is_final(), "a node may lag");
        fake.advance(1);
        let expired = chain.submit(&prepared, &OPTIONS).await;
        assert!(matches!(expired, Outcome::Unknown(Uncertain { expired: true, .. })) && expired.is_final());

        fake.set_unreachable(true);
        let cut_off = chain.submit(&prepared, &short).await;
        let Outcome::Unknown(uncertain) = &cut_off else {
            panic!("{cut_off:?}")
        };
        assert!(!uncertain.expired && uncertain.last_error.as_ref().unwrap().contains("no Solana node answers"));
    }

    /// A node that was unreachable for a moment and has accepted the transaction since does not hide that it expired of congestion.
    #[tokio::test(start_paused = true)]
    async fn a_short_outage_does_not_hide_an_expiry() {
        let (fake, chain) = chain();
        let payer = Keypair::new();
        let lost = chain.prepare(&transfer(&payer), &[&payer], &OPTIONS).await.unwrap();
        fake.set_unreachable(true);
        let passing = async {
            tokio::time::sleep(2 * POLL).await;
            fake.set_unreachable(false);
            tokio::time::sleep(2 * REBROADCAST).await;
            fake.advance(151 + EXPIRY_MARGIN);
        };
        let (outcome, ()) = tokio::join!(chain.submit(&lost, &OPTIONS), passing);
        assert!(matches!(outcome, Outcome::Unknown(Uncertain { expired: true, .. })));
        assert_eq!(chain.congestion.doublings(), 1);
    }

    /// Leaders take nothing below the highest price. What has to land in time does, whether it gets one attempt or several.
    #[tokio::test(start_paused = true)]
    async fn the_last_attempt_before_a_deadline_outbids_others() {
        const SLOT: Duration = Duration::from_millis(400);
        for seconds in [60, 300] {
            let (fake, chain) = chain();
            let highest = ComputeBudgetInstruction::set_compute_unit_price(OPTIONS.priority_fee.most).data;
            let is_highest =
                move |transaction: &VersionedTransaction| transaction.message.instructions().iter().any(|one| one.data == highest);
            fake.on_send(move |transaction| is_highest(transaction).then(|| landed(None)));
            let payer = Keypair::new();
            let begun = Instant::now();
            let left = || seconds - begun.elapsed().as_secs() as i64;
            let blocks = async {
                loop {
                    sleep(SLOT).await;
                    fake.advance(1);
                }
            };
            let attempts = async { while chain.send(&transfer(&payer), &[&payer], &OPTIONS.within(left())).await.is_err() {} };
            tokio::select! {
                () = attempts => assert!(left() > 0, "{seconds}"),
                () = blocks => {}
            }
        }
    }

    /// Stops the sender before and after the transaction lands: it must land exactly once, and a restart must learn its outcome.
    #[tokio::test]
    async fn a_crash_neither_loses_nor_repeats_a_transaction() {
        let folder = tempfile::tempdir().unwrap();
        let payer = Keypair::new();
        for (case, crash_after_landing) in [("before", false), ("after", true)] {
            let path = folder.path().join(case);
            let (fake, chain) = chain();
            let times = Arc::new(AtomicU64::new(0));
            let counter = times.clone();
            let sent = {
                let pending = Pending::open(&path).unwrap();
                // The process dies before any answer, whether or not the transaction got through.
                let options = SendOptions {
                    timeout: Duration::ZERO,
                    ..OPTIONS
                };
                let prepared = chain.prepare(&transfer(&payer), &[&payer], &options).await.unwrap();
                pending.record("open", &prepared).unwrap();
                assert!(!chain.submit(&prepared, &options).await.is_final());
                pending.unsettled().remove(0)
            };
            assert_eq!(sent.purpose, "open");
            if crash_after_landing {
                times.fetch_add(1, Ordering::Relaxed);
                fake.land(sent.prepared.signature(), landed(None));
            }
            fake.on_send(move |_| {
                counter.fetch_add(1, Ordering::Relaxed);
                Some(landed(None))
            });

            let pending = Pending::open(&path).unwrap();
            assert_eq!(pending.unsettled(), std::slice::from_ref(&sent));
            let outcome = chain.resolve(&pending, &sent.prepared, &OPTIONS).await.unwrap();
            assert!(matches!(outcome, Outcome::Confirmed(_)), "{case}: {outcome:?}");
            assert!(pending.unsettled().is_empty());
            assert_eq!(times.load(Ordering::Relaxed), 1, "{case}: landed exactly once");
        }
    }
}
