use chain::market;
use solana_signer::Signer;
use staking::error::StakingError;
use tests::{Failure, World, key, terms};

#[test]
fn the_new_key_takes_over() {
    let mut world = World::new();
    let (worker, spare) = (world.worker("alice"), key("spare"));
    let rotate = market::stake::rotate_device_key(&worker.wallet(), &worker.device, &spare.pubkey());
    world.sweep(&rotate, &[&worker.owner, &spare], &[]);
    world.send(rotate, &[&worker.owner, &spare]);
    let device = world.device(&worker.device);
    assert_eq!((device.key, device.first_key), (spare.pubkey(), worker.key.pubkey()));
    assert_eq!(
        world.books().device_keys[&market::stake::device_key(&spare.pubkey())].device,
        worker.device
    );
}

#[test]
fn fails_for_anyone_but_the_owner_even_the_hot_key() {
    let mut world = World::new();
    let (worker, spare) = (world.worker("alice"), key("spare"));
    world.give_sol(&worker.key.pubkey(), 10_000_000_000);
    let rotate = market::stake::rotate_device_key(&worker.key.pubkey(), &worker.device, &spare.pubkey());
    world.refuse(rotate, &[&worker.key, &spare], StakingError::NotOwner);
}

#[test]
fn fails_for_a_key_that_was_ever_registered() {
    let mut world = World::new();
    let (worker, other) = (world.worker("alice"), world.worker("bob"));
    for used in [&other.key, &worker.key] {
        let rotate = market::stake::rotate_device_key(&worker.wallet(), &worker.device, &used.pubkey());
        world.refuse(rotate, &[&worker.owner, used], Failure::ALREADY_IN_USE);
    }
}

#[test]
fn the_old_key_can_sign_nothing_any_more_and_jobs_go_on_under_the_new_one() {
    let mut world = World::new();
    let (mut worker, consumer, spare) = (world.worker("alice"), world.consumer("bob"), key("spare"));
    let job = world.open(&consumer, 1, terms());
    world.claim(&worker, &job);
    world.send(
        market::stake::rotate_device_key(&worker.wallet(), &worker.device, &spare.pubkey()),
        &[&worker.owner, &spare],
    );

    let old = worker.key.clone();
    let another = world.open(&consumer, 2, terms());
    let refused = [
        market::job::commit_result(&old.pubkey(), &job, &worker.device, [1; 32]),
        world.claiming(&worker, &another, 0),
    ];
    for instruction in refused {
        world.refuse(instruction, &[&old], jobs::error::JobsError::NotAssignedDevice);
    }
    worker.key = spare;
    world.commit(&worker, &job);
    world.reveal(&worker, &job);
}
