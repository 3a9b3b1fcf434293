use ::jobs::error::JobsError;
use chain::market;
use protocol::units::IO;
use solana_signer::Signer;
use tests::{Failure, World, terms};

#[test]
fn the_whole_lock_is_free_again_and_rent_and_bounty_return_to_the_owner() {
    let mut world = World::new();
    let consumer = world.consumer("bob");
    let before = world.lamports(&consumer.wallet());
    let job = world.open(&consumer, 1, terms());
    let cancel = market::job::cancel_job(&consumer.wallet(), &consumer.escrow, &job);
    world.sweep(&cancel, &[&consumer.owner], &[]);
    world.send(cancel.clone(), &[&consumer.owner]);
    assert_eq!(world.lamports(&consumer.wallet()), before);
    let escrow = world.escrow(&consumer.escrow);
    assert_eq!((escrow.free.get(), escrow.locked.get(), escrow.open_jobs.get()), (1_000 * IO, 0, 0));
    world.refuse(cancel, &[&consumer.owner], Failure::GONE);
}

#[test]
fn fails_for_anyone_but_the_escrows_owner() {
    let mut world = World::new();
    let (consumer, thief) = (world.consumer("bob"), world.wallet("thief"));
    let job = world.open(&consumer, 1, terms());
    let cancel = market::job::cancel_job(&thief.pubkey(), &consumer.escrow, &job);
    world.refuse(cancel, &[&thief], JobsError::NotOwner);
}

#[test]
fn fails_for_a_job_of_another_escrow() {
    let mut world = World::new();
    let (consumer, thief) = (world.consumer("bob"), world.consumer("thief"));
    let job = world.open(&consumer, 1, terms());
    world.open(&thief, 1, terms());
    let cancel = market::job::cancel_job(&thief.wallet(), &thief.escrow, &job);
    world.refuse(cancel, &[&thief.owner], JobsError::AccountMismatch);
}

#[test]
fn fails_once_a_device_has_taken_the_job() {
    let mut world = World::new();
    let (worker, consumer) = (world.worker("alice"), world.consumer("bob"));
    let job = world.open(&consumer, 1, terms());
    let cancel = market::job::cancel_job(&consumer.wallet(), &consumer.escrow, &job);
    world.claim(&worker, &job);
    world.refuse(cancel.clone(), &[&consumer.owner], JobsError::WrongStatus);
    world.commit(&worker, &job);
    world.refuse(cancel.clone(), &[&consumer.owner], JobsError::WrongStatus);
    world.reveal(&worker, &job);
    world.refuse(cancel, &[&consumer.owner], JobsError::WrongStatus);
}

#[test]
fn an_expired_offer_can_still_be_taken_back() {
    let mut world = World::new();
    let consumer = world.consumer("bob");
    let job = world.open(&consumer, 1, terms());
    world.wait_for_deadline(&job);
    world.send(
        market::job::cancel_job(&consumer.wallet(), &consumer.escrow, &job),
        &[&consumer.owner],
    );
}
