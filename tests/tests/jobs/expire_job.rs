use ::jobs::error::JobsError;
use chain::market;
use protocol::units::IO;
use solana_signer::Signer;
use tests::{Failure, World, ending, substituted, terms};

#[test]
fn the_whole_lock_is_free_again_with_the_bounty_to_the_caller_and_the_rent_to_the_consumer() {
    let mut world = World::new();
    let (worker, consumer) = (world.worker("alice"), world.consumer("bob"));
    let cranker = world.wallet("carol");
    let before = world.lamports(&consumer.wallet());
    let job = world.open(&consumer, 1, terms());
    world.wait_for_deadline(&job);
    let expire = market::job::expire_job(&cranker.pubkey(), &ending(&consumer, &worker, &job));
    world.sweep(&expire, &[&cranker], &[]);
    let lamports = world.lamports(&cranker.pubkey());
    world.send(expire.clone(), &[&cranker]);
    let escrow = world.escrow(&consumer.escrow);
    assert_eq!((escrow.free.get(), escrow.locked.get(), escrow.open_jobs.get()), (1_000 * IO, 0, 0));
    assert_eq!(world.lamports(&cranker.pubkey()) - lamports, 10_000);
    assert_eq!(before - world.lamports(&consumer.wallet()), 10_000);
    world.refuse(expire, &[&cranker], Failure::GONE);
}

#[test]
fn the_consumer_may_call() {
    let mut world = World::new();
    let (worker, consumer) = (world.worker("alice"), world.consumer("bob"));
    let before = world.lamports(&consumer.wallet());
    let job = world.open(&consumer, 1, terms());
    world.wait_for_deadline(&job);
    world.send(
        market::job::expire_job(&consumer.wallet(), &ending(&consumer, &worker, &job)),
        &[&consumer.owner],
    );
    assert_eq!(world.lamports(&consumer.wallet()), before);
}

#[test]
fn fails_before_the_offer_has_expired_by_both_clocks() {
    let mut world = World::new();
    let (worker, consumer) = (world.worker("alice"), world.consumer("bob"));
    let cranker = world.wallet("carol");
    let job = world.open(&consumer, 1, terms());
    let expire = market::job::expire_job(&cranker.pubkey(), &ending(&consumer, &worker, &job));
    for (mut world, reached) in world.around(world.deadline(&job)) {
        if reached {
            world.send(expire.clone(), &[&cranker]);
        } else {
            world.refuse(expire.clone(), &[&cranker], JobsError::DeadlineNotPassed);
        }
    }
}

#[test]
fn fails_once_the_job_is_taken() {
    let mut world = World::new();
    let (worker, consumer) = (world.worker("alice"), world.consumer("bob"));
    let cranker = world.wallet("carol");
    let job = world.open(&consumer, 1, terms());
    let expire = market::job::expire_job(&cranker.pubkey(), &ending(&consumer, &worker, &job));
    world.work(&worker, &job);
    world.wait(1_000_000);
    world.refuse(expire, &[&cranker], JobsError::WrongStatus);
}

#[test]
fn fails_with_an_escrow_or_consumer_of_somebody_else() {
    let mut world = World::new();
    let (worker, consumer, thief) = (world.worker("alice"), world.consumer("bob"), world.consumer("thief"));
    let cranker = world.wallet("carol");
    let job = world.open(&consumer, 1, terms());
    world.wait_for_deadline(&job);
    let expire = market::job::expire_job(&cranker.pubkey(), &ending(&consumer, &worker, &job));
    world.refuse(
        substituted(&expire, &consumer.wallet(), &thief.wallet()),
        &[&cranker],
        JobsError::AccountMismatch,
    );
    world.refuse(
        substituted(&expire, &consumer.escrow, &thief.escrow),
        &[&cranker],
        JobsError::AccountMismatch,
    );
    let both = substituted(
        &substituted(&expire, &consumer.escrow, &thief.escrow),
        &consumer.wallet(),
        &thief.wallet(),
    );
    world.refuse(both, &[&cranker], JobsError::AccountMismatch);
}
