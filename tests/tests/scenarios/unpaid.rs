//! Jobs that end without a payment, and jobs that several devices want.

use chain::market;
use jobs::error::JobsError;
use jobs::{JobTerms, Parameters, Status};
use protocol::units::IO;
use solana_signer::Signer;
use tests::{PARAMETERS, World, ending, terms};

#[test]
fn a_job_that_nobody_claims_is_ended_by_anyone() {
    let mut world = World::new();
    let (worker, consumer, cranker) = (world.worker("alice"), world.consumer("bob"), world.wallet("carol"));
    let job = world.open(&consumer, 1, terms());
    world.wait_for_deadline(&job);
    let claim = world.claiming(&worker, &job, 0);
    world.refuse(claim, &[&worker.key], JobsError::JobExpired);
    world.send(
        market::job::expire_job(&cranker.pubkey(), &ending(&consumer, &worker, &job)),
        &[&cranker],
    );
    assert_eq!(world.escrow(&consumer.escrow).free.get(), 1_000 * IO);
    // The id can be used again.
    world.open(&consumer, 1, terms());
}

#[test]
fn the_consumer_cancels_a_job() {
    let mut world = World::new();
    let consumer = world.consumer("bob");
    let sol = world.lamports(&consumer.wallet());
    let job = world.open(&consumer, 1, terms());
    world.send(
        market::job::cancel_job(&consumer.wallet(), &consumer.escrow, &job),
        &[&consumer.owner],
    );
    let all = market::job::withdraw(&consumer.wallet(), &consumer.escrow, &consumer.tokens, 1_000 * IO);
    world.send(all, &[&consumer.owner]);
    assert_eq!(
        (world.balance(&consumer.tokens), world.lamports(&consumer.wallet())),
        (2_000 * IO, sol)
    );
}

#[test]
fn a_late_commit_costs_the_worker_five_percent_of_its_bond_which_burns() {
    let mut world = World::new();
    let (worker, consumer, cranker) = (world.worker("alice"), world.consumer("bob"), world.wallet("carol"));
    let (io, supply) = (world.io, world.supply(&world.io));
    let job = world.open(&consumer, 1, terms());
    world.claim(&worker, &job);
    world.wait_for_deadline(&job);
    let late = market::job::commit_result(&worker.key.pubkey(), &job, &worker.device, [1; 32]);
    world.refuse(late, &[&worker.key], JobsError::DeadlinePassed);
    world.send(
        market::job::timeout_job(&cranker.pubkey(), &ending(&consumer, &worker, &job)),
        &[&cranker],
    );
    assert_eq!(world.escrow(&consumer.escrow).free.get(), 1_000 * IO, "the consumer is whole");
    world.send(market::stake::burn_forfeited(&worker.device, &io), &[]);
    assert_eq!(supply - world.supply(&io), IO / 2);
    // The owner can withdraw the rest of the stake.
    world.send(market::stake::unstake(&worker.wallet(), &worker.device), &[&worker.owner]);
    world.wait(14 * 86_400);
    world.send(
        market::stake::withdraw(&worker.wallet(), &worker.device, &worker.tokens),
        &[&worker.owner],
    );
    assert_eq!(world.balance(&worker.tokens), 2_000 * IO - IO / 2);
}

#[test]
fn a_late_reveal_costs_the_same_and_the_result_is_not_paid() {
    let mut world = World::new();
    let (worker, consumer, cranker) = (world.worker("alice"), world.consumer("bob"), world.wallet("carol"));
    let job = world.open(&consumer, 1, terms());
    world.claim(&worker, &job);
    world.commit(&worker, &job);
    world.wait_for_deadline(&job);
    let late = market::job::reveal_result(&worker.key.pubkey(), &job, &worker.device, [1; 32], [2; 32], [3; 32]);
    world.refuse(late, &[&worker.key], JobsError::DeadlinePassed);
    let parties = ending(&consumer, &worker, &job);
    world.refuse(
        market::job::settle_job(&cranker.pubkey(), &parties, &worker.tokens),
        &[&cranker],
        JobsError::WrongStatus,
    );
    world.send(market::job::timeout_job(&cranker.pubkey(), &parties), &[&cranker]);
    assert_eq!(world.device(&worker.device).forfeited.get(), IO / 2);
    assert_eq!(world.balance(&worker.tokens), 1_000 * IO);
}

#[test]
fn an_extension_saves_a_slow_worker() {
    let mut world = World::new();
    let (worker, consumer) = (world.worker("alice"), world.consumer("bob"));
    let job = world.open(&consumer, 1, terms());
    world.claim(&worker, &job);
    world.send(
        market::job::extend_job(&consumer.wallet(), &consumer.escrow, &job, 600),
        &[&consumer.owner],
    );
    world.wait(700);
    world.commit(&worker, &job);
    world.reveal(&worker, &job);
    world.wait_for_deadline(&job);
    let settle = market::job::settle_job(&worker.wallet(), &ending(&consumer, &worker, &job), &worker.tokens);
    world.send(settle, &[&worker.owner]);
    assert_eq!(world.device(&worker.device).jobs_done.get(), 1);
}

#[test]
fn two_devices_race_and_the_loser_loses_nothing() {
    let mut world = World::new();
    let (first, second) = (world.worker("alice"), world.worker("dave"));
    let consumer = world.consumer("bob");
    let job = world.open(&consumer, 1, terms());
    world.claim(&first, &job);
    let late = world.claiming(&second, &job, 0);
    world.refuse(late, &[&second.key], JobsError::WrongStatus);
    let loser = world.device(&second.device);
    assert_eq!((loser.locked_bond.get(), loser.open_jobs.get()), (0, 0));
    // Both work on different jobs, and each is paid for its own.
    let another = world.open(&consumer, 2, terms());
    world.work(&second, &another);
    world.commit(&first, &job);
    world.reveal(&first, &job);
    world.wait(1_000);
    for (worker, job) in [(&first, &job), (&second, &another)] {
        let settle = market::job::settle_job(&worker.wallet(), &ending(&consumer, worker, job), &worker.tokens);
        world.send(settle, &[&worker.owner]);
        assert_eq!(world.balance(&worker.tokens), 1_010 * IO - 2_500_000);
    }
}

#[test]
fn one_device_serves_many_jobs_until_its_stake_is_bound() {
    let mut world = World::new();
    let (worker, consumer) = (world.worker("alice"), world.consumer("bob"));
    let terms = JobTerms {
        bond: 250 * IO,
        units: 1,
        ..terms()
    };
    let jobs = [1, 2, 3, 4, 5].map(|id| world.open(&consumer, id, terms));
    for job in &jobs[..4] {
        world.claim(&worker, job);
    }
    let beyond = world.claiming(&worker, &jobs[4], 0);
    world.refuse(beyond.clone(), &[&worker.key], staking::error::StakingError::InsufficientFreeStake);
    for job in &jobs[..4] {
        world.commit(&worker, job);
        world.reveal(&worker, job);
    }
    world.wait(300);
    let settle = |job| market::job::settle_job(&consumer.wallet(), &ending(&consumer, &worker, job), &worker.tokens);
    world.send(settle(&jobs[0]), &[&consumer.owner]);
    world.send(beyond, &[&worker.key]);
    for job in &jobs[1..4] {
        world.send(settle(job), &[&consumer.owner]);
    }
    assert_eq!(world.device(&worker.device).jobs_done.get(), 4);
    assert_eq!(world.job(&jobs[4]).status, Status::Assigned);
}

#[test]
fn a_free_offer_is_settled_without_a_payment() {
    let mut world = World::new();
    let admin = world.admin.clone();
    let parameters = Parameters {
        bounty: 0,
        penalty_bps: 0,
        ..PARAMETERS
    };
    world.send(market::job::set_parameters(&admin.pubkey(), parameters), &[&admin]);
    let (worker, consumer) = (world.worker("alice"), world.consumer("bob"));
    let job = world.open(&consumer, 1, JobTerms { start_price: 0, ..terms() });
    let late = world.open(&consumer, 2, terms());
    world.claim(&worker, &late);
    world.work(&worker, &job);
    world.wait(1_000);
    let settle = market::job::settle_job(&consumer.wallet(), &ending(&consumer, &worker, &job), &worker.tokens);
    world.send(settle, &[&consumer.owner]);
    world.send(
        market::job::timeout_job(&consumer.wallet(), &ending(&consumer, &worker, &late)),
        &[&consumer.owner],
    );
    assert_eq!(world.balance(&worker.tokens), 1_000 * IO);
    assert_eq!(world.escrow(&consumer.escrow).free.get(), 1_000 * IO);
    assert_eq!(world.device(&worker.device).forfeited.get(), 0);
}
