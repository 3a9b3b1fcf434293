//! A market for one worker: the programs in LiteSVM behind the worker's own client, with a clock that runs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, dead_code)]

pub mod drawn;
pub mod node;

use blobs::BlobStore;
use chain::{Chain, PriorityFee, market};
use jobs::{DemandHeader, Job, JobTerms, Permit, Status};
use node::Node;
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
use solana_signer::Signer;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tests::{Consumer, World};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_util::sync::CancellationToken;
use worker::{Result, Settings, Worker};

/// Length of a slot on the test's chain.
const SLOT: Duration = Duration::from_millis(10);

/// Slots per second of the chain's clock.
const SLOTS_PER_SECOND: u64 = 5;

/// A market with one device, one consumer and one model, in a folder of its own.
pub struct Market {
    pub node: Arc<Node>,
    pub folder: tempfile::TempDir,
    pub consumer: Consumer,
    pub supplier: tests::Worker,
    /// A challenger with some SOL.
    pub challenger: Arc<solana_keypair::Keypair>,
    pub mint: Address,
    /// Stops the clock when the market is dropped.
    _clock: AbortOnDrop,
}

/// A task that is aborted when this value is dropped.
pub struct AbortOnDrop(pub tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The highest price that a worker with the usual settings offers, in micro-lamports per compute unit.
pub const HIGHEST: u64 = 1_000_000;

/// Units of every job.
pub const UNITS: u32 = 3;
/// The secret of the device's permit.
pub const SECRET: Hash = [0x5E; 32];

impl Market {
    /// A market with the kit's model. Must be called within a runtime: its clock is a task.
    pub fn start() -> Self {
        Self::of(&tests::tiny_graph())
    }

    /// A market with a model that doubles the image of the kit's model three more times, and whose traces hold only the second and the last
    /// op.
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

    /// A market with a model whose ops each enlarge the previous output.
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
        let node = Arc::new(Node::new(world, vec![supplier.key.clone(), challenger.clone()]));
        let ticking = node.clone();
        let clock = tokio::spawn(async move {
            for slot in 0u64.. {
                tokio::time::sleep(SLOT).await;
                ticking.with(|world| world.pass(u32::from(slot % SLOTS_PER_SECOND == 0), 1));
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
        Chain::new(self.node.clone())
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

    /// Issues the device a permit to err in this share of its jobs, for a hundred prices out of a jackpot of 70 $IO. Returns the settings
    /// of its worker, with its data in `data`.
    pub fn permitted(&self, data: &str, rate_bps: u16) -> Settings {
        self.permitted_for(data, rate_bps, 100)
    }

    /// Like `permitted`, for so many prices.
    pub fn permitted_for(&self, data: &str, rate_bps: u16, multiple: u16) -> Settings {
        let io = self.mint;
        self.node.with(|world| {
            let admin = world.admin.clone();
            let purse = world.give_tokens(&admin.pubkey(), &io, 100 * IO);
            let payer = world.payer.pubkey();
            let issue = market::permit::issue(&payer, &admin.pubkey(), &io, &purse, self.seal(), rate_bps, multiple, 70 * IO);
            world.send(issue, &[&admin]);
        });
        let path = self.folder.path().join("permit.json");
        chain::save_keypair(&solana_keypair::Keypair::new_from_array(SECRET), &path).unwrap();
        Settings {
            permit: Some(path),
            ..self.settings(data)
        }
    }

    /// Closes the device's permit.
    pub fn close_permit(&self) {
        let (permit, io) = (self.permit_address(), self.mint);
        self.node.with(|world| {
            let (admin, payer) = (world.admin.clone(), world.payer.pubkey());
            let purse = market::token_account(&admin.pubkey(), &io);
            world.send(market::permit::close(&admin.pubkey(), &payer, &permit, &purse), &[&admin]);
        });
    }

    fn seal(&self) -> Hash {
        protocol::permit::seal(self.supplier.device.as_array(), &SECRET)
    }

    /// Where the device's permit is.
    pub fn permit_address(&self) -> Address {
        market::permit::address(&self.seal())
    }

    /// The device's permit.
    pub fn permit(&self) -> Permit {
        self.node.with(|world| world.books().permits[&self.permit_address()])
    }

    /// The worker, with its data in `data`.
    pub async fn started(&self) -> Worker {
        self.worker(self.settings("data")).await.0.unwrap()
    }

    /// The worker with these settings, and the token that stops it.
    pub async fn worker(&self, settings: Settings) -> (Result<Worker>, CancellationToken) {
        let stop = CancellationToken::new();
        (Worker::start(settings, self.chain(), stop.clone()).await, stop)
    }

    /// The blob store.
    pub fn store(&self) -> BlobStore {
        BlobStore::open(&self.folder.path().join("blobs").display().to_string()).unwrap()
    }

    /// Uploads an input for a job.
    pub async fn upload(&self, units: u32, seed: u8) -> Hash {
        let header = BatchHeader::inputs(units, &[tests::tiny_model().0]).unwrap();
        let mut blob = header.encode().to_vec();
        blob.extend((0..header.blob_bytes() - BatchHeader::BYTES as u64).map(|i| (i as u8).wrapping_mul(31).wrapping_add(seed)));
        self.store().put(blob.into()).await.unwrap()
    }

    /// Opens a job and notifies subscribers.
    pub fn open(&self, id: u64, terms: JobTerms) -> Address {
        let (address, account) = self.node.with(|world| {
            let address = world.open(&self.consumer, id, terms);
            (address, world.account(&address).unwrap())
        });
        self.node.push(address, account);
        address
    }

    /// Uploads an input and opens a job for it.
    pub async fn order(&self, id: u64) -> Address {
        self.order_of(id, UNITS).await
    }

    /// Like `order`, for so many units.
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

    /// Sets the lamports of the device's hot key.
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

    /// Demands a part of a job's result and notifies subscribers.
    pub fn ask(&self, job: &Address, item: Item) -> Address {
        let (address, account) = self.node.with(|world| {
            let address = world.ask(&self.challenger, job, item);
            (address, world.account(&address).unwrap())
        });
        self.node.push(address, account);
        address
    }

    /// The demand, until it is closed.
    pub fn demand(&self, address: &Address) -> Option<DemandHeader> {
        self.node.with(|world| world.books().demands.get(address).copied())
    }

    /// Completes once the demands are answered.
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

    /// Completes once the job has this status.
    pub async fn reaches(&self, address: &Address, status: Status) {
        while self.job(address).is_none_or(|job| job.status != status as u8) {
            tokio::time::sleep(SLOT).await;
        }
    }

    /// A job whose result the worker has revealed.
    pub async fn revealed(&self, worker: &Worker, id: u64) -> Address {
        let address = self.order(id).await;
        beside(worker, self.reaches(&address, Status::Revealed)).await;
        address
    }

    /// Completes once the job is closed.
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

    /// The $IO that the supplier's payout wallet holds.
    pub fn earned(&self) -> u64 {
        self.node.with(|world| world.balance(&self.supplier.tokens))
    }

    /// The folder of the worker's journal.
    fn jobs_folder(&self, data: &str) -> PathBuf {
        self.folder.path().join(data).join(self.supplier.device.to_string()).join("jobs")
    }

    /// The worker's record of transactions in flight.
    pub fn pending_file(&self, data: &str) -> PathBuf {
        self.jobs_folder(data).with_file_name("pending.jsonl")
    }

    /// The files of the worker's journal.
    pub fn journal(&self, data: &str) -> Vec<PathBuf> {
        files(&self.jobs_folder(data))
    }

    /// Completes once the worker's journal is empty.
    pub async fn forgets(&self, data: &str) {
        while !self.journal(data).is_empty() {
            tokio::time::sleep(SLOT).await;
        }
    }

    /// Makes the worker's journal readable and writable, or not.
    pub fn disk_works(&self, data: &str, works: bool) {
        let jobs = self.jobs_folder(data);
        let away = jobs.with_file_name("away");
        if works {
            std::fs::remove_file(&jobs).unwrap();
            std::fs::rename(&away, &jobs).unwrap();
        } else {
            std::fs::rename(&jobs, &away).unwrap();
            std::fs::write(&jobs, "").unwrap();
        }
    }

    /// A file of a job in the worker's journal.
    pub fn journal_file(&self, data: &str, job: &Address, extension: &str) -> PathBuf {
        self.jobs_folder(data).join(format!("{job}.{extension}"))
    }

    /// Rotates the hot key of a supplier's device, and writes the new one to this file.
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

    /// The files of the blob store.
    pub fn blob_files(&self) -> Vec<PathBuf> {
        files(&self.folder.path().join("blobs"))
    }

    /// The time by the chain's clocks.
    pub fn now(&self) -> Moment {
        self.node.with(|world| world.now())
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// Saves a model of enlargements as a package.
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
    // A safetensors file without tensors: the length of its header, and an empty header.
    std::fs::write(folder.join("tensors.safetensors"), b"\x02\0\0\0\0\0\0\0{}").unwrap();
}

/// Runs `work` concurrently with the worker, which must not end before it.
pub async fn beside<T>(worker: &Worker, work: impl Future<Output = T>) -> T {
    tokio::select! {
        biased;
        result = work => result,
        ended = worker.run() => panic!("the worker ended: {ended:?}"),
        () = tokio::time::sleep(Duration::from_secs(600)) => panic!("nothing happens"),
    }
}

/// Completes once the worker logs `wanted`, and before that none of `others`.
pub async fn logs(events: &mut UnboundedReceiver<String>, wanted: &str, others: &[&str]) {
    loop {
        let event = events.recv().await.unwrap();
        if event == wanted {
            return;
        }
        assert!(!others.contains(&event.as_str()), "{event}");
    }
}
