//! A result on its way through an audit, shared by the tests of each instruction about it.

use super::demands::graph;
use ::jobs::{AuditStage, JobTerms, Parameters};
use chain::market;
use protocol::audit::CustodyUnit;
use protocol::hash::Hash;
use protocol::merkle;
use protocol::testing::{Rng, Run, honest};
use protocol::units::IO;
use solana_address::Address;
use solana_instruction::Instruction;
use solana_keypair::Keypair;
use solana_signer::Signer;
use std::sync::Arc;
use tests::{Consumer, GPU, PARAMETERS, Work, Worker, World, ending, revealing, slot_hash, terms};

/// What a unit of the kit's terms costs when it is claimed at once.
pub(super) const PRICE: u64 = IO;
/// Units of the job.
pub(super) const UNITS: u32 = 5;

/// A job of alice's that dora may audit; erik watches.
#[derive(Clone)]
pub(super) struct Audited {
    pub world: World,
    pub worker: Worker,
    pub auditor: Worker,
    pub third: Worker,
    pub consumer: Consumer,
    pub cranker: Arc<Keypair>,
    pub job: Address,
    pub run: Arc<Run>,
}

/// The market's parameters with this share of results audited.
pub(super) fn auditing(floor: u16) -> Parameters {
    Parameters {
        audit_floor_bps: floor,
        ..PARAMETERS
    }
}

impl Audited {
    /// Taken by alice, where this share is audited.
    pub fn claimed(floor: u16) -> Self {
        let mut world = World::new();
        let admin = world.admin.clone();
        world.send(market::job::set_parameters(&admin.pubkey(), auditing(floor)), &[&admin]);
        let [worker, auditor, third] = ["alice", "dora", "erik"].map(|name| world.worker(name));
        // An audit's rent is its auditor's hot key's.
        for worker in [&worker, &auditor, &third] {
            world.give_sol(&worker.key.pubkey(), 1_000_000_000);
        }
        let consumer = world.consumer("bob");
        let cranker = world.wallet("cranker");
        // Of checkpoints: that all ops are some is tested where audits are computed.
        let run = Arc::new(Run::new(&graph(), &Rng::new(7), UNITS, &honest).every(7));
        let model = world.register(&run.graph);
        let terms = JobTerms {
            inputs: run.claim.inputs,
            units: UNITS,
            ..terms()
        };
        let open = market::job::open_job(&consumer.wallet(), &consumer.mint, &model, 1, terms);
        world.send(open, &[&consumer.owner]);
        let job = consumer.job(1);
        world.claim(&worker, &job);
        Self {
            world,
            worker,
            auditor,
            third,
            consumer,
            cranker,
            job,
            run,
        }
    }

    /// Committed, and the slot that draws has passed.
    pub fn committed(floor: u16) -> Self {
        let mut all = Self::claimed(floor);
        all.world.commit_to(&all.worker, &all.job, Work::of(&all.run));
        all.world.pass(4, 9);
        all
    }

    /// Drawn, and the doors are open.
    pub fn drawn() -> Self {
        let mut all = Self::committed(10_000);
        all.world.send(market::audit::draw(&all.job), &[]);
        all.world.open_doors();
        all
    }

    /// Taken by dora.
    pub fn taken() -> Self {
        let mut all = Self::drawn();
        all.world.send(all.claim(), &[&all.auditor.key]);
        all
    }

    /// Dora has committed to this run.
    pub fn sealed_to(run: &Run) -> Self {
        let mut all = Self::taken();
        let commit = all.commit(run);
        all.world.send(commit, &[&all.auditor.key]);
        all
    }

    /// Alice has revealed, and so has dora, the same.
    pub fn agreed() -> Self {
        let run = Self::claimed(0).run;
        let mut all = Self::sealed_to(&run);
        all.reveal();
        all.world.send(all.reveal_audit(&run), &[&all.auditor.key]);
        all.world.pass(0, 1);
        all
    }

    /// Dora has shown that she holds the trace.
    pub fn proven() -> Self {
        let mut all = Self::agreed();
        let proof = all.proof();
        let prove = all.prove(&proof);
        all.world.send(prove, &[]);
        all
    }

    pub fn claim(&self) -> Instruction {
        self.claim_by(&self.auditor)
    }

    pub fn claim_by(&self, auditor: &Worker) -> Instruction {
        let facts = self.world.job(&self.job);
        market::audit::claim(&auditor.key.pubkey(), &self.job, &facts, &auditor.device, GPU)
    }

    /// The auditor's trees over a run.
    pub fn custody(&self, run: &Run) -> Vec<CustodyUnit> {
        let job_hash = self.world.job(&self.job).job_hash;
        run.custody(self.auditor.device.as_array(), &job_hash)
    }

    /// The auditor's commitment to a run, and to its trees.
    pub fn commit(&self, run: &Run) -> Instruction {
        let commitment = Work::of(run).commitment(&self.world.job(&self.job).job_hash, &self.auditor.device);
        let roots: Vec<Hash> = self.custody(run).iter().map(CustodyUnit::root).collect();
        let custody = merkle::root(&roots);
        market::audit::commit(&self.auditor.key.pubkey(), &self.job, &self.auditor.device, commitment, custody)
    }

    /// Alice reveals.
    #[track_caller]
    pub fn reveal(&mut self) {
        let reveal = revealing(&self.worker, &self.job, Work::of(&self.run));
        self.world.send(reveal, &[&self.worker.key]);
    }

    pub fn reveal_audit(&self, run: &Run) -> Instruction {
        let Work { traces, outputs, nonce } = Work::of(run);
        market::audit::reveal(&self.auditor.key.pubkey(), &self.job, &self.auditor.device, traces, outputs, nonce)
    }

    /// What opens the chunks that the slot after the auditor's reveal draws.
    pub fn proof(&self) -> Vec<u8> {
        let slot = self.world.audit_of(&self.job).revealed_slot.get() + 1;
        let seed = slot_hash(slot).to_bytes();
        let party = self.auditor.device.as_array();
        self.run.custody_proof(&self.custody(&self.run), party, &seed)
    }

    /// Puts a proof on chain; returns the instruction that uses it.
    #[track_caller]
    pub fn prove(&mut self, proof: &[u8]) -> Instruction {
        let audit = market::audit::address(&self.job);
        let shown = self.world.show(&self.cranker.clone(), &audit, proof);
        let model = self.world.job(&self.job).model;
        market::audit::prove(&self.job, &model, &shown)
    }

    pub fn settle(&self, auditor: Option<Address>) -> Instruction {
        let parties = ending(&self.consumer, &self.worker, &self.job);
        market::job::settle_audited(&self.cranker.pubkey(), &parties, &self.worker.tokens, auditor)
    }

    #[track_caller]
    pub fn assert_stage(&self, stage: AuditStage) {
        assert_eq!(self.world.job(&self.job).audit, stage as u8, "{stage:?}");
    }
}
