//! What the log says about subscriptions.

use std::{fmt::Display, mem};

/// Subscriptions to one kind of account, renewed whenever they end. Logs a warning when the node first refuses one and a message when it
/// takes one again, however often it is tried in between.
#[derive(Debug)]
pub struct Subscriptions {
    to: &'static str,
    refused: bool,
}

impl Subscriptions {
    /// Subscriptions to these accounts, such as "jobs".
    pub fn to(accounts: &'static str) -> Self {
        Self {
            to: accounts,
            refused: false,
        }
    }

    /// The subscription, if the node took it.
    pub fn taken<T>(&mut self, subscribed: Result<T, impl Display>) -> Option<T> {
        let (what, was_refused) = (self.to, mem::replace(&mut self.refused, subscribed.is_err()));
        match subscribed {
            Ok(subscription) => {
                if was_refused {
                    tracing::info!(event = "pushed", what, "the node pushes changes again");
                }
                Some(subscription)
            }
            Err(error) => {
                if !was_refused {
                    tracing::warn!(event = "unpushed", what, %error, "the node pushes no changes, so it is polled instead; see `ws`");
                }
                None
            }
        }
    }

    /// Notes that the node has ended the subscription.
    pub fn ended(&self) {
        tracing::info!(
            event = "unsubscribed",
            what = self.to,
            "the node ended a subscription; subscribing again"
        );
    }
}
