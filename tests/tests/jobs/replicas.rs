//! Replicas in each of their states, shared by the tests of the instructions about them.

use ::jobs::JobTerms;
use chain::market;
use protocol::units::IO;
use solana_address::Address;
use solana_instruction::Instruction;
use solana_signer::Signer;
use tests::{Consumer, Work, Worker, World, ending, revealing, terms};

/// Replicas of one job, and workers of different owners who can take one each.
#[derive(Clone)]
pub(super) struct Replicas {
    pub world: World,
    pub consumer: Consumer,
    pub workers: Vec<Worker>,
    pub jobs: Vec<Address>,
}

impl Replicas {
    /// Open replicas, with ids from 5.
    pub fn open(replicas: u8) -> Self {
        Self::open_on(JobTerms { replicas, ..terms() })
    }

    /// The same, on these terms.
    pub fn open_on(terms: JobTerms) -> Self {
        let mut world = World::new();
        let workers = ["alice", "dora", "erik"].map(|name| world.worker(name)).into();
        let consumer = world.consumer("bob");
        let jobs = world.open_replicas(&consumer, 5, terms);
        Self {
            world,
            consumer,
            workers,
            jobs,
        }
    }

    /// The same, each claimed by its worker.
    pub fn claimed(replicas: u8) -> Self {
        let mut all = Self::open(replicas);
        all.world.open_doors();
        for replica in 0..usize::from(replicas) {
            all.claim(replica);
        }
        all
    }

    /// The same, each with a commitment to this work.
    pub fn committed(works: &[Work]) -> Self {
        let mut all = Self::claimed(works.len() as u8);
        for (replica, work) in works.iter().enumerate() {
            all.commit(replica, *work);
        }
        all
    }

    /// The same, revealed.
    pub fn revealed(works: &[Work]) -> Self {
        let mut all = Self::committed(works);
        all.world.send(all.call(), &[]);
        for (replica, work) in works.iter().enumerate() {
            all.reveal(replica, *work);
        }
        all
    }

    #[track_caller]
    pub fn claim(&mut self, replica: usize) {
        let claim = self.world.claiming_replica(&self.workers[replica], &self.jobs, replica);
        self.world.send(claim, &[&self.workers[replica].key]);
    }

    /// Claims a replica with the worker of another one.
    #[track_caller]
    pub fn claim_by(&mut self, worker: usize, replica: usize) {
        let claim = self.world.claiming_replica(&self.workers[worker], &self.jobs, replica);
        self.world.send(claim, &[&self.workers[worker].key]);
    }

    #[track_caller]
    pub fn commit(&mut self, replica: usize, work: Work) {
        self.world.commit_to(&self.workers[replica], &self.jobs[replica], work);
    }

    #[track_caller]
    pub fn reveal(&mut self, replica: usize, work: Work) {
        let worker = &self.workers[replica];
        self.world.send(revealing(worker, &self.jobs[replica], work), &[&worker.key]);
    }

    /// The instruction that calls the reveals of the replicas that exist now.
    pub fn call(&self) -> Instruction {
        market::job::call_reveals(&self.world.living(&self.jobs))
    }

    /// The instruction by which the replicas that exist now agree.
    pub fn agree(&self) -> Instruction {
        market::job::agree_replicas(&self.world.living(&self.jobs))
    }

    /// The instruction that pays one replica.
    pub fn settle(&self, cranker: &Address, replica: usize) -> Instruction {
        let worker = &self.workers[replica];
        market::job::settle_job(cranker, &ending(&self.consumer, worker, &self.jobs[replica]), &worker.tokens)
    }

    /// Ends a replica whose worker is late.
    #[track_caller]
    pub fn time_out(&mut self, replica: usize) {
        let cranker = self.world.wallet("cranker");
        let timeout = market::job::timeout_job(
            &cranker.pubkey(),
            &ending(&self.consumer, &self.workers[replica], &self.jobs[replica]),
        );
        self.world.wait_for_deadline(&self.jobs[replica].clone());
        self.world.send(timeout, &[&cranker]);
    }
}

/// A result that differs from the sample.
pub(super) const OTHER: Work = Work {
    traces: [0x7B; 32],
    ..Work::SAMPLE
};

/// Price of a unit under the kit's terms, when the job is claimed at once.
pub(super) const PRICE: u64 = IO;
