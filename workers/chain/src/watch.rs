//! Follows one account by subscription, and by polling while there is none.

use crate::{Network, client::shorter_in_tests};
use futures_util::{
    FutureExt, StreamExt,
    future::{Fuse, FusedFuture, OptionFuture},
    stream::BoxStream,
};
use solana_account::Account;
use solana_address::Address;
use std::{pin::pin, sync::Arc, time::Duration};
use tokio::{
    sync::watch,
    task::AbortHandle,
    time::{Instant, MissedTickBehavior, interval},
};

/// Interval at which the account is read without a subscription.
const POLL: Duration = shorter_in_tests(Duration::from_secs(1));

/// Interval at which the account is read in spite of a subscription: nodes lose subscriptions silently.
const AUDIT: Duration = shorter_in_tests(Duration::from_secs(15));

/// Longest pause between two attempts to subscribe. The first is as long as [`POLL`], and each attempt that fails doubles it.
const LONGEST_PAUSE: Duration = shorter_in_tests(Duration::from_secs(30));

/// Slots by which one response may be behind another. A response from further back means that the chain was reset.
const LAG: u64 = 150;

/// An account at a certain slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The slot.
    pub slot: u64,
    /// The account; `None` when there is none.
    pub account: Option<Account>,
}

/// What a watch reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// The newest state.
    State(Snapshot),
    /// The node does not answer, for this reason. Once it answers again, a [`News::State`] follows, even if the account has not changed.
    Outage(String),
}

/// Follows the state of an account. Dropping the watch ends the subscription.
#[derive(Debug)]
pub struct AccountWatch {
    newest: watch::Receiver<Known>,
    returned: Option<Snapshot>,
    task: AbortHandle,
}

/// The newest known state, and the error of the last read if it failed.
#[derive(Clone, Debug, Default)]
struct Known {
    newest: Option<Snapshot>,
    outage: Option<String>,
}

impl AccountWatch {
    pub(crate) fn new(network: Arc<dyn Network>, address: Address) -> Self {
        let (sender, newest) = watch::channel(Known::default());
        let task = tokio::spawn(follow(network, address, sender)).abort_handle();
        Self {
            newest,
            returned: None,
            task,
        }
    }

    /// Waits for the account to change; the first call returns its present state. States that have been superseded are skipped.
    ///
    /// Returns `None` only when the runtime shuts down.
    pub async fn next(&mut self) -> Option<Snapshot> {
        loop {
            match self.news().await? {
                News::State(snapshot) if self.returned.as_ref().is_none_or(|last| last.account != snapshot.account) => {
                    self.returned = Some(snapshot.clone());
                    return Some(snapshot);
                }
                News::State(_) | News::Outage(_) => {}
            }
        }
    }

    /// Like [`AccountWatch::next`], but also reports outages of the node.
    pub async fn news(&mut self) -> Option<News> {
        loop {
            self.newest.changed().await.ok()?;
            let Known { newest, outage } = self.newest.borrow_and_update().clone();
            if let Some(news) = outage.map(News::Outage).or(newest.map(News::State)) {
                return Some(news);
            }
        }
    }
}

impl Drop for AccountWatch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn follow(network: Arc<dyn Network>, address: Address, sender: watch::Sender<Known>) {
    let mut pushed: Option<BoxStream<'static, (u64, Account)>> = None;
    let mut subscribing = pin!(Fuse::terminated());
    let (mut subscribe_at, mut pause) = (Instant::now(), POLL);
    let mut poll = interval(POLL);
    poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let next = OptionFuture::from(pushed.as_mut().map(StreamExt::next));
        tokio::select! {
            () = sender.closed() => return,
            Some(change) = next => match change {
                Some((slot, account)) => publish(&sender, slot, (account.lamports > 0).then_some(account)),
                None => {
                    pushed = None;
                    // Do not wait for the next audit.
                    poll.reset();
                }
            },
            subscribed = &mut subscribing => match subscribed {
                Ok(changes) => {
                    (pushed, pause) = (Some(changes), POLL);
                    // The account may have changed between the last read and the subscription.
                    poll.reset_immediately();
                }
                Err(error) => {
                    tracing::debug!(%address, %error, "polling");
                    subscribe_at = Instant::now() + pause;
                    pause = LONGEST_PAUSE.min(pause.saturating_mul(2));
                }
            },
            _ = poll.tick() => {
                if pushed.is_some() {
                    poll.reset_after(AUDIT);
                } else if subscribing.is_terminated() && Instant::now() >= subscribe_at {
                    // Reads do not wait for it, since it may hang.
                    subscribing.set(network.account_changes(&address).fuse());
                }
                match network.accounts(&[address]).await {
                    Ok((slot, accounts)) => publish(&sender, slot, accounts.into_iter().next().flatten()),
                    Err(error) => {
                        tracing::warn!(%address, %error, "cannot read the account, trying again");
                        fail(&sender, error.to_string());
                    }
                }
            }
        }
    }
}

/// Keeps the newest state: responses may arrive out of order.
fn publish(sender: &watch::Sender<Known>, slot: u64, account: Option<Account>) {
    sender.send_if_modified(|known| {
        let newest = known.newest.as_ref();
        let stale = newest.is_some_and(|newest| (1..LAG).contains(&newest.slot.saturating_sub(slot)));
        let same = newest.is_some_and(|newest| newest.account == account);
        let back = known.outage.take().is_some();
        if stale || same {
            return back;
        }
        known.newest = Some(Snapshot { slot, account });
        true
    });
}

/// Records that the node does not answer; notifies once per outage.
fn fail(sender: &watch::Sender<Known>, reason: String) {
    sender.send_if_modified(|known| {
        let first = known.outage.is_none();
        known.outage = Some(reason);
        first
    });
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{Chain, fake::Fake};

    fn account(lamports: u64) -> Account {
        Account {
            lamports,
            ..Account::default()
        }
    }

    async fn lamports(watch: &mut AccountWatch) -> Option<u64> {
        watch.next().await.unwrap().account.map(|account| account.lamports)
    }

    #[tokio::test]
    async fn follows_through_silence_and_broken_subscriptions() {
        let fake = Arc::new(Fake::default());
        let address = Address::new_unique();
        let mut watch = Chain::new(fake.clone()).watch(address);
        assert_eq!(lamports(&mut watch).await, None, "the present state first: no account");
        fake.set_account(address, account(1));
        assert_eq!(lamports(&mut watch).await, Some(1), "pushed");

        fake.set_deaf(true);
        fake.set_account(address, account(2));
        assert_eq!(lamports(&mut watch).await, Some(2), "polled");
        fake.set_unreachable(true);
        fake.set_account(address, account(3));
        fake.set_unreachable(false);
        assert_eq!(lamports(&mut watch).await, Some(3), "polled after an outage");
        fake.set_deaf(false);
        fake.set_account(address, account(4));
        assert_eq!(lamports(&mut watch).await, Some(4), "pushed again");
        fake.set_account(address, account(0));
        assert_eq!(lamports(&mut watch).await, None, "closed");
    }

    #[tokio::test]
    async fn a_lost_notification_is_made_up_for() {
        let fake = Arc::new(Fake::default());
        let address = Address::new_unique();
        fake.set_account(address, account(1));
        let mut watch = Chain::new(fake.clone()).watch(address);
        assert_eq!(lamports(&mut watch).await, Some(1));
        fake.set_account_silently(address, account(2));
        assert_eq!(lamports(&mut watch).await, Some(2));
    }

    #[tokio::test]
    async fn the_account_is_read_while_a_subscription_hangs() {
        let fake = Arc::new(Fake::default());
        let address = Address::new_unique();
        fake.set_hanging(true);
        let mut watch = Chain::new(fake.clone()).watch(address);
        assert_eq!(lamports(&mut watch).await, None);
        fake.set_account(address, account(1));
        assert_eq!(lamports(&mut watch).await, Some(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_that_refuses_subscriptions_is_asked_less_and_less_often() {
        let fake = Arc::new(Fake::default());
        fake.set_deaf(true);
        let _watch = Chain::new(fake.clone()).watch(Address::new_unique());
        tokio::time::sleep(100 * POLL).await;
        assert_eq!(fake.subscriptions(), 8, "after 0, 1, 3, 7, 15, 31, 61 and 91 polls");
    }

    #[tokio::test]
    async fn an_outage_and_its_end_are_reported_once() {
        let fake = Arc::new(Fake::default());
        let address = Address::new_unique();
        fake.set_account(address, account(1));
        let mut watch = Chain::new(fake.clone()).watch(address);
        assert!(matches!(watch.news().await, Some(News::State(_))));
        fake.set_unreachable(true);
        fake.set_deaf(true);
        assert!(matches!(watch.news().await, Some(News::Outage(reason)) if reason.contains("switched off")));
        fake.set_unreachable(false);
        let same = watch.news().await;
        assert!(matches!(same, Some(News::State(Snapshot { account: Some(is), .. })) if is == account(1)));
    }

    #[tokio::test]
    async fn an_outage_is_not_a_state() {
        let fake = Arc::new(Fake::default());
        let address = Address::new_unique();
        fake.set_account(address, account(1));
        let mut watch = Chain::new(fake.clone()).watch(address);
        assert_eq!(lamports(&mut watch).await, Some(1));
        fake.set_unreachable(true);
        fake.set_deaf(true);
        let mut known = watch.newest.clone();
        known.wait_for(|known| known.outage.is_some()).await.unwrap();
        fake.set_unreachable(false);
        known.wait_for(|known| known.outage.is_none()).await.unwrap();
        assert_eq!(watch.next().now_or_never(), None, "the account has not changed");
        fake.set_account_silently(address, account(2));
        assert_eq!(lamports(&mut watch).await, Some(2));
    }

    #[test]
    fn a_chain_that_was_reset_is_believed() {
        let (sender, newest) = watch::channel(Known::default());
        let slot = || newest.borrow().newest.as_ref().map(|newest| newest.slot);
        publish(&sender, 1_000, Some(account(1)));
        publish(&sender, 1_001 - LAG, None);
        assert_eq!(slot(), Some(1_000), "a response that came out of order");
        publish(&sender, 1_000 - LAG, None);
        assert_eq!(slot(), Some(1_000 - LAG), "another chain");
    }
}
