//! Follows one account: pushed changes when the node pushes, polling when it does not.

use crate::{Network, client::beat};
use futures_util::{StreamExt, future::OptionFuture, stream::BoxStream};
use solana_account::Account;
use solana_address::Address;
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::watch,
    task::AbortHandle,
    time::{MissedTickBehavior, interval},
};

/// How often the account is read while changes are not pushed.
const POLL: Duration = beat(Duration::from_secs(1));

/// How often it is read all the same while they are: nodes lose subscriptions without saying so.
const AUDIT: Duration = beat(Duration::from_secs(15));

/// An account at some moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Slot at which it was seen.
    pub slot: u64,
    /// The account; `None` when there is none.
    pub account: Option<Account>,
}

/// The newest known state of an account. Dropping it ends the subscription.
#[derive(Debug)]
pub struct AccountWatch {
    newest: watch::Receiver<Option<Snapshot>>,
    task: AbortHandle,
}

impl AccountWatch {
    pub(crate) fn new(network: Arc<dyn Network>, address: Address) -> Self {
        let (sender, newest) = watch::channel(None);
        let task = tokio::spawn(follow(network, address, sender)).abort_handle();
        Self { newest, task }
    }

    /// Waits for a state not returned before; the first call returns the present one. States that were overtaken are skipped.
    ///
    /// Returns `None` only when the runtime shuts down.
    pub async fn next(&mut self) -> Option<Snapshot> {
        loop {
            self.newest.changed().await.ok()?;
            if let Some(snapshot) = self.newest.borrow_and_update().clone() {
                return Some(snapshot);
            }
        }
    }
}

impl Drop for AccountWatch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn follow(network: Arc<dyn Network>, address: Address, sender: watch::Sender<Option<Snapshot>>) {
    let mut pushed: Option<BoxStream<'static, (u64, Account)>> = None;
    let mut poll = interval(POLL);
    poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let next = OptionFuture::from(pushed.as_mut().map(StreamExt::next));
        tokio::select! {
            () = sender.closed() => return,
            Some(change) = next => match change {
                Some((slot, account)) => publish(&sender, slot, (account.lamports > 0).then_some(account)),
                None => pushed = None,
            },
            _ = poll.tick() => {
                // Subscribing comes first, so that no change falls between the read and the subscription.
                if pushed.is_none() {
                    pushed = network.account_changes(&address).await.inspect_err(|error| tracing::debug!(%address, %error, "polling")).ok();
                }
                if pushed.is_some() {
                    poll.reset_after(AUDIT);
                }
                match network.accounts(&[address]).await {
                    Ok((slot, accounts)) => publish(&sender, slot, accounts.into_iter().next().flatten()),
                    Err(error) => tracing::warn!(%address, %error, "cannot read the account, trying again"),
                }
            }
        }
    }
}

/// Keeps the newest state: answers may overtake each other.
fn publish(sender: &watch::Sender<Option<Snapshot>>, slot: u64, account: Option<Account>) {
    sender.send_if_modified(|newest| {
        let stale = newest.as_ref().is_some_and(|known| slot < known.slot);
        let same = newest.as_ref().is_some_and(|known| known.account == account);
        if stale || same {
            return false;
        }
        *newest = Some(Snapshot { slot, account });
        true
    });
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{Chain, ProgramErrors, fake::Fake};

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
        let mut watch = Chain::new(fake.clone(), ProgramErrors::default()).watch(address);
        assert_eq!(lamports(&mut watch).await, None, "the present state first, here none");
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
    async fn a_lost_push_is_made_up_for() {
        let fake = Arc::new(Fake::default());
        let address = Address::new_unique();
        fake.set_account(address, account(1));
        let mut watch = Chain::new(fake.clone(), ProgramErrors::default()).watch(address);
        assert_eq!(lamports(&mut watch).await, Some(1));
        fake.set_account_silently(address, account(2));
        assert_eq!(lamports(&mut watch).await, Some(2));
    }
}
