//! A market's whole story, and a node that tells of it.
#![allow(dead_code, reason = "each test uses its part")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use async_trait::async_trait;
use chain::market::{self, costake, govern, job, reward, stake};
use chain::{Filter, Landed, Lifetime, Network, Result, Simulation};
use futures_util::{future::BoxFuture, stream::BoxStream};
use indexer::{Follower, Store};
use protocol::units::IO;
use solana_account::Account;
use solana_address::Address;
use solana_instruction::Instruction;
use solana_signature::Signature;
use solana_signer::Signer;
use solana_transaction::versioned::VersionedTransaction;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tests::{Entry, OFFER, World, ending, terms};

/// A node that has these transactions, as many of them as it tells of, and these accounts.
pub struct Node {
    pub entries: Vec<(Signature, Entry)>,
    pub told: AtomicUsize,
    accounts: Vec<(Address, Account)>,
}

impl Node {
    pub fn new(world: &World) -> Self {
        let entries = world.journal.clone().unwrap().into_iter().enumerate();
        let programs = [staking::ID, costaking::ID, jobs::ID, governance::ID, referee::ID];
        Self {
            entries: entries.map(|(index, entry)| (signature(index), entry)).collect(),
            told: AtomicUsize::new(usize::MAX),
            accounts: programs.iter().flat_map(|program| world.accounts_of(program)).collect(),
        }
    }

    /// How many transactions there are up to this one.
    pub fn place(&self, signature: &Signature) -> usize {
        let found = self.entries.iter().position(|(entry, _)| entry == signature);
        found.map_or(0, |index| index + 1)
    }

    pub fn told(&self) -> &[(Signature, Entry)] {
        &self.entries[..self.told.load(Ordering::Relaxed).min(self.entries.len())]
    }

    /// The slot that is on: that of the last transaction told of, until all are.
    fn slot(&self) -> u64 {
        let told = self.told();
        let last = told.last().map_or(0, |(_, entry)| entry.slot);
        last + u64::from(told.len() == self.entries.len())
    }
}

fn signature(index: usize) -> Signature {
    let mut bytes = [7; 64];
    bytes[..8].copy_from_slice(&(index as u64).to_be_bytes());
    Signature::from(bytes)
}

fn unasked<T>() -> Result<T> {
    panic!("an indexer does not ask for this")
}

#[async_trait]
impl Network for Node {
    fn url(&self) -> &str {
        "http://node"
    }

    async fn lifetime(&self) -> Result<Lifetime> {
        unasked()
    }

    async fn block_height(&self) -> Result<u64> {
        unasked()
    }

    async fn simulate(&self, _: &VersionedTransaction, _: &[Address]) -> Result<Simulation> {
        unasked()
    }

    async fn send(&self, _: &VersionedTransaction) -> Result<()> {
        unasked()
    }

    async fn landed(&self, signature: &Signature) -> Result<Option<Landed>> {
        let found = self.told().iter().find(|(told, _)| told == signature);
        Ok(found.map(|(_, entry)| Landed {
            slot: entry.slot,
            time: Some(1_800_000_000 + entry.slot as i64),
            error: entry.failed.then_some(solana_transaction_error::TransactionError::AccountInUse),
            compute_units: 1,
            fee: entry.fee,
            logs: entry.logs.clone(),
        }))
    }

    async fn history(&self, address: &Address, before: Option<&Signature>) -> Result<Vec<Signature>> {
        let named = format!("Program {address} invoke");
        // Of the slot that is on it has told some programs' followers, and others not yet.
        let lags = (usize::from(address.as_array()[0]) + self.told().len()).is_multiple_of(2);
        let slot = self.slot();
        let told = self.told().iter().rev().filter(|(_, entry)| !lags || entry.slot < slot);
        let all = told.filter(|(_, entry)| entry.logs.iter().any(|line| line.starts_with(&named)));
        let all = all.map(|(signature, _)| *signature);
        Ok(match before {
            None => all.take(1_000).collect(),
            Some(before) => all.skip_while(|signature| signature != before).skip(1).take(1_000).collect(),
        })
    }

    async fn instructions(&self, _: &Signature) -> Result<Option<Vec<Instruction>>> {
        unasked()
    }

    async fn signature_seen(&self, _: &Signature) -> Result<BoxFuture<'static, bool>> {
        unasked()
    }

    async fn accounts(&self, _: &[Address]) -> Result<(u64, Vec<Option<Account>>)> {
        Ok((self.slot(), vec![None]))
    }

    async fn program_accounts(&self, program: &Address, filters: &[Filter]) -> Result<Vec<(Address, Account)>> {
        let passes = |account: &Account| account.owner == *program && filters.iter().all(|filter| filter.passes(account));
        Ok(self.accounts.iter().filter(|(_, account)| passes(account)).cloned().collect())
    }

    async fn account_changes(&self, _: &Address) -> Result<BoxStream<'static, (u64, Account)>> {
        unasked()
    }

    async fn program_changes(&self, _: &Address, _: &[Filter]) -> Result<BoxStream<'static, (Address, Account)>> {
        unasked()
    }
}

/// A market with everything in it: devices, co-stakers, hours of rewards, jobs with every ending, a vote; some transactions fail, some share a slot.
pub fn story() -> World {
    let mut world = World::new();
    world.journal = Some(Vec::new());
    let [alice, bob] = ["alice", "bob"].map(|name| world.worker(name));
    let (consumer, carol) = (world.consumer("consumer"), world.co_staker("carol"));
    let proposer = world.proposer("paul");
    // Younger stake has no vote.
    world.wait(7 * 86_400);
    world.govern();
    let offer = world.offer(&alice, OFFER);
    let stakes = [0, 1].map(|id| world.join(&carol, &offer, id, 50 * IO));
    for _ in 0..4 {
        world.live(&[&alice, &bob]);
    }
    world.send(stakes[1].leaving(0, 50 * IO), &[&carol.wallet]);
    let cranker = world.wallet("cranker");
    for id in 1..=30u64 {
        let address = world.open(&consumer, id, terms());
        let cancel = job::cancel_job(&consumer.wallet(), &consumer.escrow, &address);
        match id % 3 {
            0 => drop(world.send(cancel, &[&consumer.owner])),
            _ => {
                world.work(&alice, &address);
                assert!(world.try_send(cancel, &[&consumer.owner]).is_err());
                world.wait_for_deadline(&address);
                let settle = market::job::settle_job(&cranker.pubkey(), &ending(&consumer, &alice, &address), &alice.tokens);
                world.send(settle, &[&cranker]);
            }
        }
    }
    let change = job::set_parameters(&govern::authority(), tests::PARAMETERS);
    world.decide(&proposer, &[&alice, &bob], &[change]);
    // A job of an address that was used before, which ends in another way, and one in progress.
    let again = world.open(&consumer, 1, terms());
    world.send(job::cancel_job(&consumer.wallet(), &consumer.escrow, &again), &[&consumer.owner]);
    let open = world.open(&consumer, 40, terms());
    world.claim(&bob, &open);
    world.send(reward::claim(&bob.wallet(), &bob.device, &bob.tokens), &[&bob.owner]);
    world.send(costake::retract(&alice.wallet(), &alice.device, &offer), &[&alice.owner]);
    world.send(stake::unstake(&alice.wallet(), &alice.device), &[&alice.owner]);
    world
}

/// The database in this file.
pub async fn store(path: &Path) -> Store {
    Store::open(&format!("sqlite://{}", path.display())).await.unwrap()
}

/// Takes in all there is.
pub async fn take_all(node: &Arc<Node>, store: &Store) {
    let follower = Follower::new(node.clone(), store.clone());
    while follower.round().await.unwrap() > 0 {}
}
