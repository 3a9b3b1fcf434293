//! A restart of the cluster gives every running deadline its whole allowance again, on both clocks.

use ::jobs::Status;
use ::jobs::error::JobsError;
use chain::market;
use protocol::units::Moment;
use solana_address::Address;
use solana_instruction::Instruction;
use solana_keypair::Keypair;
use solana_signer::Signer;
use std::sync::Arc;
use tests::{Consumer, Work, Worker, World, ending, terms};

struct Market {
    world: World,
    worker: Worker,
    consumer: Consumer,
    job: Address,
}

/// A job that has reached `status`.
fn market(status: Status) -> Market {
    let mut world = World::new();
    let (worker, consumer) = (world.worker("alice"), world.consumer("bob"));
    let job = world.open(&consumer, 1, terms());
    let way: [&dyn Fn(&mut World); 3] = [
        &|world| {
            world.claim(&worker, &job);
        },
        &|world| {
            world.commit(&worker, &job);
        },
        &|world| {
            world.reveal(&worker, &job);
        },
    ];
    for step in &way[..status as usize] {
        world.wait(7);
        step(&mut world);
    }
    Market {
        world,
        worker,
        consumer,
        job,
    }
}

impl Market {
    fn claim(&self) -> (Instruction, Arc<Keypair>) {
        (self.world.claiming(&self.worker, &self.job, 0), self.worker.key.clone())
    }

    fn commit(&self) -> (Instruction, Arc<Keypair>) {
        let commitment = Work::SAMPLE.commitment(&self.world.job(&self.job).job_hash, &self.worker.device);
        let commit = market::job::commit_result(&self.worker.key.pubkey(), &self.job, &self.worker.device, commitment);
        (commit, self.worker.key.clone())
    }

    fn reveal(&self) -> (Instruction, Arc<Keypair>) {
        let Work { traces, outputs, nonce } = Work::SAMPLE;
        let reveal = market::job::reveal_result(&self.worker.key.pubkey(), &self.job, &self.worker.device, traces, outputs, nonce);
        (reveal, self.worker.key.clone())
    }

    fn extend(&self) -> (Instruction, Arc<Keypair>) {
        let extend = market::job::extend_job(&self.consumer.wallet(), &self.consumer.escrow, &self.job, 60);
        (extend, self.consumer.owner.clone())
    }

    fn end(&self, make: fn(&Self, &Address) -> Instruction) -> (Instruction, Arc<Keypair>) {
        (make(self, &self.consumer.wallet()), self.consumer.owner.clone())
    }

    fn expire(&self) -> (Instruction, Arc<Keypair>) {
        self.end(|market, cranker| market::job::expire_job(cranker, &ending(&market.consumer, &market.worker, &market.job)))
    }

    fn timeout(&self) -> (Instruction, Arc<Keypair>) {
        self.end(|market, cranker| market::job::timeout_job(cranker, &ending(&market.consumer, &market.worker, &market.job)))
    }

    fn settle(&self) -> (Instruction, Arc<Keypair>) {
        self.end(|market, cranker| {
            let ending = ending(&market.consumer, &market.worker, &market.job);
            market::job::settle_job(cranker, &ending, &market.worker.tokens)
        })
    }

    /// The expected deadline after a restart in slot `restart`: slots are counted from there, and the seconds are given twice.
    fn extended(&self, restart: u64) -> Moment {
        let job = self.world.job(&self.job);
        let slots = job.deadline_slot.get() - job.since_slot.get();
        Moment {
            unix: job.deadline_at.get() + (slots * 2 / 5) as i64,
            slot: restart + slots,
        }
    }

    /// Checks that the instruction fails with `error` exactly while `deadline` has (or has not) passed, at both of its edges.
    #[track_caller]
    fn check(&self, (instruction, signer): (Instruction, Arc<Keypair>), deadline: Moment, error: JobsError, refused_when_reached: bool) {
        let failure = tests::Failure::from(error);
        for (mut world, reached) in self.world.around(deadline) {
            if reached == refused_when_reached {
                world.refuse(instruction.clone(), &[&signer], failure.clone());
            } else {
                world.send(instruction.clone(), &[&signer]);
            }
        }
    }
}

#[test]
fn an_offer_stays_open_for_its_allowance_after_the_restart() {
    let mut market = market(Status::Open);
    let restart = market.world.job(&market.job).since_slot.get() + 1_000;
    market.world.restarted_in(restart);
    let deadline = market.extended(restart);
    market.check(market.claim(), deadline, JobsError::JobExpired, true);
    market.check(market.extend(), deadline, JobsError::DeadlinePassed, true);
    market.check(market.expire(), deadline, JobsError::DeadlineNotPassed, false);
}

#[test]
fn a_worker_gets_its_run_and_its_reveal_again() {
    let mut market = market(Status::Assigned);
    let restart = market.world.job(&market.job).since_slot.get() + 1;
    market.world.restarted_in(restart);
    let deadline = market.extended(restart);
    market.check(market.commit(), deadline, JobsError::DeadlinePassed, true);
    market.check(market.extend(), deadline, JobsError::DeadlinePassed, true);
    market.check(market.timeout(), deadline, JobsError::DeadlineNotPassed, false);

    let mut market = self::market(Status::Committed);
    let restart = market.world.job(&market.job).since_slot.get() + 1;
    market.world.restarted_in(restart);
    let deadline = market.extended(restart);
    market.check(market.reveal(), deadline, JobsError::DeadlinePassed, true);
    market.check(market.timeout(), deadline, JobsError::DeadlineNotPassed, false);
}

#[test]
fn challengers_get_the_window_again() {
    let mut market = market(Status::Revealed);
    let restart = market.world.job(&market.job).since_slot.get() + 1;
    market.world.restarted_in(restart);
    market.check(market.settle(), market.extended(restart), JobsError::DeadlineNotPassed, false);
}

#[test]
fn a_restart_before_the_state_began_changes_nothing() {
    let mut market = market(Status::Revealed);
    for before in [0, 1] {
        let restart = market.world.job(&market.job).since_slot.get() - before;
        market.world.restarted_in(restart);
        let deadline = market.world.deadline(&market.job);
        market.check(market.settle(), deadline, JobsError::DeadlineNotPassed, false);
    }
}

#[test]
fn an_extension_after_the_restart_keeps_what_the_restart_gave_and_is_given_once() {
    let mut market = market(Status::Assigned);
    let restart = market.world.job(&market.job).since_slot.get() + 1;
    market.world.pass(0, 2);
    market.world.restarted_in(restart);
    let (extend, owner) = market.extend();
    let Moment { unix, slot } = market.extended(restart);
    market.world.send(extend, &[&owner]);
    let deadline = Moment {
        unix: unix + 60,
        slot: slot + 150,
    };
    assert_eq!(market.world.deadline(&market.job), deadline);
    market.check(market.commit(), deadline, JobsError::DeadlinePassed, true);
    // The next restart gives the whole allowance again.
    let restart = restart + 10;
    market.world.restarted_in(restart);
    market.check(market.commit(), market.extended(restart), JobsError::DeadlinePassed, true);
}

#[test]
fn a_restart_after_an_extension_gives_the_extended_time_again() {
    let mut market = market(Status::Assigned);
    let began = market.world.job(&market.job).since_slot.get();
    let (extend, owner) = market.extend();
    market.world.send(extend, &[&owner]);
    let Moment { unix, .. } = market.world.deadline(&market.job);
    market.world.restarted_in(began + 1);
    // Two minutes to run, and one more.
    let deadline = Moment {
        unix: unix + 180,
        slot: began + 1 + 450,
    };
    market.check(market.commit(), deadline, JobsError::DeadlinePassed, true);
}
