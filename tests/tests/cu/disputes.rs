//! Convictions, demands and evidence.

use crate::Bench;
use chain::market;
use chain::market::referee::PIECE;
use protocol::demand::Item;
use protocol::ops::OpKind;
use protocol::requantise::Requantise;
use protocol::tensor::Shape;
use protocol::testing::{Graph, Rng, Run, honest};
use solana_address::Address;
use solana_keypair::Keypair;
use solana_signer::Signer;
use std::sync::Arc;
use tests::{Consumer, Worker, World, claim, ending, key};

/// A job, its model, the bytes of evidence about it, and their account.
type Shown = (Address, Address, Vec<u8>, Address);

impl Bench {
    /// Opens a job on a run's model, delivers the run's result, and puts evidence on chain that an element of its last op is wrong.
    fn lie(&mut self, (consumer, worker): (&Consumer, &Worker), id: u64, (run, element): (&Run, u32), challenger: &Keypair) -> Shown {
        let job = self.world.run_job(consumer, worker, id, run);
        let model = self.world.job(&job).model;
        let bytes = run.element(0, run.graph.ops.len() - 1, element);
        let evidence = self.world.show(challenger, &job, &bytes);
        (job, model, bytes, evidence)
    }

    pub fn convicted_jobs(&mut self, consumer: &Consumer, worker: &Worker, cranker: &Arc<Keypair>) {
        let challenger = self.world.wallet("challenger");
        let (wallet, device) = (challenger.pubkey(), worker.device);
        let tokens = self.world.give_tokens(&wallet, &consumer.mint, 0);
        let convict = |(job, model, _, evidence): &Shown, by: &Address| {
            market::job::convict(by, job, model, &consumer.escrow, &device, evidence, &consumer.tokens)
        };
        let parties = (consumer, worker);
        let small = self.lie(parties, 5, (&false_product(4_096), 0), &challenger);
        self.measure("convict (K = 4,096)", convict(&small, &wallet), &[&challenger]);
        // Its window spans nine chunks of the input.
        let window = self.lie(parties, 10, (&false_convolution(), 204_751), &challenger);
        self.measure("convict (3×3 of 455, K = 4,095)", convict(&window, &wallet), &[&challenger]);
        let large = self.lie(parties, 6, (&false_product(16_384), 0), &challenger);
        // A rival seals later but convicts first.
        let rival = self.world.wallet("rival");
        let evidence = self.world.show(&rival, &large.0, &large.2);
        let later = (large.0, large.1, Vec::new(), evidence);
        self.measure("convict (K = 16,384)", convict(&later, &rival.pubkey()), &[&rival]);
        let overtake = market::job::overtake(&wallet, &large.0, &large.1, &device, &large.3);
        self.measure("overtake (K = 16,384)", overtake, &[&challenger]);
        self.world.wait(30);
        let award = |world: &World, job| market::job::award(&cranker.pubkey(), job, &world.conviction(job), &tokens);
        self.measure("award", award(&self.world, &small.0), &[cranker]);
        self.world.send(award(&self.world, &window.0), &[cranker]);
        self.world.send(award(&self.world, &large.0), &[cranker]);
    }

    /// Demands, their answers, and a conviction for silence.
    pub fn demanded_jobs(&mut self, consumer: &Consumer, worker: &Worker, cranker: &Arc<Keypair>) {
        let challenger = self.world.wallet("challenger");
        let (wallet, hot) = (challenger.pubkey(), worker.key.clone());
        let tokens = self.world.give_tokens(&wallet, &consumer.mint, 0);
        // With every second op a checkpoint, there are two trees to extend.
        let (some, item) = (tables().every(2), Item::ops(0));
        let another = self.world.run_job(consumer, worker, 9, &some);
        let open = self.world.asking(&challenger, &another, item);
        self.measure("open_demand (ops, of checkpoints)", open, &[&challenger]);
        let answers = tests::answers(worker, &another, &some, item);
        self.measure("answer_ops (first, of checkpoints)", answers[0].clone(), &[&hot]);
        self.measure("answer_ops (last, of checkpoints)", answers[1].clone(), &[&hot]);
        self.world.wait_for_deadline(&another);
        let settle = market::job::settle_job(&cranker.pubkey(), &ending(consumer, worker, &another), &worker.tokens);
        self.world.send(settle, &[cranker]);
        let treasury = self.world.give_tokens(&self.world.treasury.clone(), &consumer.mint, 0);
        self.world
            .send(market::job::sweep_fees(&consumer.escrow, &consumer.mint, &treasury), &[]);
        let run = tables();
        let job = self.world.run_job(consumer, worker, 7, &run);
        for (name, of, item) in [
            ("traces", "units", Item::traces(0)),
            ("ops", "ops", Item::ops(0)),
            ("page", "page", Item::page(0, 0, 0)),
            ("chunk", "chunk", Item::chunk(0, 0, 0)),
        ] {
            let open = self.world.asking(&challenger, &job, item);
            self.measure(&format!("open_demand ({name})"), open, &[&challenger]);
            let answers = tests::answers(worker, &job, &run, item);
            let [first, .., last] = &answers[..] else {
                panic!("{name} are several pieces")
            };
            self.measure(&format!("answer_{of} (first)"), first.clone(), &[&hot]);
            for answer in &answers[1..answers.len() - 1] {
                self.world.send(answer.clone(), &[&hot]);
            }
            self.measure(&format!("answer_{of} (last)"), last.clone(), &[&hot]);
        }
        let silent = Item::outputs(0);
        let demand = self.world.ask(&challenger, &job, silent);
        self.world.wait(300);
        let silence = market::demand::convict_silence(&wallet, &job, &consumer.escrow, &worker.device, &demand, &consumer.tokens);
        self.measure("convict_silence", silence, &[&challenger]);
        self.measure("close_demand", market::demand::close(&wallet, &job, &demand), &[]);
        self.world.wait(30);
        let award = market::job::award(&cranker.pubkey(), &job, &self.world.conviction(&job), &tokens);
        self.world.send(award, &[cranker]);
    }

    /// What a challenger sends before a conviction, and the verdict alone, for an element of 4,096 products.
    pub fn referee(&mut self) {
        let challenger = self.world.wallet("challenger");
        let (wallet, subject) = (challenger.pubkey(), key("a job").pubkey());
        let run = false_product(4_096);
        let bytes = run.element(0, 0, 0);
        let seal = protocol::referee::seal(&bytes, wallet.as_array(), subject.as_array());
        let sealing = market::referee::seal_evidence(&wallet, &subject, seal, bytes.len() as u32);
        self.measure("seal_evidence", sealing, &[&challenger]);
        self.world.pass(0, 1);
        let piece = market::referee::write_evidence(&wallet, &seal, 0, bytes[..PIECE].to_vec());
        self.measure("write_evidence (one piece)", piece, &[&challenger]);
        self.world.write(&challenger, &seal, PIECE, &bytes);
        let evidence = market::referee::evidence(&wallet, &seal);
        self.measure("judge (K = 4,096)", market::referee::judge(&evidence, claim(&run.claim)), &[]);
        self.measure("close_evidence", market::referee::close_evidence(&wallet, &seal), &[&challenger]);
    }
}

/// One matrix product over `k` inputs, with one bit wrong.
fn false_product(k: u16) -> Run {
    const MATMUL: u64 = 1;
    let mut graph = Graph {
        inputs: vec![Shape::new(1, 1, k)],
        ..Graph::default()
    };
    assert!(graph.grow(MATMUL, &Rng::new(1)));
    Run::new(&graph, &Rng::new(2), 1, &|_, _, value| value[0] ^= 1)
}

/// Two units of 16 ops, the last a 3×3 convolution of 455 channels over another op's output. All values are random, so every element is
/// wrong.
fn false_convolution() -> Run {
    let rng = &Rng::new(1);
    let mut graph = Graph {
        inputs: vec![Shape::new(32, 32, 455)],
        ..Graph::default()
    };
    for id in 0..15 {
        assert!(graph.push(OpKind::Table8 { table: [0; 32] }, &[id], 0, 1 << 24, rng));
    }
    let convolution = OpKind::Conv2d {
        weights: [0; 32],
        channels: [0; 32],
        kernel: [3, 3],
        stride: [1, 1],
        padding: [0; 4],
        dilation: [1, 1],
        groups: 1,
        pad_value: 0,
        requantise: Requantise {
            shift: 20,
            zero_point: 0,
            lo: -128,
            hi: 127,
        },
    };
    assert!(graph.push(convolution, &[15], 455, 1 << 24, rng));
    let unit = |_| {
        graph
            .shapes()
            .iter()
            .map(|shape| Graph::bytes(rng, shape.elements().unwrap() as usize))
            .collect()
    };
    Run::of_values(&graph, (0..2).map(unit).collect())
}

/// 27 units of 27 ops of 27 chunks, computed honestly: a full piece of an answer and one more hash.
pub fn tables() -> Run {
    let mut graph = Graph {
        inputs: vec![Shape::new(27, 64, 16)],
        ..Graph::default()
    };
    for id in 0..27 {
        assert!(graph.push(OpKind::Table8 { table: [0; 32] }, &[id], 0, 1 << 24, &Rng::new(id.into())));
    }
    Run::new(&graph, &Rng::new(2), 27, &honest)
}
