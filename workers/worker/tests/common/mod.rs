//! A market for one worker: the programs in LiteSVM behind the worker's own client, with a clock that runs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, dead_code)]

use anchor_lang::Discriminator;
use async_trait::async_trait;
use blobs::BlobStore;
use chain::{Chain, Filter, Landed, Lifetime, Network, PriorityFee, Simulation, market};
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use futures_util::{FutureExt, StreamExt, stream};
use jobs::{DemandHeader, Job, JobTerms, Permit, Status};
use protocol::batch::BatchHeader;
use protocol::demand::Item;
use protocol::hash::Hash;
use protocol::ops::{Inputs, OpDescriptor};
use protocol::tensor::Shape;
use protocol::testing::Graph;
use protocol::units::{IO, Moment};
use serde_json::json;
use solana_account::Account;
use solana_address::Address;
use solana_instruction::error::InstructionError;
use solana_instruction::{AccountMeta, Instruction};
use solana_signature::Signature;
use solana_signer::Signer;
use solana_transaction::TransactionError;
use solana_transaction::versioned::VersionedTransaction;
use std::collections::{HashMap, HashSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tests::{Consumer, World};
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;
use worker::market::jobs_on;
use worker::{Result, Settings, Worker};

pub mod drawn;

/// A slot of the test's chain.
const SLOT: Duration = Duration::from_millis(10);

/// Slots to a second: the nominal 2.5, as a fraction.
const SECOND: u64 = 5;

/// A node over a world in memory.
pub struct Node {
    state: Mutex<State>,
    news: broadcast::Sender<(Address, Account)>,
}

struct State {
    world: World,
    /// Keys that may sign.
    keys: Vec<Arc<solana_keypair::Keypair>>,
    landed: HashMap<Signature, Landed>,
    /// The same transactions, oldest first.
    order: Vec<VersionedTransaction>,
    blockhashes: u64,
    /// Successful instructions of our programs, by discriminator.
    effects: HashMap<[u8; 8], usize>,
    failures: usize,
    /// How often each account was read.
    reads: HashMap<Address, usize>,
    /// Transactions that are on their way, while they are held back.
    held: Option<VecDeque<VersionedTransaction>>,
    /// Transactions that never land.
    lost: Vec<VersionedTransaction>,
    /// See [`Node::stumble`]: how many more transactions succeed.
    stumbling: Option<(usize, Behind)>,
    behind: Option<Behind>,
    /// Searches for demands that are never answered, where none is any more.
    hanging: Option<usize>,
    /// See [`Node::stop_news`].
    mute: Option<bool>,
    /// How often open jobs on the market's model were searched for.
    searches: usize,
    /// What is said of accounts instead of the truth, and how many times more.
    wrong: HashMap<Address, (Wrong, usize)>,
}

/// What a node shows that has fallen behind.
struct Behind {
    world: World,
    /// Of this account.
    address: Address,
    /// To so many reads.
    reads: usize,
}

/// What a node that lags or errs says of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// That it cannot say.
    Unreachable,
    /// That there is none, as of so many slots ago.
    Absent(u64),
    /// Nothing when asked for all accounts of a program.
    Unlisted,
    /// Neither, as of before it was opened.
    Behind,
}

impl Node {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Acts on the world.
    pub fn with<T>(&self, act: impl FnOnce(&mut World) -> T) -> T {
        act(&mut self.state().world)
    }

    /// Keeps transactions on their way until released.
    pub fn hold(&self) {
        self.state().held = Some(VecDeque::new());
    }

    /// Number of different transactions on their way.
    pub fn held(&self) -> usize {
        self.state().held.as_ref().map_or(0, VecDeque::len)
    }

    /// Lets what is on its way land.
    pub fn release(&self) {
        let mut state = self.state();
        for transaction in state.held.take().unwrap_or_default() {
            state.land(&transaction);
        }
    }

    /// Loses what is on its way, however often it is sent again, and holds nothing back any more.
    pub fn lose(&self) {
        let mut state = self.state();
        let held = state.held.take().unwrap_or_default();
        state.lost.extend(held);
    }

    /// Lets `count` more transactions succeed and fails the next one. The node then falls behind: it shows the account at `address` three
    /// times as it is now.
    pub fn stumble(&self, count: usize, address: Address) {
        let mut state = self.state();
        let world = state.world.clone();
        let reads = 3;
        state.stumbling = Some((count, Behind { world, address, reads }));
    }

    /// Shows the account at `address` so many times as it is in this world.
    pub fn falls_behind(&self, world: World, address: Address, reads: usize) {
        self.state().behind = Some(Behind { world, address, reads });
    }

    /// Whether it still will.
    pub fn is_behind(&self) -> bool {
        self.state().behind.as_ref().is_some_and(|behind| behind.reads > 0)
    }

    /// Answers no search any more.
    pub fn stop_searches(&self) {
        self.state().hanging = Some(0);
    }

    /// Completes when a search for demands hangs.
    pub async fn search_hangs(&self) {
        while self.state().hanging.is_none_or(|hanging| hanging == 0) {
            tokio::time::sleep(SLOT).await;
        }
    }

    /// Pushes nothing: leaves subscriptions without an answer, or refuses them.
    pub fn stop_news(&self, hang: bool) {
        self.state().mute = Some(hang);
    }

    /// How often open jobs on the market's model were searched for.
    pub fn searches(&self) -> usize {
        self.state().searches
    }

    /// Completes when they were so often.
    pub async fn searched(&self, times: usize) {
        while self.searches() < times {
            tokio::time::sleep(SLOT).await;
        }
    }

    /// Says something wrong about an account so many times.
    pub fn errs(&self, address: &Address, wrong: Wrong, times: usize) {
        self.state().wrong.insert(*address, (wrong, times));
    }

    /// How often it still will.
    pub fn will_err(&self, address: &Address) -> usize {
        self.state().wrong.get(address).map_or(0, |(_, times)| *times)
    }

    /// Most compute units that a transaction with an instruction of this kind asked for.
    pub fn most_units_asked<I: Discriminator>(&self) -> u32 {
        let asked = |transaction: &VersionedTransaction| {
            let data: Vec<&[u8]> = transaction.message.instructions().iter().map(|one| one.data.as_slice()).collect();
            data.iter().find(|data| data.starts_with(I::DISCRIMINATOR))?;
            // SetComputeUnitLimit of the compute budget program.
            let limit = data.iter().find(|data| data.len() == 5 && data[0] == 2)?;
            Some(u32::from_le_bytes(limit[1..].try_into().unwrap()))
        };
        self.state().order.iter().filter_map(asked).max().unwrap_or(0)
    }

    /// Lets another key sign.
    pub fn admit(&self, key: Arc<solana_keypair::Keypair>) {
        self.state().keys.push(key);
    }

    /// How often an instruction of our programs took effect.
    pub fn effective<I: Discriminator>(&self) -> usize {
        let discriminator: [u8; 8] = I::DISCRIMINATOR.try_into().unwrap();
        self.state().effects.get(&discriminator).copied().unwrap_or(0)
    }

    /// Transactions that took effect.
    pub fn effects(&self) -> usize {
        self.state().effects.values().sum()
    }

    /// Completes when an account has been read so many times more.
    pub async fn read_again(&self, address: &Address, times: usize) {
        let reads = || self.state().reads.get(address).copied().unwrap_or(0);
        let enough = reads() + times;
        while reads() < enough {
            tokio::time::sleep(SLOT).await;
        }
    }

    /// Transactions that were paid for and did nothing.
    pub fn failures(&self) -> usize {
        self.state().failures
    }
}

impl State {
    fn run(world: &mut World, keys: &[Arc<solana_keypair::Keypair>], transaction: &VersionedTransaction) -> Landed {
        let instructions = instructions(transaction);
        // Whoever only pays the fee signs nothing here: the kit pays it.
        let signers = instructions.iter().flat_map(|instruction| &instruction.accounts);
        let signs = |key: &Address| signers.clone().any(|meta| meta.is_signer && meta.pubkey == *key);
        let signing: Vec<_> = keys.iter().filter(|key| signs(&key.pubkey())).map(Arc::as_ref).collect();
        let outcome = world.attempt(&instructions, &signing);
        let slot = world.now().slot;
        match outcome {
            Ok(receipt) => Landed {
                slot,
                time: None,
                error: None,
                compute_units: receipt.units,
                fee: receipt.fee,
                logs: Some(receipt.logs),
            },
            Err((error, logs)) => Landed {
                slot,
                time: None,
                error: Some(error),
                compute_units: 0,
                fee: 0,
                logs: Some(logs),
            },
        }
    }

    /// Whether this transaction is the one to fail.
    fn stumbles(&mut self) -> bool {
        match self.stumbling.take() {
            Some((0, behind)) => {
                self.behind = Some(behind);
                true
            }
            Some((count, behind)) => {
                self.stumbling = Some((count - 1, behind));
                false
            }
            None => false,
        }
    }

    /// The world as the node shows these accounts of it.
    fn shown(&mut self, addresses: &[Address]) -> &World {
        match &mut self.behind {
            Some(behind) if behind.reads > 0 && addresses.contains(&behind.address) => {
                behind.reads -= 1;
                &behind.world
            }
            _ => &self.world,
        }
    }

    /// What to say instead of the truth, if it is of that kind.
    fn wrong(&mut self, address: &Address, kind: impl Fn(Wrong) -> bool) -> Option<Wrong> {
        let (wrong, times) = self.wrong.get_mut(address).filter(|(wrong, times)| kind(*wrong) && *times > 0)?;
        *times -= 1;
        Some(*wrong)
    }

    fn land(&mut self, transaction: &VersionedTransaction) {
        let signature = transaction.signatures[0];
        if self.landed.contains_key(&signature) {
            return;
        }
        let landed = match self.stumbles() {
            true => Landed {
                slot: self.world.now().slot,
                time: None,
                error: Some(TransactionError::InstructionError(0, InstructionError::ComputationalBudgetExceeded)),
                compute_units: 0,
                fee: 0,
                logs: Some(Vec::new()),
            },
            false => Self::run(&mut self.world, &self.keys, transaction),
        };
        if landed.error.is_some() {
            self.failures += 1;
        } else {
            for instruction in instructions(transaction)
                .iter()
                .filter(|instruction| [jobs::ID, referee::ID].contains(&instruction.program_id))
            {
                *self.effects.entry(instruction.data[..8].try_into().unwrap()).or_default() += 1;
            }
        }
        self.landed.insert(signature, landed);
        self.order.push(transaction.clone());
    }
}

/// The instructions of a transaction, without those about compute budgets.
fn instructions(transaction: &VersionedTransaction) -> Vec<Instruction> {
    let message = &transaction.message;
    let keys = message.static_account_keys();
    let meta = |index: &u8| {
        let index = usize::from(*index);
        let signer = message.is_signer(index);
        let key = keys[index];
        if message.is_maybe_writable_with_reserved_addresses(index, None::<&HashSet<Address>>) {
            AccountMeta::new(key, signer)
        } else {
            AccountMeta::new_readonly(key, signer)
        }
    };
    let budget = "ComputeBudget111111111111111111111111111111".parse::<Address>().unwrap();
    let all = message.instructions().iter().map(|instruction| Instruction {
        program_id: keys[usize::from(instruction.program_id_index)],
        accounts: instruction.accounts.iter().map(meta).collect(),
        data: instruction.data.clone(),
    });
    all.filter(|instruction| instruction.program_id != budget).collect()
}

#[async_trait]
impl Network for Node {
    fn url(&self) -> &str {
        "a chain in memory"
    }

    async fn lifetime(&self) -> chain::Result<Lifetime> {
        let mut state = self.state();
        state.blockhashes += 1;
        let mut hash = [0; 32];
        hash[..8].copy_from_slice(&state.blockhashes.to_le_bytes());
        Ok(Lifetime {
            blockhash: solana_hash::Hash::new_from_array(hash),
            last_valid_block_height: state.world.now().slot + 100_000,
        })
    }

    async fn block_height(&self) -> chain::Result<u64> {
        Ok(self.state().world.now().slot)
    }

    async fn simulate(&self, transaction: &VersionedTransaction, watched: &[Address]) -> chain::Result<Simulation> {
        let (mut world, keys) = {
            let state = self.state();
            (state.world.clone(), state.keys.clone())
        };
        let landed = State::run(&mut world, &keys, transaction);
        let accounts = watched.iter().map(|address| world.account(address)).collect();
        Ok(Simulation {
            error: landed.error,
            logs: landed.logs.unwrap_or_default(),
            compute_units: landed.compute_units,
            accounts,
        })
    }

    async fn recent_fees(&self, _: &[Address]) -> chain::Result<Vec<u64>> {
        Ok(Vec::new())
    }

    async fn send(&self, transaction: &VersionedTransaction) -> chain::Result<()> {
        let mut state = self.state();
        if state.lost.contains(transaction) {
            return Ok(());
        }
        match &mut state.held {
            Some(held) if !held.contains(transaction) => held.push_back(transaction.clone()),
            Some(_) => {}
            None => state.land(transaction),
        }
        Ok(())
    }

    async fn landed(&self, signature: &Signature) -> chain::Result<Option<Landed>> {
        Ok(self.state().landed.get(signature).cloned())
    }

    async fn history(&self, address: &Address, before: Option<&Signature>, _: u64) -> chain::Result<Vec<(u64, Signature)>> {
        if before.is_some() {
            // Everything fits one page.
            return Ok(Vec::new());
        }
        let state = self.state();
        let names = |transaction: &&VersionedTransaction| transaction.message.static_account_keys().contains(address);
        Ok(state
            .order
            .iter()
            .rev()
            .filter(names)
            .map(|transaction| (state.landed[&transaction.signatures[0]].slot, transaction.signatures[0]))
            .collect())
    }

    async fn instructions(&self, signature: &Signature) -> chain::Result<Option<Vec<Instruction>>> {
        let state = self.state();
        let took_effect = state.landed.get(signature).is_some_and(|landed| landed.error.is_none());
        let found = state.order.iter().find(|transaction| transaction.signatures[0] == *signature);
        Ok(found.filter(|_| took_effect).map(instructions))
    }

    async fn signature_seen(&self, _: &Signature) -> chain::Result<BoxFuture<'static, bool>> {
        // Announced once it may have landed; the client looks for itself.
        Ok(tokio::time::sleep(SLOT).map(|()| true).boxed())
    }

    async fn accounts(&self, addresses: &[Address]) -> chain::Result<(u64, Vec<Option<Account>>)> {
        let mut state = self.state();
        for address in addresses {
            *state.reads.entry(*address).or_default() += 1;
        }
        let wrong: Vec<_> = addresses
            .iter()
            .map(|address| state.wrong(address, |wrong| wrong != Wrong::Unlisted))
            .collect();
        if wrong.contains(&Some(Wrong::Unreachable)) {
            return Err(chain::Error::Unreachable {
                url: self.url().to_owned(),
                reason: "502".to_owned(),
            });
        }
        let ago = wrong.iter().map(|wrong| match wrong {
            Some(Wrong::Absent(ago)) => *ago,
            Some(Wrong::Behind) => u64::MAX,
            _ => 0,
        });
        let world = state.shown(addresses);
        let account = |(address, wrong): (&Address, &Option<Wrong>)| wrong.map_or_else(|| world.account(address), |_| None);
        Ok((
            world.now().slot.saturating_sub(ago.max().unwrap_or(0)),
            addresses.iter().zip(&wrong).map(account).collect(),
        ))
    }

    async fn program_accounts(&self, program: &Address, filters: &[Filter]) -> chain::Result<Vec<(Address, Account)>> {
        let hangs = {
            let mut state = self.state();
            let for_demands = filters.contains(&Filter::Bytes(0, DemandHeader::DISCRIMINATOR.to_vec()));
            if let Some(hanging) = state.hanging.as_mut().filter(|_| for_demands) {
                *hanging += 1;
            }
            state.hanging.is_some()
        };
        if hangs {
            return std::future::pending().await;
        }
        let mut state = self.state();
        if filters.ends_with(&jobs_on(&state.world.model, Status::Open)) {
            state.searches += 1;
        }
        let mut accounts = state.world.accounts_of(program);
        accounts.retain(|(_, account)| filters.iter().all(|filter| filter.passes(account)));
        accounts.retain(|(address, _)| {
            state
                .wrong(address, |wrong| matches!(wrong, Wrong::Unlisted | Wrong::Behind))
                .is_none()
        });
        Ok(accounts)
    }

    async fn account_changes(&self, _: &Address) -> chain::Result<BoxStream<'static, (u64, Account)>> {
        Err(chain::Error::Unreachable {
            url: self.url().to_owned(),
            reason: "no subscriptions".to_owned(),
        })
    }

    async fn program_changes(&self, _: &Address, filters: &[Filter]) -> chain::Result<BoxStream<'static, (Address, Account)>> {
        let mute = self.state().mute;
        match mute {
            Some(true) => return std::future::pending().await,
            Some(false) => {
                return Err(chain::Error::Unreachable {
                    url: self.url().to_owned(),
                    reason: "no subscriptions".to_owned(),
                });
            }
            None => {}
        }
        let (news, filters) = (self.news.subscribe(), filters.to_vec());
        let changes = stream::unfold((news, filters), |(mut news, filters)| async move {
            loop {
                let (address, account) = news.recv().await.ok()?;
                if filters.iter().all(|filter| filter.passes(&account)) {
                    return Some(((address, account), (news, filters)));
                }
            }
        });
        Ok(changes.boxed())
    }
}

/// A market with one device, one consumer and one model, in a folder of its own.
pub struct Market {
    pub node: Arc<Node>,
    pub folder: tempfile::TempDir,
    pub consumer: Consumer,
    pub supplier: tests::Worker,
    /// Somebody who watches, with some SOL.
    pub challenger: Arc<solana_keypair::Keypair>,
    pub mint: Address,
    /// Ends the clock with the market.
    _clock: AbortOnDrop,
}

/// A task that ends with this value.
pub struct AbortOnDrop(pub tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Units of every job.
pub const UNITS: u32 = 3;

impl Market {
    /// Starts one with the kit's model. Must be called within a runtime: its clock is a task.
    pub fn start() -> Self {
        Self::of(&tests::tiny_graph())
    }

    /// Starts one with a model that doubles the image of the kit's model three times more, and whose traces are of the second op and the
    /// last.
    pub fn of_checkpoints() -> Self {
        let mut graph = tests::tiny_graph();
        for id in 1..4u16 {
            let last = graph.ops.last().unwrap();
            let output = Shape::new(2 * last.output.h, 2 * last.output.w, 3);
            let op = OpDescriptor {
                inputs: Inputs::new(&[id]).unwrap(),
                output,
                ..*last
            };
            graph.ops.push(op);
            graph.constants.push(Default::default());
        }
        graph.interval = 2;
        Self::of(&graph)
    }

    /// Starts one with a model of enlargements, each of the one before.
    fn of(graph: &Graph) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut world = World::new();
        world.model = world.register(graph);
        let supplier = world.worker("supplier");
        let consumer = world.consumer("consumer");
        world.give_sol(&supplier.key.pubkey(), 1_000_000_000);
        let challenger = world.wallet("challenger");
        let mint = world.io;
        chain::save_keypair(&supplier.key, &folder.path().join("device.json")).unwrap();
        chain::save_keypair(&challenger, &folder.path().join("watchtower.json")).unwrap();
        save_package(&folder.path().join("models/tiny"), graph);
        let state = State {
            world,
            keys: vec![supplier.key.clone(), challenger.clone()],
            landed: HashMap::new(),
            order: Vec::new(),
            blockhashes: 0,
            effects: HashMap::new(),
            failures: 0,
            reads: HashMap::new(),
            held: None,
            lost: Vec::new(),
            stumbling: None,
            behind: None,
            hanging: None,
            mute: None,
            searches: 0,
            wrong: HashMap::new(),
        };
        let node = Arc::new(Node {
            state: Mutex::new(state),
            news: broadcast::channel(16).0,
        });
        let ticking = node.clone();
        let clock = tokio::spawn(async move {
            for slot in 0u64.. {
                tokio::time::sleep(SLOT).await;
                ticking.with(|world| world.pass(u32::from(slot % SECOND == 0), 1));
            }
        });
        Self {
            node,
            folder,
            consumer,
            supplier,
            challenger,
            mint,
            _clock: AbortOnDrop(clock),
        }
    }

    /// A client of the market's chain.
    pub fn chain(&self) -> Chain {
        Chain::new(self.node.clone(), market::errors())
    }

    /// Settings of the device's worker, with its data in `data`.
    pub fn settings(&self, data: &str) -> Settings {
        let path = |name: &str| self.folder.path().join(name);
        Settings {
            cluster: "localnet".parse().unwrap(),
            keypair: path("device.json"),
            device: (market::stake::device(&self.supplier.key.pubkey()) != self.supplier.device).then_some(self.supplier.device),
            blobs: vec![path("blobs").display().to_string()],
            models: vec![path("models")],
            accept: vec!["io:1".parse().unwrap()],
            data: path(data),
            threads: 1,
            gpu: worker::gpu::Gpus::Off,
            parallel_jobs: 2,
            max_blob: 1 << 20,
            max_window: 3_600,
            max_bond: 10,
            priority_fee: PriorityFee::default(),
            poll: SLOT,
            scan: Duration::from_millis(300),
            crank_after: None,
            trace: Default::default(),
            permit: None,
            drain: Duration::from_secs(5),
            metrics: None,
        }
    }

    /// Gives the device leave to err in this share of its jobs, for a jackpot of 70 $IO; the settings of its worker, with its data in
    /// `data`.
    pub fn permitted(&self, data: &str, rate_bps: u16) -> Settings {
        let (secret, device, io) = ([0x5E; 32], self.supplier.device, self.mint);
        self.node.with(|world| {
            let admin = world.admin.clone();
            let purse = world.give_tokens(&admin.pubkey(), &io, 100 * IO);
            let seal = protocol::permit::seal(device.as_array(), &secret);
            let payer = world.payer.pubkey();
            let issue = market::permit::issue(&payer, &admin.pubkey(), &device, &io, &purse, seal, rate_bps, 70 * IO);
            world.send(issue, &[&admin]);
        });
        let path = self.folder.path().join("permit.json");
        chain::save_keypair(&solana_keypair::Keypair::new_from_array(secret), &path).unwrap();
        Settings {
            permit: Some(path),
            ..self.settings(data)
        }
    }

    /// The device's permit.
    pub fn permit(&self) -> Permit {
        let address = market::permit::address(&self.supplier.device);
        self.node.with(|world| world.books().permits[&address])
    }

    /// The worker, with its data in `data`.
    pub async fn started(&self) -> Worker {
        self.worker(self.settings("data")).await.0.unwrap()
    }

    /// The worker, stopped by the token.
    pub async fn worker(&self, settings: Settings) -> (Result<Worker>, CancellationToken) {
        let stop = CancellationToken::new();
        (Worker::start(settings, self.chain(), stop.clone()).await, stop)
    }

    /// The blob store.
    pub fn store(&self) -> BlobStore {
        BlobStore::open(&self.folder.path().join("blobs").display().to_string()).unwrap()
    }

    /// Uploads a job's input.
    pub async fn upload(&self, units: u32, seed: u8) -> Hash {
        let header = BatchHeader::inputs(units, &[tests::tiny_model().0]).unwrap();
        let mut blob = header.encode().to_vec();
        blob.extend((0..header.blob_bytes() - BatchHeader::BYTES as u64).map(|i| (i as u8).wrapping_mul(31).wrapping_add(seed)));
        self.store().put(blob.into()).await.unwrap()
    }

    /// Opens a job and tells subscribers.
    pub fn open(&self, id: u64, terms: JobTerms) -> Address {
        let (address, account) = self.node.with(|world| {
            let address = world.open(&self.consumer, id, terms);
            (address, world.account(&address).unwrap())
        });
        // Nobody may listen.
        let _ = self.node.news.send((address, account));
        address
    }

    /// Uploads an input and opens a job on it.
    pub async fn order(&self, id: u64) -> Address {
        self.order_of(id, UNITS).await
    }

    /// The same of so many units.
    pub async fn order_of(&self, id: u64, units: u32) -> Address {
        let inputs = self.upload(units, id as u8).await;
        self.open(
            id,
            JobTerms {
                inputs,
                units,
                ..tests::terms()
            },
        )
    }

    /// Leaves the device's hot key so many lamports.
    pub fn has_lamports(&self, lamports: u64) {
        self.node.with(|world| {
            let key = self.supplier.key.pubkey();
            let account = Account {
                lamports,
                ..world.account(&key).unwrap()
            };
            world.plant(key, account);
        });
    }

    /// Asks for a part of a job's result and tells subscribers.
    pub fn ask(&self, job: &Address, item: Item) -> Address {
        let (address, account) = self.node.with(|world| {
            let address = world.ask(&self.challenger, job, item);
            (address, world.account(&address).unwrap())
        });
        let _ = self.node.news.send((address, account));
        address
    }

    /// The demand, until it is closed.
    pub fn demand(&self, address: &Address) -> Option<DemandHeader> {
        self.node.with(|world| world.books().demands.get(address).copied())
    }

    /// Completes when the demands are answered.
    pub async fn answered(&self, demands: &[Address]) {
        for demand in demands {
            while !self.demand(demand).unwrap().answered.get() {
                tokio::time::sleep(SLOT).await;
            }
        }
    }

    /// The job, until it is closed.
    pub fn job(&self, address: &Address) -> Option<Job> {
        self.node.with(|world| world.books().jobs.get(address).copied())
    }

    /// Completes when the job stands there.
    pub async fn reaches(&self, address: &Address, status: Status) {
        while self.job(address).is_none_or(|job| job.status != status as u8) {
            tokio::time::sleep(SLOT).await;
        }
    }

    /// Completes when the job is closed.
    pub async fn closes(&self, address: &Address) {
        while self.job(address).is_some() {
            tokio::time::sleep(SLOT).await;
        }
    }

    /// Lets a third party settle a revealed job.
    pub fn settle(&self, address: &Address) {
        self.node.with(|world| {
            world.wait_for_deadline(address);
            let cranker = world.wallet("cranker");
            let ending = tests::ending(&self.consumer, &self.supplier, address);
            world.send(
                market::job::settle_job(&cranker.pubkey(), &ending, &self.supplier.tokens),
                &[&cranker],
            );
        });
    }

    /// The $IO of the supplier's payout wallet.
    pub fn earned(&self) -> u64 {
        self.node.with(|world| world.balance(&self.supplier.tokens))
    }

    /// Files of the worker's journal.
    pub fn journal(&self, data: &str) -> Vec<PathBuf> {
        files(&self.folder.path().join(data).join(self.supplier.device.to_string()).join("jobs"))
    }

    /// Whether the worker's journal can be read and written.
    pub fn disk_works(&self, data: &str, works: bool) {
        let folder = self.folder.path().join(data).join(self.supplier.device.to_string());
        let (jobs, away) = (folder.join("jobs"), folder.join("away"));
        if works {
            std::fs::remove_file(&jobs).unwrap();
            std::fs::rename(&away, &jobs).unwrap();
        } else {
            std::fs::rename(&jobs, &away).unwrap();
            std::fs::write(&jobs, "").unwrap();
        }
    }

    /// What the worker's journal keeps of a job.
    pub fn journal_file(&self, data: &str, job: &Address, extension: &str) -> PathBuf {
        let folder = self.folder.path().join(data).join(self.supplier.device.to_string());
        folder.join("jobs").join(format!("{job}.{extension}"))
    }

    /// Gives a supplier's device another hot key, in this file.
    pub fn rotate_key(&self, supplier: &tests::Worker, file: &str) -> Arc<solana_keypair::Keypair> {
        let key = Arc::new(solana_keypair::Keypair::new());
        let rotate = market::stake::rotate_device_key(&supplier.wallet(), &supplier.device, &key.pubkey());
        self.node.with(|world| {
            world.give_sol(&key.pubkey(), 1_000_000_000);
            world.send(rotate, &[&supplier.owner, &key]);
        });
        self.node.admit(key.clone());
        let path = self.folder.path().join(file);
        std::fs::remove_file(&path).unwrap();
        chain::save_keypair(&key, &path).unwrap();
        key
    }

    /// Files of blobs.
    pub fn blob_files(&self) -> Vec<PathBuf> {
        files(&self.folder.path().join("blobs"))
    }

    /// Now, by the chain's clocks.
    pub fn now(&self) -> Moment {
        self.node.with(|world| world.now())
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// Enlargements as a package.
fn save_package(folder: &Path, graph: &Graph) {
    let op = |index: usize| json!({"op": "upsample", "name": format!("{index}"), "inputs": [name(index)], "factor": 2});
    fn name(value: usize) -> String {
        value.checked_sub(1).map_or_else(|| "image".to_owned(), |op| op.to_string())
    }
    let manifest = json!({
        "format": 1, "name": "tiny", "version": "1", "license": "Apache-2.0", "description": "Doubles a small image.", "task": {},
        "inputs": [{"name": "image", "dims": [4, 4, 3]}],
        "checkpoint_interval": graph.checkpoints().interval(),
        "ops": (0..graph.ops.len()).map(op).collect::<Vec<_>>(),
    });
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(folder.join("model.json"), manifest.to_string()).unwrap();
    // A safetensors file of no tensors: the length of its header, and the header.
    std::fs::write(folder.join("tensors.safetensors"), b"\x02\0\0\0\0\0\0\0{}").unwrap();
}

/// Runs `work` beside the worker, which must outlive it.
pub async fn beside<T>(worker: &Worker, work: impl Future<Output = T>) -> T {
    tokio::select! {
        biased;
        result = work => result,
        ended = worker.run() => panic!("the worker ended: {ended:?}"),
        () = tokio::time::sleep(Duration::from_secs(600)) => panic!("nothing happens"),
    }
}
