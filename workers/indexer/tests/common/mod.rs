//! A story with everything that can happen in the market, and a node that shows it.
#![allow(dead_code, reason = "each test uses its part")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

pub mod random_events;

use async_trait::async_trait;
use chain::idl::Event;
use chain::market::{self, costake, govern, job, reward, slash, stake};
use chain::{Filter, Landed, Lifetime, Network, Result, Simulation};
use futures_util::{
    StreamExt,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use indexer::{Follower, Store, Taken};
use jobs::JobTerms;
use protocol::{tensor::Shape, units::IO};
use serde_json::Value;
use solana_account::Account;
use solana_address::Address;
use solana_instruction::Instruction;
use solana_keypair::Keypair;
use solana_signature::Signature;
use solana_signer::Signer;
use solana_transaction::versioned::VersionedTransaction;
use sqlx::{AnyPool, AssertSqlSafe, Row};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use tests::{Consumer, Entry, OFFER, World, ending, terms, tiny_graph, tiny_run};
use tokio::sync::{broadcast, watch};

/// A fake node.
pub struct Node {
    /// All transactions.
    pub entries: Vec<(Signature, Entry)>,
    /// How many of them it shows.
    pub told: AtomicUsize,
    /// How many of the oldest it no longer lists.
    pub forgotten: AtomicUsize,
    /// The current slot is one later than it would be.
    pub idle: AtomicBool,
    /// The slot of the last transaction is still current, though all are shown.
    pub busy: AtomicBool,
    /// It takes no subscriptions.
    pub deaf: AtomicBool,
    /// A transaction whose details it lacks.
    pub unknown: Mutex<Option<Signature>>,
    /// How many transactions are known to the machine that lists the job program's.
    pub behind: AtomicUsize,
    /// The machine that reads accounts lags.
    pub stale: AtomicBool,
    /// It refuses one of so many lookups of transactions.
    pub refuses: AtomicUsize,
    /// How many lookups were requested.
    pub lookups: AtomicUsize,
    /// How many lists were requested.
    pub lists: AtomicUsize,
    /// How many rounds began, by requests for the slot, plus requests that failed because a machine lagged.
    pub rounds: watch::Sender<usize>,
    news: Mutex<broadcast::Sender<()>>,
    /// The accounts it has.
    pub accounts: Vec<(Address, Account)>,
}

impl Node {
    pub fn new(world: &World) -> Self {
        let accounts = indexer::PROGRAMS.iter().flat_map(|program| world.accounts_of(program));
        Self::of(world.journal.clone().unwrap(), accounts.collect())
    }

    /// A node with these transactions and accounts.
    pub fn of(entries: Vec<Entry>, accounts: Vec<(Address, Account)>) -> Self {
        let entries = entries.into_iter().enumerate();
        Self {
            entries: entries.map(|(index, entry)| (signature(index), entry)).collect(),
            told: AtomicUsize::new(usize::MAX),
            forgotten: AtomicUsize::new(0),
            idle: AtomicBool::new(false),
            busy: AtomicBool::new(false),
            deaf: AtomicBool::new(false),
            unknown: Mutex::default(),
            behind: AtomicUsize::new(usize::MAX),
            stale: AtomicBool::new(false),
            refuses: AtomicUsize::new(usize::MAX),
            lookups: AtomicUsize::new(0),
            lists: AtomicUsize::new(0),
            rounds: watch::Sender::new(0),
            news: Mutex::new(broadcast::Sender::new(16)),
            accounts,
        }
    }

    /// How many transactions there are up to and including this one.
    pub fn place(&self, signature: &Signature) -> usize {
        let found = self.entries.iter().position(|(entry, _)| entry == signature);
        found.map_or(0, |index| index + 1)
    }

    /// The transactions that the node shows.
    pub fn told(&self) -> &[(Signature, Entry)] {
        &self.entries[..self.told.load(Ordering::Relaxed).min(self.entries.len())]
    }

    /// Tells all subscribers that an account of each program has changed.
    pub fn push(&self) {
        let _ = self.news.lock().unwrap().send(());
    }

    /// Ends all subscriptions.
    pub fn cut(&self) {
        *self.news.lock().unwrap() = broadcast::Sender::new(16);
    }

    /// Number of events in the transactions shown.
    pub fn events(&self) -> i64 {
        let told = self.told().iter().filter(|(_, entry)| !entry.failed);
        let records = told.map(|(_, entry)| chain::logged(&entry.logs).records);
        let of_ours = |records: Vec<(Address, Vec<u8>)>| records.iter().filter(|(by, _)| indexer::PROGRAMS.contains(by)).count();
        records.map(of_ours).sum::<usize>() as i64
    }

    /// Inserts a transaction after the first `after`, in the slot of the last of these.
    pub fn insert(&mut self, after: usize, logs: Vec<String>) -> Signature {
        let entry = Entry {
            slot: self.entries[after - 1].1.slot,
            failed: false,
            fee: 5_000,
            instructions: Vec::new(),
            logs,
        };
        let signature = signature(self.entries.len());
        self.entries.insert(after, (signature, entry));
        signature
    }

    /// Truncates the log of the first transaction with this instruction of the job program before its first event. Somebody forges events
    /// after the cut.
    pub fn cut_log(&mut self, instruction: &str) -> Signature {
        let (_, settled) = self.entries.iter().find(|(_, entry)| calls(entry, "settle_job")).unwrap();
        let forged = says(settled);
        let (signature, entry) = self.entries.iter_mut().find(|(_, entry)| calls(entry, instruction)).unwrap();
        entry.logs = [format!("Program {} invoke [1]", jobs::ID), "Log truncated".to_owned()].into();
        entry.logs.extend(forged);
        *signature
    }

    /// Truncates the log of the last transaction with this instruction after the first `heard` events.
    pub fn cut_last_log(&mut self, instruction: &str, heard: usize) {
        let last = self.last(instruction);
        let (_, entry) = &mut self.entries[last];
        let mut places = entry.logs.iter().enumerate().filter(|(_, line)| line.starts_with(SAYS));
        if let Some((place, _)) = places.nth(heard) {
            entry.logs.truncate(place);
        }
        entry.logs.push("Log truncated".to_owned());
    }

    /// Index of the last transaction with this instruction.
    pub fn last(&self, instruction: &str) -> usize {
        self.entries.iter().rposition(|(_, entry)| calls(entry, instruction)).unwrap()
    }

    /// The current slot: that of the last transaction shown, or one later if all are.
    fn slot(&self) -> u64 {
        let told = self.told();
        let last = told.last().map_or(0, |(_, entry)| entry.slot);
        let is_last = told.len() == self.entries.len() && !self.busy.load(Ordering::Relaxed);
        last + u64::from(is_last) + u64::from(self.idle.load(Ordering::Relaxed))
    }
}

/// Prefix of log lines with events.
const SAYS: &str = "Program data: ";

fn says(entry: &Entry) -> Vec<String> {
    entry.logs.iter().filter(|line| line.starts_with(SAYS)).cloned().collect()
}

/// Whether a successful transaction has this instruction.
fn calls(entry: &Entry, name: &str) -> bool {
    let mut called = entry.instructions.iter().filter_map(chain::idl::decode);
    !entry.failed && called.any(|call| call.name == name)
}

fn signature(index: usize) -> Signature {
    let mut bytes = [7; 64];
    bytes[..8].copy_from_slice(&(index as u64).to_be_bytes());
    Signature::from(bytes)
}

/// Time of a slot, at two and a half slots per second.
pub fn time(slot: u64) -> i64 {
    1_800_000_000 + slot as i64 * 2 / 5
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

    async fn recent_fees(&self, _: &[Address]) -> Result<Vec<u64>> {
        unasked()
    }

    async fn send(&self, _: &VersionedTransaction) -> Result<()> {
        unasked()
    }

    async fn landed(&self, signature: &Signature) -> Result<Option<Landed>> {
        let lookups = 1 + self.lookups.fetch_add(1, Ordering::Relaxed);
        if lookups.is_multiple_of(self.refuses.load(Ordering::Relaxed)) {
            let (url, reason) = (self.url().to_owned(), "too many requests".to_owned());
            return Err(chain::Error::Unreachable { url, reason });
        }
        let found = self.told().iter().find(|(told, _)| told == signature);
        Ok(found.map(|(_, entry)| Landed {
            slot: entry.slot,
            time: Some(time(entry.slot)),
            error: entry.failed.then_some(solana_transaction_error::TransactionError::AccountInUse),
            compute_units: 1,
            fee: entry.fee,
            logs: (*self.unknown.lock().unwrap() != Some(*signature)).then(|| entry.logs.clone()),
        }))
    }

    async fn history(&self, address: &Address, before: Option<&Signature>, slot: u64) -> Result<Vec<(u64, Signature)>> {
        self.lists.fetch_add(1, Ordering::Relaxed);
        let mut listed = self.told().get(self.forgotten.load(Ordering::Relaxed)..).unwrap_or_default();
        if let Some((known, [(_, next), ..])) = listed.split_at_checked(self.behind.load(Ordering::Relaxed))
            && *address == jobs::ID
        {
            // It has not reached this slot.
            if slot >= next.slot {
                self.rounds.send_modify(|rounds| *rounds += 1);
                let url = self.url().to_owned();
                return Err(chain::Error::Behind { url, slot });
            }
            listed = known;
        }
        let named = format!("Program {address} invoke");
        // Some programs' lists lack the current slot.
        let lags = (usize::from(address.as_array()[0]) + self.told().len()).is_multiple_of(2);
        let on = self.slot();
        let told = listed.iter().rev().filter(|(_, entry)| !lags || entry.slot < on);
        // A transaction with an empty log names every program.
        let all = told.filter(|(_, entry)| entry.logs.is_empty() || entry.logs.iter().any(|line| line.starts_with(&named)));
        let all = all.map(|(signature, entry)| (entry.slot, *signature));
        Ok(match before {
            None => all.take(1_000).collect(),
            Some(before) => all.skip_while(|(_, signature)| signature != before).skip(1).take(1_000).collect(),
        })
    }

    async fn instructions(&self, signature: &Signature) -> Result<Option<Vec<Instruction>>> {
        let found = self.told().iter().find(|(told, _)| told == signature);
        Ok(found.map(|(_, entry)| entry.instructions.clone()))
    }

    async fn signature_seen(&self, _: &Signature) -> Result<BoxFuture<'static, bool>> {
        unasked()
    }

    async fn accounts(&self, addresses: &[Address]) -> Result<(u64, Vec<Option<Account>>)> {
        let find = |address: &Address| self.accounts.iter().find(|(known, _)| known == address);
        let found: Vec<_> = addresses.iter().map(|address| Some(find(address)?.1.clone())).collect();
        if found == [None] {
            self.rounds.send_modify(|rounds| *rounds += 1);
            return Ok((self.slot(), found));
        }
        Ok((self.slot() * u64::from(!self.stale.load(Ordering::Relaxed)), found))
    }

    async fn program_accounts(&self, program: &Address, filters: &[Filter]) -> Result<Vec<(Address, Account)>> {
        let passes = |account: &Account| account.owner == *program && filters.iter().all(|filter| filter.passes(account));
        Ok(self.accounts.iter().filter(|(_, account)| passes(account)).cloned().collect())
    }

    async fn account_changes(&self, _: &Address) -> Result<BoxStream<'static, (u64, Account)>> {
        unasked()
    }

    async fn program_changes(&self, program: &Address, _: &[Filter]) -> Result<BoxStream<'static, (Address, Account)>> {
        if self.deaf.load(Ordering::Relaxed) {
            let (url, reason) = (self.url().to_owned(), "it is deaf".to_owned());
            return Err(chain::Error::Unreachable { url, reason });
        }
        let (program, news) = (*program, self.news.lock().unwrap().subscribe());
        let changes = stream::unfold(news, async |mut news| news.recv().await.is_ok().then_some(((), news)));
        Ok(changes.map(move |()| (program, Account::default())).boxed())
    }
}

/// A market with everything in it: devices, co-stakers, hours of rewards, jobs that end in every way, a dispute, slashes, a vote and a
/// model. Some transactions fail, some share a slot.
pub fn story() -> World {
    static STORY: LazyLock<World> = LazyLock::new(tell);
    STORY.clone()
}

fn tell() -> World {
    let mut world = World::new();
    world.journal = Some(Vec::new());
    let [alice, bob] = ["alice", "bob"].map(|name| world.worker(name));
    let (consumer, carol) = (world.consumer("consumer"), world.co_staker("carol"));
    let proposer = world.proposer("paul");
    let judges = [world.wallet("accuser"), world.wallet("judge")];
    let admin = world.admin.clone();
    let named = slash::set_judges(&admin.pubkey(), &judges[0].pubkey(), &judges[1].pubkey());
    world.send(named, &[&admin]);
    // Stake cannot vote before it is a week old.
    world.wait(7 * 86_400);
    world.govern();
    let offer = world.offer(&alice, OFFER);
    let stakes = [0, 1].map(|id| world.join(&carol, &offer, id, 50 * IO));
    for _ in 0..4 {
        world.live(&[&alice, &bob]);
    }
    world.send(stakes[0].claiming(), &[&carol.wallet]);
    world.send(stakes[1].leaving(0, 50 * IO), &[&carol.wallet]);
    for _ in 0..2 {
        world.live(&[&alice, &bob]);
    }
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
    lie(&mut world, &consumer);
    judge(&mut world, &judges);
    let mut graph = tiny_graph();
    graph.inputs = vec![Shape::new(2, 2, 3)];
    graph.ops[0].output = Shape::new(4, 4, 3);
    let known = world.model;
    world.model = world.register(&graph);
    let other = world.open(&consumer, 39, terms());
    world.model = known;
    world.send(job::cancel_job(&consumer.wallet(), &consumer.escrow, &other), &[&consumer.owner]);
    // A job at a used address, which ends in another way, and one in progress.
    let again = world.open(&consumer, 1, terms());
    world.send(job::cancel_job(&consumer.wallet(), &consumer.escrow, &again), &[&consumer.owner]);
    let open = world.open(&consumer, 40, terms());
    world.claim(&bob, &open);
    world.send(reward::claim(&bob.wallet(), &bob.device, &bob.tokens), &[&bob.owner]);
    // Both cooldowns are long over. What the stake earned while leaving is paid with it.
    world.note_rewards();
    world.send(stakes[1].cooling(0), &[]);
    world.send(stakes[1].withdrawing(0), &[&carol.wallet]);
    world.send(costake::retract(&alice.wallet(), &alice.device, &offer), &[&alice.owner]);
    world.send(stake::unstake(&alice.wallet(), &alice.device), &[&alice.owner]);
    world
}

/// Mallory's result is wrong in two places. One challenger convicts it for the first; another, who sealed the second before, overtakes and is
/// paid; the rest is burned.
fn lie(world: &mut World, consumer: &Consumer) {
    let (mallory, io) = (world.worker("mallory"), world.io);
    let mut run = tiny_run(1, Some((3, 17)));
    run.units[5].last_mut().unwrap()[2] ^= 1;
    run.commit();
    let inputs = run.claim.inputs;
    let address = world.open(consumer, 38, JobTerms { inputs, ..terms() });
    world.deliver(&mallory, &address, &run);
    let [first, second] = ["dora", "erik"].map(|name| world.wallet(name));
    let evidence = [(&first, (5, 2)), (&second, (3, 17))].map(|(challenger, (unit, element))| {
        world.give_tokens(&challenger.pubkey(), &io, 0);
        world.pass(0, 1);
        world.show(challenger, &address, &run.element(unit, 0, element))
    });
    world.pass(0, 1);
    let compensated = market::token_account(&consumer.wallet(), &io);
    let convict = job::convict(
        &second.pubkey(),
        &address,
        &world.model,
        &consumer.escrow,
        &mallory.device,
        &evidence[1],
        &compensated,
    );
    world.send(convict, &[&second]);
    let overtake = job::overtake(&first.pubkey(), &address, &world.model, &mallory.device, &evidence[0]);
    world.send(overtake, &[&first]);
    world.wait(30);
    let tokens = market::token_account(&first.pubkey(), &io);
    let award = job::award(&first.pubkey(), &address, &world.conviction(&address), &tokens);
    world.send(award, &[&first]);
    world.send(stake::burn_forfeited(&mallory.device, &io), &[]);
}

/// Two slashes of another device: one is dropped, the other is appealed and upheld.
fn judge(world: &mut World, [accuser, judge]: &[Arc<Keypair>; 2]) {
    let trent = world.worker("trent");
    let propose = |number, share| slash::propose(&accuser.pubkey(), &trent.device, number, 0, share, [9; 32]);
    world.send(propose(1, 500), &[accuser]);
    let dropped = slash::withdraw(&accuser.pubkey(), &accuser.pubkey(), &trent.device, 1);
    world.send(dropped, &[accuser]);
    world.send(propose(2, 500), &[accuser]);
    world.send(slash::approve(&judge.pubkey(), &trent.device, 2, 500, [9; 32]), &[judge]);
    world.send(slash::appeal(&trent.wallet(), &trent.device, 2, [7; 32]), &[&trent.owner]);
    world.wait(30 * 86_400);
    world.send(slash::finish(&accuser.pubkey(), &trent.device, 2), &[]);
}

/// Opens the database in this file.
pub async fn store(path: &Path) -> Store {
    Store::open(&url(path)).await.unwrap()
}

/// The URL of the database in this file.
pub fn url(path: &Path) -> String {
    format!("sqlite://{}", path.display())
}

/// Indexes everything that the node shows.
pub async fn take_all(node: &Arc<Node>, store: &Store) {
    let mut follower = Follower::new(node.clone(), store.clone());
    while follower.round().await.unwrap().taken > 0 {}
}

/// A made-up event.
pub fn event(program: &'static str, name: &'static str, values: Value) -> Event {
    Event {
        program,
        name,
        values: values.as_object().unwrap().clone(),
    }
}

/// A made-up transaction.
pub fn taken(number: u8, events: Vec<Event>) -> Taken {
    Taken {
        signature: Signature::from([number; 64]),
        slot: number.into(),
        time: Some(1_800_000_000 + i64::from(number)),
        fee: 5_000,
        compute_units: 1,
        events,
    }
}

/// Empties the books, as a migration does that changes what they hold.
pub async fn empty_books(url: &str) {
    let pool = AnyPool::connect(url).await.unwrap();
    for table in &TABLES[4..] {
        sqlx::query(AssertSqlSafe(format!("DELETE FROM {table}")))
            .execute(&pool)
            .await
            .unwrap();
    }
    sqlx::query("INSERT INTO rebuild (event) VALUES (0)").execute(&pool).await.unwrap();
    pool.close().await;
}

/// Every row of every table of the history.
pub async fn dump(url: &str) -> Vec<String> {
    let pool = AnyPool::connect(url).await.unwrap();
    let mut all = Vec::new();
    for table in TABLES {
        let rows = sqlx::query(AssertSqlSafe(format!("SELECT * FROM {table}")))
            .fetch_all(&pool)
            .await
            .unwrap();
        for row in rows {
            let columns = (0..row.len()).map(|column| {
                let number = row.try_get::<Option<i64>, _>(column).map(|number| format!("{number:?}"));
                number.unwrap_or_else(|_| row.get::<String, _>(column))
            });
            all.push(format!("{table} {}", columns.collect::<Vec<_>>().join(" ")));
        }
    }
    // SQLite and PostgreSQL sort text differently.
    all.sort_unstable();
    all
}

/// Tables of the history: four of transactions and events, and the books.
const TABLES: [&str; 21] = [
    "transactions",
    "cursors",
    "events",
    "mentions",
    "jobs",
    "escrows",
    "devices",
    "offers",
    "hours",
    "proposals",
    "models",
    "disputes",
    "slashes",
    "rewards",
    "shares",
    "claims",
    "votes",
    "prices",
    "throughput",
    "latencies",
    "counters",
];
