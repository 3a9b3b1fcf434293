//! Whether the node keeps up. One that stands still answers as if nothing happened: no jobs, no demands, no deadlines.

use crate::Chain;
use protocol::units::Moment;
use std::convert::Infallible;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::{Instant, sleep};

/// Interval between looks at the chain's clock.
const LOOK: Duration = Duration::from_secs(10);

/// Longest time without a newer slot, about 75 slots.
const STILL: Duration = Duration::from_secs(30);

/// Most seconds by which the chain's clock may be behind this machine's. A cluster's clock is an estimate.
const LAG: u64 = 60;

impl Chain {
    /// Looks at the chain's clock every ten seconds, and reports the newest moment. Warns when the node stops keeping up, once until it does
    /// so again. Never completes.
    pub async fn watch_node(&self, report: impl Fn(Moment)) -> Infallible {
        let (mut newest, mut since, mut warned): (Option<Moment>, _, _) = (None, Instant::now(), false);
        loop {
            sleep(LOOK).await;
            if let Ok(now) = self.now().await
                && newest.is_none_or(|newest| now.slot > newest.slot)
            {
                (newest, since) = (Some(now), Instant::now());
            }
            newest.into_iter().for_each(&report);
            let (slot, lag, still) = (newest.map_or(0, |newest| newest.slot), newest.map_or(0, lag), since.elapsed());
            let stands = || {
                format!(
                    "for {} seconds the node has shown no slot after {slot}: it, or the whole cluster, stands still, and jobs, demands and \
                     deadlines go unnoticed; see to the node, or use another one in `cluster`",
                    still.as_secs()
                )
            };
            let problem = (still >= STILL).then(stands).or_else(|| lag_problem(lag));
            match &problem {
                Some(problem) if !warned => tracing::warn!(event = "problem", check = "node", "{problem}"),
                None if warned => tracing::info!(event = "caught up", slot, "the node keeps up again"),
                _ => {}
            }
            warned = problem.is_some();
        }
    }
}

/// Seconds by which a chain's clock is behind this machine's: none if it is ahead, as on a local chain whose time was set forward.
pub fn lag(now: Moment) -> u64 {
    let here = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    here.as_secs().saturating_sub(u64::try_from(now.unix).unwrap_or_default())
}

/// What is wrong if a chain lags by so many seconds.
pub fn lag_problem(lag: u64) -> Option<String> {
    let problem = || {
        format!(
            "the node is {lag} seconds behind this machine's clock, and so is what it says about jobs, demands and deadlines; see to the \
             node, use another one in `cluster`, or set this machine's clock"
        )
    };
    (lag > LAG).then(problem)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::fake::Fake;
    use crate::subscriptions::tests::Lines;
    use crate::sysvar::CLOCK;
    use solana_account::Account;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
    use tracing::subscriber;

    #[tokio::test(start_paused = true)]
    async fn a_node_that_stands_still_or_lags_is_reported_once() {
        let lines = Arc::<AtomicUsize>::default();
        let _heard = subscriber::set_default(Lines(lines.clone()));
        let node = Arc::new(Fake::default());
        let here = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
        let at = |slot: u64, unix: i64| {
            let words = [slot, 0, 0, 0, unix as u64];
            let data = words.into_iter().flat_map(u64::to_le_bytes).collect();
            let clock = Account {
                lamports: 1,
                data,
                ..Account::default()
            };
            node.set_account_silently(CLOCK, clock);
        };
        let chain = Chain::new(node.clone());
        let (slot, behind) = (AtomicU64::new(0), AtomicU64::new(0));
        let report = |newest: Moment| {
            slot.store(newest.slot, Relaxed);
            behind.store(lag(newest), Relaxed);
        };
        let hour = 3_600;
        let story = async {
            let mut warned = Vec::new();
            // Between two looks.
            sleep(LOOK / 2).await;
            let mut see = async |slots: std::ops::Range<u64>, unix| {
                for slot in slots {
                    at(slot, unix);
                    sleep(LOOK).await;
                }
                warned.push(lines.swap(0, Relaxed));
            };
            // A chain whose time was set forward.
            see(1..20, here + hour).await;
            assert_eq!((slot.load(Relaxed), behind.load(Relaxed)), (19, 0));
            // It stands still, goes on, and stands still again; each time this is said once.
            for slot in [20, 21] {
                at(slot, here + hour);
                sleep(STILL * 20).await;
                see(slot..slot + 1, here + hour).await;
            }
            // Another node goes on, an hour late.
            see(30..50, here - hour).await;
            assert!(behind.load(Relaxed) >= hour as u64);
            see(50..55, here).await;
            warned
        };
        tokio::select! {
            never = chain.watch_node(report) => match never {},
            warned = story => assert_eq!(warned, [0, 1, 2, 0, 1]),
        }
    }
}
