//! A result that passes through an audit, shared by the tests of all audit instructions.

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

/// Price of a unit under the kit's terms, when the job is claimed at once.
pub(super) const PRICE: u64 = IO;
/// Number of units of the job.
pub(super) const UNITS: u32 = 5;

/// A job that alice has computed and dora may audit; erik is a third device.
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
    /// A job claimed by alice, on a market that audits this share of results. It needs a GPU with a multiplier.
    pub fn claimed(floor: u16) -> Self {
        let mut world = World::new();
        let admin = world.admin.clone();
        world.send(market::job::set_parameters(&admin.pubkey(), auditing(floor)), &[&admin]);
        let [worker, auditor, third] = ["alice", "dora", "erik"].map(|name| world.worker(name));
        // The auditor's hot key pays the audit's rent.
        for worker in [&worker, &auditor, &third] {
            world.give_sol(&worker.key.pubkey(), 1_000_000_000);
        }
        let consumer = world.consumer("bob");
        let cranker = world.wallet("cranker");
        // The model's traces commit only to checkpoints; `protocol::audit` tests traces of all ops.
        let run = Arc::new(Run::new(&graph(), &Rng::new(7), UNITS, &honest).every(7));
        let mut all = Self {
            world,
            worker,
            auditor,
            third,
            job: consumer.job(1),
            consumer,
            cranker,
            run,
        };
        all.open(1);
        all
    }

    /// Opens a job with this id, which may be that of one that has ended, and has the worker claim it.
    #[track_caller]
    pub fn open(&mut self, id: u64) {
        let model = self.world.register(&self.run.graph);
        let terms = JobTerms {
            inputs: self.run.claim.inputs,
            units: UNITS,
            min_multiplier_x100: 1,
            ..terms()
        };
        let open = market::job::open_job(&self.consumer.wallet(), &self.consumer.mint, &model, id, terms);
        self.world.send(open, &[&self.consumer.owner]);
        self.job = self.consumer.job(id);
        self.world.claim(&self.worker, &self.job);
    }

    /// The job committed to, with the slot hash for the draw known.
    pub fn committed(floor: u16) -> Self {
        let mut all = Self::claimed(floor);
        all.commit_work();
        all
    }

    /// Commits to alice's result and waits until the slot hash for the draw is known.
    #[track_caller]
    pub fn commit_work(&mut self) {
        self.world.commit_to(&self.worker, &self.job, Work::of(&self.run));
        self.world.pass(4, 9);
    }

    /// The audit drawn, with all devices admitted.
    pub fn drawn() -> Self {
        let mut all = Self::committed(10_000);
        all.draw();
        all
    }

    /// Draws the audit and waits until all devices are admitted.
    #[track_caller]
    pub fn draw(&mut self) {
        self.world.send(market::audit::draw(&self.job), &[]);
        self.world.open_doors();
    }

    /// The audit taken by dora.
    pub fn taken() -> Self {
        let mut all = Self::drawn();
        all.world.send(all.claim(), &[&all.auditor.key]);
        all
    }

    /// The audit with dora's commitment to this run.
    pub fn sealed_to(run: &Run) -> Self {
        let mut all = Self::taken();
        let commit = all.commit(run);
        all.world.send(commit, &[&all.auditor.key]);
        all
    }

    /// The audit with the same result revealed by alice and by dora.
    pub fn agreed() -> Self {
        let run = Self::claimed(0).run;
        let mut all = Self::sealed_to(&run);
        all.reveal();
        all.world.send(all.reveal_audit(&run), &[&all.auditor.key]);
        all.world.pass(0, 1);
        all
    }

    /// The audit with dora's proof that she holds the trace.
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

    /// Reveals alice's result.
    #[track_caller]
    pub fn reveal(&mut self) {
        let reveal = revealing(&self.worker, &self.job, Work::of(&self.run));
        self.world.send(reveal, &[&self.worker.key]);
    }

    pub fn reveal_audit(&self, run: &Run) -> Instruction {
        let Work { traces, outputs, nonce } = Work::of(run);
        market::audit::reveal(&self.auditor.key.pubkey(), &self.job, &self.auditor.device, traces, outputs, nonce)
    }

    /// The proof that opens the chunks which the slot after the auditor's reveal draws.
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
