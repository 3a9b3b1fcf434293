//! A job with demands, shared by the tests of all instructions about demands.

use chain::market;
use chain::market::demand::Answerer;
use protocol::demand::Item;
use protocol::ops::{Inputs, OpDescriptor, OpKind};
use protocol::tensor::Shape;
use protocol::testing::{Constants, Graph, Rng, Run};
use protocol::units::IO;
use solana_address::Address;
use solana_instruction::Instruction;
use solana_keypair::Keypair;
use solana_signer::Signer;
use std::sync::Arc;
use tests::{Consumer, Worker, World};

/// Number of ops of the job's model: more than fit into one piece of an answer.
pub(super) const OPS: u32 = 30;
/// Number of units of the job.
pub(super) const UNITS: u32 = 5;

pub(super) const TRACES: Item = Item::traces(0);
pub(super) const OUTPUTS: Item = Item::outputs(0);

pub(super) fn ops(unit: u32) -> Item {
    Item::ops(unit)
}

pub(super) fn page(unit: u32, op: u32) -> Item {
    Item::page(unit, op, 0)
}

pub(super) fn chunk(unit: u32, op: u32, index: u32) -> Item {
    Item::chunk(unit, op, index)
}

fn pool(id: u16, shape: Shape) -> OpDescriptor {
    OpDescriptor {
        inputs: Inputs::new(&[id]).unwrap(),
        kind: OpKind::MaxPool {
            kernel: [1, 1],
            stride: [1, 1],
            padding: [0; 4],
        },
        output: shape,
    }
}

/// [`OPS`] ops that each copy an image of 40 × 40 pixels, which is five chunks.
pub(super) fn graph() -> Graph {
    let shape = Shape::new(40, 40, 3);
    Graph {
        inputs: vec![shape],
        ops: (0..OPS as u16).map(|op| pool(op, shape)).collect(),
        constants: (0..OPS).map(|_| Constants::default()).collect(),
        ..Graph::default()
    }
}

/// A revealed job of [`UNITS`] units, its worker, which can answer every demand, and a challenger.
#[derive(Clone)]
pub(super) struct Asked {
    pub world: World,
    pub worker: Worker,
    /// A worker with another job.
    pub other: Worker,
    pub consumer: Consumer,
    pub challenger: Arc<Keypair>,
    /// The challenger's $IO account.
    pub tokens: Address,
    pub job: Address,
    pub run: Arc<Run>,
}

impl Asked {
    /// A job with the result of an honest run.
    pub fn new() -> Self {
        Self::of(Run::new(&graph(), &Rng::new(7), UNITS, &protocol::testing::honest))
    }

    /// A job with the result of this run.
    pub fn of(run: Run) -> Self {
        Self::in_world(run, 0)
    }

    /// The same for a run of so many units that the consumer needs more money than the kit gives it.
    pub fn rich(run: Run) -> Self {
        Self::in_world(run, 9_000 * IO)
    }

    fn in_world(run: Run, more: u64) -> Self {
        let mut world = World::new();
        let (worker, other, consumer) = (world.worker("alice"), world.worker("dora"), world.consumer("bob"));
        let challenger = world.wallet("carol");
        let io = world.io;
        let tokens = world.give_tokens(&challenger.pubkey(), &io, 0);
        if more > 0 {
            world.give_tokens(&consumer.wallet(), &io, more);
            let deposit = market::job::deposit(&consumer.wallet(), &consumer.escrow, &consumer.tokens, more);
            world.send(deposit, &[&consumer.owner]);
        }
        let job = world.run_job(&consumer, &worker, 1, &run);
        Self {
            world,
            worker,
            other,
            consumer,
            challenger,
            tokens,
            job,
            run: Arc::new(run),
        }
    }

    #[track_caller]
    pub fn ask(&mut self, item: Item) -> Address {
        self.world.ask(&self.challenger, &self.job, item)
    }

    #[track_caller]
    pub fn asking(&self, item: Item) -> Instruction {
        self.world.asking(&self.challenger, &self.job, item)
    }

    #[track_caller]
    pub fn answer(&mut self, item: Item) {
        self.world.answer(&self.worker, &self.job, &self.run, item);
    }

    /// Demands an item and has it answered.
    #[track_caller]
    pub fn shown(&mut self, item: Item) -> Address {
        let demand = self.ask(item);
        self.answer(item);
        demand
    }

    /// The instructions of an honest answer, one per transaction.
    pub fn answers(&self, item: Item) -> Vec<Instruction> {
        tests::answers(&self.worker, &self.job, &self.run, item)
    }

    /// The accounts of the answering worker.
    pub fn answerer(&self) -> Answerer {
        Answerer {
            key: self.worker.key.pubkey(),
            device: self.worker.device,
            payout: self.worker.wallet(),
        }
    }

    /// The instruction that convicts for silence about an item.
    pub fn silence(&self, payer: &Address, item: Item) -> Instruction {
        let compensated = market::token_account(&self.consumer.wallet(), &self.world.io);
        let demand = market::demand::address(&self.job, item);
        market::demand::convict_silence(payer, &self.job, &self.consumer.escrow, &self.worker.device, &demand, &compensated)
    }

    /// A job of the other worker, and the run that it delivered.
    pub fn other_job(&mut self) -> (Address, Run) {
        let run = Run::new(&graph(), &Rng::new(8), UNITS, &protocol::testing::honest);
        let job = self.world.run_job(&self.consumer, &self.other, 2, &run);
        (job, run)
    }
}
