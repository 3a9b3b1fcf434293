use ::jobs::JobTerms;
use ::jobs::error::JobsError;
use ::jobs::state::{MAX_DURATION, MAX_EXTENDED_DEADLINE};
use chain::market;
use protocol::units::IO;
use solana_signer::Signer;
use tests::{World, terms};

#[test]
fn an_open_offer_stays_claimable_for_that_many_more_seconds() {
    let mut world = World::new();
    let (worker, consumer) = (world.worker("alice"), world.consumer("bob"));
    let job = world.open(&consumer, 1, terms());
    let first = world.deadline(&job);
    let extend = market::job::extend_job(&consumer.wallet(), &consumer.escrow, &job, 60);
    world.sweep(&extend, &[&consumer.owner], &[]);
    world.send(extend, &[&consumer.owner]);
    assert_eq!(world.deadline(&job), first.after(60));
    world.go_to(first);
    world.send(world.claiming(&worker, &job, 0), &[&worker.key]);
}

#[test]
fn the_worker_gets_more_time_at_the_price_agreed() {
    let mut world = World::new();
    let (worker, consumer) = (world.worker("alice"), world.consumer("bob"));
    let job = world.open(&consumer, 1, terms());
    world.claim(&worker, &job);
    let first = world.deadline(&job);
    world.send(
        market::job::extend_job(&consumer.wallet(), &consumer.escrow, &job, 60),
        &[&consumer.owner],
    );
    assert_eq!((world.deadline(&job), world.job(&job).price.get()), (first.after(60), IO));
    world.go_to(first);
    world.commit(&worker, &job);
}

#[test]
fn fails_for_anyone_but_the_escrows_owner_even_the_worker() {
    let mut world = World::new();
    let (worker, consumer, other) = (world.worker("alice"), world.consumer("bob"), world.consumer("carol"));
    let job = world.open(&consumer, 1, terms());
    let extend = market::job::extend_job(&worker.key.pubkey(), &consumer.escrow, &job, 60);
    world.refuse(extend, &[&worker.key], JobsError::NotOwner);
    let extend = market::job::extend_job(&other.wallet(), &other.escrow, &job, 60);
    world.refuse(extend, &[&other.owner], JobsError::AccountMismatch);
}

#[test]
fn fails_after_the_deadline() {
    let mut world = World::new();
    let (worker, consumer) = (world.worker("alice"), world.consumer("bob"));
    let jobs = [world.open(&consumer, 1, terms()), world.open(&consumer, 2, terms())];
    world.claim(&worker, &jobs[1]);
    for job in jobs {
        let extend = market::job::extend_job(&consumer.wallet(), &consumer.escrow, &job, 1);
        for (mut world, reached) in world.around(world.deadline(&job)) {
            if reached {
                world.refuse(extend.clone(), &[&consumer.owner], JobsError::DeadlinePassed);
            } else {
                world.send(extend.clone(), &[&consumer.owner]);
            }
        }
    }
}

#[test]
fn fails_once_a_commitment_is_posted() {
    let mut world = World::new();
    let (worker, consumer) = (world.worker("alice"), world.consumer("bob"));
    let job = world.open(&consumer, 1, terms());
    let extend = market::job::extend_job(&consumer.wallet(), &consumer.escrow, &job, 60);
    world.claim(&worker, &job);
    world.commit(&worker, &job);
    world.refuse(extend.clone(), &[&consumer.owner], JobsError::WrongStatus);
    world.reveal(&worker, &job);
    world.refuse(extend, &[&consumer.owner], JobsError::WrongStatus);
}

#[test]
fn fails_for_nothing_and_for_more_than_a_week() {
    let mut world = World::new();
    let consumer = world.consumer("bob");
    let job = world.open(&consumer, 1, terms());
    let extend = |seconds| market::job::extend_job(&consumer.wallet(), &consumer.escrow, &job, seconds);
    for seconds in [0, MAX_DURATION + 1, u32::MAX] {
        world.refuse(extend(seconds), &[&consumer.owner], JobsError::InvalidDuration);
    }
    world.send(extend(MAX_DURATION), &[&consumer.owner]);
}

/// A job that could be extended for ever would keep its bond out of reach of any slash.
#[test]
fn no_deadline_moves_beyond_thirty_days_from_the_opening() {
    let mut world = World::new();
    let consumer = world.consumer("bob");
    let job = world.open(&consumer, 1, terms());
    let opened = world.now().unix;
    let extend = |seconds| market::job::extend_job(&consumer.wallet(), &consumer.escrow, &job, seconds);
    for _ in 0..4 {
        world.send(extend(MAX_DURATION), &[&consumer.owner]);
        world.wait(MAX_DURATION);
    }
    let left = opened + i64::from(MAX_EXTENDED_DEADLINE) - world.deadline(&job).unix;
    let left = u32::try_from(left).unwrap();
    world.refuse(extend(left + 1), &[&consumer.owner], JobsError::InvalidDuration);
    world.send(extend(left), &[&consumer.owner]);
    world.refuse(extend(1), &[&consumer.owner], JobsError::InvalidDuration);
}

#[test]
fn fails_for_a_replica() {
    let mut world = World::new();
    let consumer = world.consumer("bob");
    let jobs = world.open_replicas(&consumer, 1, JobTerms { replicas: 2, ..terms() });
    let extend = market::job::extend_job(&consumer.wallet(), &consumer.escrow, &jobs[1], 60);
    world.refuse(extend, &[&consumer.owner], JobsError::ReplicasNotExtended);
}
