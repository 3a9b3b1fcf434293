//! Demands, and the honest answers to them from the run that produced a result.

use crate::parties::{Consumer, Worker, terms};
use crate::world::{PARAMETERS, Receipt, World};
use chain::market;
use chain::market::demand::{Answerer, BYTES, HASHES};
use jobs::{JobTerms, PageEnd};
use protocol::batch::unit_leaves;
use protocol::demand::{Item, Kind, MIN_PIECE, PAGE, cost, page_depth};
use protocol::hash::Hash;
use protocol::merkle;
use protocol::testing::Run;
use protocol::trace::op_leaves;
use solana_address::Address;
use solana_instruction::Instruction;
use solana_keypair::Keypair;
use solana_signer::Signer;

/// The pieces of a list, each with its offset and whether it is the last. An empty list has none.
fn pieces<T: Clone>(list: &[T], length: usize) -> Vec<(u32, Vec<T>, bool)> {
    let count = list.len().div_ceil(length);
    let piece = |at: usize| list.iter().skip(at * length).take(length).cloned().collect();
    (0..count).map(|at| ((at * length) as u32, piece(at), at + 1 == count)).collect()
}

/// The elements on one page of a list.
fn page<T: Clone>(list: &[T], page: u32) -> Vec<T> {
    list.iter().skip((page * PAGE) as usize).take(PAGE as usize).cloned().collect()
}

/// Siblings from page `index` of these leaves to their root.
fn above_page(leaves: &[Hash], index: u32) -> Vec<Hash> {
    merkle::path(leaves, index * PAGE).split_off(page_depth(leaves.len() as u32) as usize)
}

/// The honest answer to a demand, in order, as one instruction per transaction.
pub fn answers(worker: &Worker, job: &Address, run: &Run, item: Item) -> Vec<Instruction> {
    let by = Answerer {
        key: worker.key.pubkey(),
        device: worker.device,
        payout: worker.wallet(),
    };
    let id = run.graph.inputs.len() + item.op as usize;
    let value = || &run.units[item.unit as usize][id];
    let chunk_leaves = || run.layout(item.op as usize).leaves(id as u32, value());
    match item.kind {
        Kind::Traces | Kind::Outputs => {
            let hashes = if item.kind == Kind::Traces { &run.traces } else { &run.outputs };
            pieces(&page(hashes, item.index), HASHES)
                .into_iter()
                .map(|(offset, hashes_of_piece, last)| {
                    let above = last.then(|| above_page(&unit_leaves(0, hashes), item.index));
                    by.units(job, item, offset, hashes_of_piece, above)
                })
                .collect()
        }
        Kind::Ops => pieces(&run.tensors[item.unit as usize], HASHES)
            .into_iter()
            .map(|(offset, tensors, last)| {
                let path = last.then(|| merkle::path(&unit_leaves(0, &run.traces), item.unit));
                by.ops(job, item, offset, tensors, path)
            })
            .collect(),
        Kind::Page => {
            let leaves = chunk_leaves();
            let shown = page(&leaves, item.index);
            let end = PageEnd {
                head: run.layout(item.op as usize).head(leaves.len() as u32),
                above: if shown.is_empty() {
                    vec![merkle::root(&leaves)]
                } else {
                    above_page(&leaves, item.index)
                },
                path: merkle::path(&op_leaves(&run.tensors[item.unit as usize]), item.op),
            };
            // The end has a transaction of its own, since a head and two paths are long. It takes along only those last hashes that would
            // be too few for a piece of their own.
            let over = Some(shown.len() % HASHES).filter(|over| shown.len() > HASHES && *over < MIN_PIECE);
            let (shown, last) = shown.split_at(shown.len() - over.unwrap_or(0));
            let mut all: Vec<_> = pieces(shown, HASHES)
                .into_iter()
                .map(|(offset, leaves, _)| by.page(job, item, offset, leaves, None))
                .collect();
            all.push(by.page(job, item, shown.len() as u32, last.to_vec(), Some(end)));
            all
        }
        Kind::Chunk => {
            let preimage = run.layout(item.op as usize).preimage(id as u32, item.index, value()).unwrap();
            let leaves = chunk_leaves();
            let mut path = merkle::path(&leaves, item.index);
            path.truncate(page_depth(leaves.len() as u32) as usize);
            let mut all: Vec<_> = pieces(&preimage, BYTES)
                .into_iter()
                .map(|(offset, bytes, _)| by.chunk(job, item, offset, bytes, None))
                .collect();
            all.push(by.chunk(job, item, preimage.len() as u32, Vec::new(), Some(path)));
            all
        }
    }
}

impl World {
    /// Demands an item from the worker of a job; returns the demand's address.
    #[track_caller]
    pub fn ask(&mut self, challenger: &Keypair, job: &Address, item: Item) -> Address {
        let open = self.asking(challenger, job, item);
        self.send(open, &[challenger]);
        market::demand::address(job, item)
    }

    /// The instruction that demands an item, at the present cost.
    #[track_caller]
    pub fn asking(&self, challenger: &Keypair, job: &Address, item: Item) -> Instruction {
        let (facts, fee) = (self.job(job), u64::from(PARAMETERS.demand_fee));
        let most = cost(fee, facts.demanded).expect("a price that fits");
        market::demand::open(&challenger.pubkey(), job, &facts, &self.treasury, item, most)
    }

    /// Answers a demand honestly; returns the receipt of each transaction.
    #[track_caller]
    pub fn answer(&mut self, worker: &Worker, job: &Address, run: &Run, item: Item) -> Vec<Receipt> {
        answers(worker, job, run, item)
            .into_iter()
            .map(|piece| self.send(piece, &[&worker.key]))
            .collect()
    }

    /// Opens a job on a run's model and inputs, with a bond of 10 $IO, and delivers the run's result.
    #[track_caller]
    pub fn run_job(&mut self, consumer: &Consumer, worker: &Worker, id: u64, run: &Run) -> Address {
        let model = self.register(&run.graph);
        let terms = JobTerms {
            inputs: run.claim.inputs,
            units: run.claim.units,
            ..terms()
        };
        let open = market::job::open_job(&consumer.wallet(), &consumer.mint, &model, id, terms);
        self.send(open, &[&consumer.owner]);
        let job = consumer.job(id);
        self.deliver(worker, &job, run);
        job
    }
}
