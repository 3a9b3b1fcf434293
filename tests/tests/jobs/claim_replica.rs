use super::replicas::Replicas;
use ::jobs::error::JobsError;
use ::jobs::{JobTerms, Status};
use chain::market;
use protocol::units::IO;
use solana_address::Address;
use solana_signer::Signer;
use tests::{Failure, GPU, PARAMETERS, Worker, key, terms};

#[test]
fn each_replica_is_a_job_of_its_own() {
    let all = Replicas::claimed(3);
    for (job, worker) in all.jobs.iter().zip(&all.workers) {
        let job = all.world.job(job);
        assert_eq!((job.status, job.device, job.replicas), (Status::Assigned as u8, worker.device, 3));
    }
    let replicas: Vec<u8> = all.jobs.iter().map(|job| all.world.job(job).replica).collect();
    assert_eq!(replicas, [0, 1, 2]);
}

#[test]
fn fails_for_a_device_of_the_same_owner() {
    let mut all = Replicas::open(2);
    all.world.open_doors();
    all.claim(0);
    // The same device.
    let again = all.world.claiming_replica(&all.workers[0], &all.jobs, 1);
    all.world.refuse(again, &[&all.workers[0].key], Failure::DUPLICATE);
    // Payout wallets do not link devices, since they are named without consent.
    let named = market::stake::set_payout(&all.workers[0].wallet(), &all.workers[0].device, &all.workers[1].wallet());
    all.world.send(named, &[&all.workers[0].owner]);
    let other = all.world.claiming_replica(&all.workers[1], &all.jobs, 1);
    all.world.clone().send(other, &[&all.workers[1].key]);
    // A device of the same owner with another payout wallet.
    let (owner, io) = (all.workers[0].owner.clone(), all.world.io);
    let hot = key("a second device of alice's");
    let register = market::stake::register_device(&owner.pubkey(), &hot.pubkey(), &io, GPU, 1);
    all.world.send(register, &[&owner, &hot]);
    let second = Worker {
        owner: owner.clone(),
        device: market::stake::device(&hot.pubkey()),
        key: hot,
        tokens: all.workers[0].tokens,
    };
    let elsewhere = market::stake::set_payout(&owner.pubkey(), &second.device, &key("elsewhere").pubkey());
    all.world.send(elsewhere, &[&owner]);
    let linked = all.world.claiming_replica(&second, &all.jobs, 1);
    all.world.refuse(linked, &[&second.key], JobsError::LinkedReplica);
    all.claim_by(2, 1);
}

#[test]
fn fails_unless_the_other_replicas_are_named_as_they_are() {
    let mut all = Replicas::open(3);
    all.world.open_doors();
    all.claim(0);
    let [first, _, third] = all.jobs[..] else { panic!("three") };
    let (taken, free) = (all.workers[0].device, jobs_id());
    let worker = all.workers[1].clone();
    let hash = all.world.job(&all.jobs[1]).job_hash;
    let claim = |others: &[(Address, Address)]| {
        market::job::claim_replica(&worker.key.pubkey(), &all.jobs[1], hash, &worker.device, GPU, 0, others)
    };
    let stranger = all.workers[2].device;
    let wrong = [
        claim(&[]),
        claim(&[(first, taken)]),
        claim(&[(third, free), (first, taken)]),
        claim(&[(first, taken), (key("no job").pubkey(), free)]),
        // Another device in place of the one that took the replica.
        claim(&[(first, stranger), (third, free)]),
    ];
    let right = claim(&[(first, taken), (third, free)]);
    for wrong in wrong {
        all.world.refuse(wrong, &[&worker.key], JobsError::AccountMismatch);
    }
    all.world.send(right, &[&worker.key]);
}

#[test]
fn fails_for_another_replica_at_the_same_address() {
    let mut all = Replicas::open(2);
    let decided = all.world.claiming_replica(&all.workers[0], &all.jobs, 0);
    let consumer = all.consumer.clone();
    let cancels: Vec<_> = all
        .jobs
        .iter()
        .map(|job| market::job::cancel_job(&consumer.wallet(), &consumer.escrow, job))
        .collect();
    all.world.send_all(&cancels, &[&consumer.owner]);
    let swapped = JobTerms {
        replicas: 2,
        run_seconds: 1,
        ..terms()
    };
    assert_eq!(all.world.open_replicas(&consumer, 5, swapped), all.jobs);
    all.world.open_doors();
    all.world.refuse(decided, &[&all.workers[0].key.clone()], JobsError::TermsChanged);
}

fn jobs_id() -> Address {
    ::jobs::ID
}

#[test]
fn a_replica_that_has_ended_or_was_opened_later_blocks_nobody() {
    let mut all = Replicas::open(2);
    let cancel = market::job::cancel_job(&all.consumer.wallet(), &all.consumer.escrow, &all.jobs[1]);
    all.world.send(cancel, &[&all.consumer.owner]);
    all.world.pass(0, 1);
    // A later job, claimed by the same worker, is at the address of the second replica.
    let later = JobTerms {
        replicas: 2,
        replica: 1,
        ..terms()
    };
    let job = all.world.open(&all.consumer, 6, later);
    assert_eq!(job, all.jobs[1]);
    all.world.open_doors();
    let claim = all.world.claiming_replica(&all.workers[0], &all.jobs, 1);
    all.world.send(claim, &[&all.workers[0].key]);
    // The first replica's sibling has ended, and the job at its address is not in the group.
    let others = [(all.jobs[1], jobs_id())];
    let worker = &all.workers[0];
    let hash = all.world.job(&all.jobs[0]).job_hash;
    let claim = market::job::claim_replica(&worker.key.pubkey(), &all.jobs[0], hash, &worker.device, GPU, 0, &others);
    all.world.send(claim, &[&worker.key.clone()]);
}

#[test]
fn the_bond_of_a_replica_pays_for_another_run() {
    let mut all = Replicas::open(2);
    // Watchers and the other replica make detection certain: a small bond would be enough, but it must pay for another run.
    let admin = all.world.admin.clone();
    let watched = ::jobs::Parameters {
        watch_bps: 10_000,
        min_bond: 1,
        ..PARAMETERS
    };
    all.world.send(market::job::set_parameters(&admin.pubkey(), watched), &[&admin]);
    let jobs = all.world.open_replicas(
        &all.consumer,
        8,
        JobTerms {
            replicas: 2,
            bond: 1,
            ..terms()
        },
    );
    all.jobs = jobs;
    all.world.open_doors();
    all.claim(0);
    let job = all.world.job(&all.jobs[0]);
    let base = 10 * job.price.get();
    assert_eq!((base, job.bond.get()), (10 * IO, 5 * base));
    // With a value at risk the inequality requires more: when both agree, only the other replica has checked, with a chance of four in
    // five.
    let valuable = all.world.open_replicas(
        &all.consumer,
        10,
        JobTerms {
            replicas: 2,
            bond: 1,
            value_at_risk: 1_000 * IO,
            ..terms()
        },
    );
    all.jobs = valuable;
    all.world.open_doors();
    all.claim(0);
    let detection = protocol::units::Bps::new(8_000).unwrap();
    let price = protocol::units::Amount(10 * all.world.job(&all.jobs[0]).price.get());
    let required = protocol::bond::required(price, protocol::units::Amount(1_000 * IO), detection).unwrap();
    assert!(required.0 > 5 * price.0);
    assert_eq!(all.world.job(&all.jobs[0]).bond.get(), required.0);
}

/// The last replica of its group is like a single job, which only watchers check.
#[test]
fn the_bond_of_a_replica_is_at_least_that_of_a_single_job() {
    let mut all = Replicas::open(2);
    let admin = all.world.admin.clone();
    let seldom = ::jobs::Parameters {
        watch_bps: 500,
        min_bond: 1,
        ..PARAMETERS
    };
    all.world.send(market::job::set_parameters(&admin.pubkey(), seldom), &[&admin]);
    let cheap = JobTerms {
        start_price: IO / 10,
        max_price: IO / 10,
        bond: 1,
        ..terms()
    };
    all.jobs = all.world.open_replicas(&all.consumer, 8, JobTerms { replicas: 2, ..cheap });
    let single = all.world.open(&all.consumer, 20, cheap);
    all.world.open_doors();
    all.claim(0);
    all.world.claim(&all.workers[1].clone(), &single);
    let bonds = [all.jobs[0], single].map(|job| all.world.job(&job).bond.get());
    assert_eq!(bonds, [2_165_945_166; 2]);
}
