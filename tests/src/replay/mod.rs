//! The books as the events tell them, compared with the accounts after every transaction, so that an indexer can rely on the events.

mod costaking;
mod governance;
mod jobs;
mod referee;
mod staking;

use crate::audit::Books;
use anchor_lang::wincode::SchemaRead;
use anchor_lang::{BorshConfig, Discriminator};
use protocol::units::Moment;
use std::collections::BTreeMap;
use std::fmt::Debug;

/// What all events so far say.
#[derive(Clone, Default)]
pub struct Replay {
    staking: staking::Replay,
    costaking: costaking::Replay,
    governance: governance::Replay,
    jobs: jobs::Replay,
    referee: referee::Replay,
}

impl Replay {
    /// What these accounts say, for a test that wrote some itself.
    pub fn read(books: &Books) -> Self {
        Self {
            staking: staking::Replay::read(books),
            costaking: costaking::Replay::read(books),
            governance: governance::Replay::read(books),
            jobs: jobs::Replay::read(books),
            referee: referee::Replay::read(books),
        }
    }

    /// Applies the events of a transaction and compares the result with the accounts after it.
    pub fn check(&mut self, logs: &[String], now: Moment, books: &Books) {
        let logged = chain::logged(logs);
        assert!(!logged.cut, "events may be missing");
        for (program, record) in &logged.records {
            let record = &Record(record);
            if *program == ::staking::ID {
                self.staking.apply(record);
            } else if *program == ::costaking::ID {
                if let Some(part) = self.costaking.apply(record) {
                    self.staking.shared(part);
                }
            } else if *program == ::governance::ID {
                self.governance.apply(record);
            } else if *program == ::jobs::ID {
                self.jobs.apply(record, now);
            } else if *program == ::referee::ID {
                self.referee.apply(record);
            }
        }
        self.staking.check(books);
        self.costaking.check(books);
        self.governance.check(books);
        self.jobs.check(books);
        self.referee.check(books);
    }
}

/// An event as it was logged.
struct Record<'a>(&'a [u8]);

impl Record<'_> {
    fn is<E>(&self) -> Option<E>
    where
        E: Discriminator + for<'de> SchemaRead<'de, BorshConfig, Dst = E>,
    {
        chain::decode_event(self.0)
    }
}

fn view<L, A, K: Ord, T>(accounts: &BTreeMap<L, A>, told: impl Fn(&L, &A) -> (K, T)) -> BTreeMap<K, T> {
    accounts.iter().map(|(key, account)| told(key, account)).collect()
}

fn compare<K: Debug + Ord, T: Debug + PartialEq>(kind: &str, events: &BTreeMap<K, T>, accounts: &BTreeMap<K, T>) {
    for key in events.keys().chain(accounts.keys()) {
        assert_eq!(events.get(key), accounts.get(key), "{kind}: what events and account say of {key:?}");
    }
}
