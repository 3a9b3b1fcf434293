//! The parties: devices with their owners, consumers with their escrows, and how they take a job through its states.

use crate::world::{Receipt, World, key};
use chain::market;
use chain::market::job::JobParties;
use jobs::JobTerms;
use jobs::state::ANY_GPU;
use protocol::graph::{GraphFacts, check_op, model_hash};
use protocol::hash::Hash;
use protocol::merkle;
use protocol::ops::{Inputs, OpDescriptor, OpKind};
use protocol::tensor::Shape;
use protocol::testing::{Constants, Graph, Rng, Run};
use protocol::trace;
use protocol::units::IO;
use protocol::work::Size;
use solana_address::Address;
use solana_instruction::Instruction;
use solana_keypair::Keypair;
use solana_signer::Signer;
use staking::state::{GpuSpec, POOL_COMMUNITY};
use std::sync::Arc;

/// A listed GPU model with multiplier 2.00 and 24 GiB.
pub const GPU: u16 = 1;
/// A GPU model that takes no new devices.
pub const GPU_UNLISTED: u16 = 2;
/// A GPU model that earns nothing and takes no jobs.
pub const GPU_WITHOUT_MULTIPLIER: u16 = 3;
/// Minimum stake of one [`GPU`].
pub const GPU_MINIMUM: u64 = 400 * IO;

/// A row of the GPU table.
pub fn gpu_spec(name: &str, multiplier_x100: u16, listed: bool) -> GpuSpec {
    let [work_width, work_bytes, work_layers] = Size::LEAST.logarithms();
    let mut padded = [0; 32];
    padded[..name.len()].copy_from_slice(name.as_bytes());
    GpuSpec {
        name: padded,
        multiplier_x100,
        vram_gb: 24,
        pool: POOL_COMMUNITY,
        listed,
        work_width,
        work_bytes,
        work_layers,
    }
}

/// Adds the kit's GPU models.
pub fn add_gpu_table(world: &mut World) {
    let rows = [
        (GPU, gpu_spec("RTX 4090", 200, true)),
        (GPU_UNLISTED, gpu_spec("RTX 3050", 200, false)),
        (GPU_WITHOUT_MULTIPLIER, gpu_spec("RTX 2060", 0, true)),
    ];
    for (id, spec) in rows {
        world.list_gpu(id, spec);
    }
}

/// A model of one op that doubles a 4 × 4 RGB image.
pub fn tiny_graph() -> Graph {
    let op = OpDescriptor {
        inputs: Inputs::new(&[0]).unwrap(),
        kind: OpKind::Upsample { factor: 2 },
        output: Shape::new(8, 8, 3),
    };
    Graph {
        inputs: vec![Shape::new(4, 4, 3)],
        ops: vec![op],
        constants: vec![Constants::default()],
        ..Graph::default()
    }
}

/// Input shape, op and MODEL hash of the kit's model.
pub fn tiny_model() -> (Shape, OpDescriptor, Hash) {
    let graph = tiny_graph();
    (graph.inputs[0], graph.ops[0], hash_of(&graph))
}

/// The MODEL hash of a graph.
fn hash_of(graph: &Graph) -> Hash {
    let shapes = graph.shapes();
    let (mut max_fan_in, mut macs) = (0, 0);
    for op in &graph.ops {
        let read: Vec<Shape> = op.inputs.as_slice().iter().map(|id| shapes[usize::from(*id)]).collect();
        let facts = check_op(op, &read).unwrap();
        max_fan_in = facts.fan_in.max(max_fan_in);
        macs += facts.macs;
    }
    let leaves: Vec<Hash> = (0..).zip(&graph.ops).map(|(index, op)| op.leaf(index)).collect();
    let facts = GraphFacts {
        n_ops: graph.ops.len() as u32,
        graph_root: merkle::root(&leaves),
        max_fan_in,
        macs,
        interval: graph.checkpoints().interval(),
    };
    model_hash(&graph.inputs, &facts)
}

/// A run of the kit's model over the units of [`terms`]. `lie` is a unit and an element of it that is off by one bit.
pub fn tiny_run(seed: u64, lie: Option<(u32, usize)>) -> Run {
    Run::new(&tiny_graph(), &Rng::new(seed), terms().units, &|unit, _, value| {
        if let Some((_, element)) = lie.filter(|(place, _)| *place == unit) {
            value[element] ^= 1;
        }
    })
}

/// Terms that any device of the kit can serve: 10 units from 1 to 2 $IO over a minute, a bond of 10 $IO.
pub fn terms() -> JobTerms {
    JobTerms {
        inputs: [0x1A; 32],
        start_price: IO,
        max_price: 2 * IO,
        bond: 10 * IO,
        value_at_risk: 0,
        units: 10,
        auction_seconds: 60,
        open_seconds: 600,
        run_seconds: 120,
        window_seconds: 300,
        min_vram_gb: 0,
        min_multiplier_x100: 0,
        gpu_model: ANY_GPU,
        min_jobs_done: 0,
        audit_bps: 0,
        replicas: 1,
        replica: 0,
    }
}

/// A device and its owner.
#[derive(Clone)]
pub struct Worker {
    /// The owner's wallet, which stakes and gets paid.
    pub owner: Arc<Keypair>,
    /// The hot key.
    pub key: Arc<Keypair>,
    /// The device's account.
    pub device: Address,
    /// The owner's $IO account.
    pub tokens: Address,
}

impl Worker {
    /// The owner's address.
    pub fn wallet(&self) -> Address {
        self.owner.pubkey()
    }

    /// The token account that holds the stake.
    pub fn vault(&self) -> Address {
        market::stake::vault(&self.device)
    }
}

/// An escrow and its owner.
#[derive(Clone)]
pub struct Consumer {
    /// The owner's wallet.
    pub owner: Arc<Keypair>,
    /// The mint it pays in.
    pub mint: Address,
    /// The escrow's account.
    pub escrow: Address,
    /// The owner's token account.
    pub tokens: Address,
}

impl Consumer {
    /// The owner's address.
    pub fn wallet(&self) -> Address {
        self.owner.pubkey()
    }

    /// The token account that holds the escrow's money.
    pub fn vault(&self) -> Address {
        market::job::vault(&self.escrow)
    }

    /// The address of a job with this id.
    pub fn job(&self, id: u64) -> Address {
        market::job::job(&self.escrow, id)
    }
}

/// A result: what a worker reveals, and the nonce that seals it.
#[derive(Clone, Copy, Debug)]
pub struct Work {
    /// Root of the traces.
    pub traces: Hash,
    /// Root of the outputs.
    pub outputs: Hash,
    /// Nonce that makes the commitment unguessable.
    pub nonce: Hash,
}

impl Work {
    /// The result of jobs whose content does not matter.
    pub const SAMPLE: Self = Self {
        traces: [0x7A; 32],
        outputs: [0x0B; 32],
        nonce: [0x4E; 32],
    };

    /// The result of a run.
    pub fn of(run: &Run) -> Self {
        Self {
            traces: run.claim.traces,
            outputs: run.claim.outputs,
            ..Self::SAMPLE
        }
    }

    /// The commitment of `device` to this result of a job.
    pub fn commitment(&self, job_hash: &Hash, device: &Address) -> Hash {
        let party = device.as_array();
        let result = trace::result(job_hash, party, &self.traces, &self.outputs);
        trace::commit(&result, party, &self.nonce)
    }
}

impl World {
    /// Registers a model, as a registrar does it, unless it is registered already.
    #[track_caller]
    pub fn register(&mut self, graph: &Graph) -> Address {
        let hash = hash_of(graph);
        let model = market::job::model(&hash);
        if self.account(&model).is_some() {
            return model;
        }
        let registrar = self.wallet("registrar");
        let who = registrar.pubkey();
        let create = market::job::create_draft(&who, hash, graph.ops.len() as u32, &graph.inputs);
        self.send(create, &[&registrar]);
        for ops in graph.ops.chunks(4) {
            let descriptors = ops.iter().map(OpDescriptor::to_bytes).collect();
            self.send(market::job::append_ops(&who, &hash, descriptors), &[&registrar]);
        }
        let seal = market::job::seal_model(&who, &hash, graph.checkpoints().interval());
        self.send(seal, &[&registrar]);
        model
    }

    /// A device of one [`GPU`] with 1,000 $IO staked and its probation over; its owner has 1,000 $IO more.
    pub fn worker(&mut self, name: &str) -> Worker {
        let worker = self.newcomer(name);
        let stake = market::stake::stake(&worker.wallet(), &worker.device, &worker.tokens, 1_000 * IO);
        self.send(stake, &[&worker.owner]);
        self.wait(43_200);
        worker
    }

    /// A newly registered device without stake; its owner has 2,000 $IO.
    pub fn newcomer(&mut self, name: &str) -> Worker {
        self.supplier(name, GPU, 1, 2_000 * IO)
    }

    /// Adds a row to the GPU table.
    pub fn list_gpu(&mut self, id: u16, spec: GpuSpec) {
        let (payer, admin) = (self.payer.pubkey(), self.admin.clone());
        self.send(market::stake::add_gpu_model(&payer, &admin.pubkey(), id, spec), &[&admin]);
    }

    /// A newly registered device of `quantity` GPUs, without stake; its owner has `tokens` base units of $IO.
    pub fn supplier(&mut self, name: &str, gpu: u16, quantity: u8, tokens: u64) -> Worker {
        let owner = self.wallet(name);
        let key = key(&format!("{name}'s device"));
        // For the rent of the evidence of its work.
        self.give_sol(&key.pubkey(), 1_000_000_000);
        let io = self.io;
        let tokens = self.give_tokens(&owner.pubkey(), &io, tokens);
        let register = market::stake::register_device(&owner.pubkey(), &key.pubkey(), &io, gpu, quantity);
        self.send(register, &[&owner, &key]);
        let device = market::stake::device(&key.pubkey());
        Worker {
            owner,
            key,
            device,
            tokens,
        }
    }

    /// A consumer with 1,000 $IO in escrow and 1,000 $IO in the wallet.
    pub fn consumer(&mut self, name: &str) -> Consumer {
        let io = self.io;
        self.consumer_in(name, &io)
    }

    /// The same with tokens of this mint.
    pub fn consumer_in(&mut self, name: &str, mint: &Address) -> Consumer {
        let owner = self.wallet(name);
        let tokens = self.give_tokens(&owner.pubkey(), mint, 2_000 * IO);
        let escrow = market::job::escrow(&owner.pubkey(), mint);
        self.send(market::job::open_escrow(&owner.pubkey(), mint), &[&owner]);
        self.send(market::job::deposit(&owner.pubkey(), &escrow, &tokens, 1_000 * IO), &[&owner]);
        Consumer {
            owner,
            mint: *mint,
            escrow,
            tokens,
        }
    }

    /// Opens a job on the kit's model.
    #[track_caller]
    pub fn open(&mut self, consumer: &Consumer, id: u64, terms: JobTerms) -> Address {
        let open = market::job::open_job(&consumer.wallet(), &consumer.mint, &self.model, id, terms);
        self.send(open, &[&consumer.owner]);
        consumer.job(id)
    }

    /// Opens the replicas of a job on the kit's model in one transaction.
    #[track_caller]
    pub fn open_replicas(&mut self, consumer: &Consumer, first_id: u64, terms: JobTerms) -> Vec<Address> {
        let all: Vec<_> = (0..terms.replicas)
            .map(|replica| {
                let (id, terms) = (first_id + u64::from(replica), JobTerms { replica, ..terms });
                market::job::open_job(&consumer.wallet(), &consumer.mint, &self.model, id, terms)
            })
            .collect();
        self.send_all(&all, &[&consumer.owner]);
        (0..terms.replicas)
            .map(|replica| consumer.job(first_id + u64::from(replica)))
            .collect()
    }

    /// The claim of a replica, with the accounts of all others and their devices.
    pub fn claiming_replica(&self, worker: &Worker, replicas: &[Address], replica: usize) -> Instruction {
        let books = self.books();
        let others: Vec<_> = (0..replicas.len())
            .filter(|other| *other != replica)
            .map(|other| (replicas[other], books.jobs.get(&replicas[other]).map_or(jobs::ID, |job| job.device)))
            .collect();
        let expected = self.job(&replicas[replica]).job_hash;
        market::job::claim_replica(&worker.key.pubkey(), &replicas[replica], expected, &worker.device, GPU, 0, &others)
    }

    /// The replicas of a job, each with whether it still exists.
    pub fn living(&self, replicas: &[Address]) -> Vec<(Address, bool)> {
        let books = self.books();
        replicas.iter().map(|job| (*job, books.jobs.contains_key(job))).collect()
    }

    /// Moves the slot forward, but not the seconds, until every device is admitted to a job opened just now.
    pub fn open_doors(&mut self) {
        let window = self.books().jobs_config.expect("a config").sortition_slots.get();
        self.pass(0, u64::from(window) + 2);
    }

    /// The claim of the job now at this address, for no less than `min_price`.
    #[track_caller]
    pub fn claiming(&self, worker: &Worker, job: &Address, min_price: u64) -> Instruction {
        market::job::claim_job(&worker.key.pubkey(), job, self.job(job).job_hash, &worker.device, GPU, min_price)
    }

    /// Waits until the device is admitted to an open job and claims it.
    #[track_caller]
    pub fn claim(&mut self, worker: &Worker, job: &Address) -> Receipt {
        self.open_doors();
        self.send(self.claiming(worker, job, 0), &[&worker.key])
    }

    /// Commits to the sample work.
    #[track_caller]
    pub fn commit(&mut self, worker: &Worker, job: &Address) -> Receipt {
        self.commit_to(worker, job, Work::SAMPLE)
    }

    /// Commits to some work.
    #[track_caller]
    pub fn commit_to(&mut self, worker: &Worker, job: &Address, work: Work) -> Receipt {
        let commitment = work.commitment(&self.job(job).job_hash, &worker.device);
        let commit = market::job::commit_result(&worker.key.pubkey(), job, &worker.device, commitment);
        self.send(commit, &[&worker.key])
    }

    /// Reveals the sample work.
    #[track_caller]
    pub fn reveal(&mut self, worker: &Worker, job: &Address) -> Receipt {
        self.send(revealing(worker, job, Work::SAMPLE), &[&worker.key])
    }

    /// Takes an open job through claim, commit and reveal.
    #[track_caller]
    pub fn work(&mut self, worker: &Worker, job: &Address) {
        self.claim(worker, job);
        self.commit(worker, job);
        self.reveal(worker, job);
    }

    /// Takes an open job through claim, commit and reveal of a run's result.
    #[track_caller]
    pub fn deliver(&mut self, worker: &Worker, job: &Address, run: &Run) {
        let work = Work::of(run);
        self.claim(worker, job);
        self.commit_to(worker, job, work);
        self.send(revealing(worker, job, work), &[&worker.key]);
    }

    /// Moves the clocks to a job's present deadline.
    #[track_caller]
    pub fn wait_for_deadline(&mut self, job: &Address) {
        let (now, deadline) = (self.now(), self.deadline(job));
        self.go_to(protocol::units::Moment {
            unix: now.unix.max(deadline.unix),
            slot: now.slot.max(deadline.slot),
        });
    }
}

/// The reveal of some work.
pub fn revealing(worker: &Worker, job: &Address, work: Work) -> Instruction {
    let Work { traces, outputs, nonce } = work;
    market::job::reveal_result(&worker.key.pubkey(), job, &worker.device, traces, outputs, nonce)
}

/// The parties of the instructions that end a job.
pub fn ending(consumer: &Consumer, worker: &Worker, job: &Address) -> JobParties {
    JobParties {
        job: *job,
        escrow: consumer.escrow,
        consumer: consumer.wallet(),
        device: worker.device,
    }
}
