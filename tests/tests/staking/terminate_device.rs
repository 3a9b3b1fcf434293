use chain::market;
use protocol::units::IO;
use solana_signer::Signer;
use staking::error::StakingError;
use staking::state::STATUS_TERMINATED;
use tests::{World, terms};

#[test]
fn the_device_takes_no_more_jobs_and_its_stake_stays_until_unstaked() {
    let mut world = World::new();
    let (worker, consumer) = (world.worker("alice"), world.consumer("bob"));
    let terminate = market::stake::terminate_device(&worker.wallet(), &worker.device);
    world.sweep(&terminate, &[&worker.owner], &[]);
    world.send(terminate.clone(), &[&worker.owner]);
    let device = world.device(&worker.device);
    assert_eq!((device.status, device.own_stake.get()), (STATUS_TERMINATED, 1_000 * IO));
    world.refuse(terminate, &[&worker.owner], StakingError::DeviceTerminated);

    let job = world.open(&consumer, 1, terms());
    world.open_doors();
    let claim = world.claiming(&worker, &job, 0);
    world.refuse(claim, &[&worker.key], StakingError::DeviceTerminated);

    world.send(market::stake::unstake(&worker.wallet(), &worker.device), &[&worker.owner]);
    world.wait(14 * 86_400);
    world.send(
        market::stake::withdraw(&worker.wallet(), &worker.device, &worker.tokens),
        &[&worker.owner],
    );
    assert_eq!(world.balance(&worker.tokens), 2_000 * IO);
}

#[test]
fn fails_for_anyone_but_the_owner_even_the_hot_key() {
    let mut world = World::new();
    let (worker, thief) = (world.worker("alice"), world.wallet("thief"));
    for signer in [&worker.key, &thief] {
        world.refuse(
            market::stake::terminate_device(&signer.pubkey(), &worker.device),
            &[signer],
            StakingError::NotOwner,
        );
    }
}

#[test]
fn fails_while_jobs_are_in_progress() {
    let mut world = World::new();
    let (worker, consumer) = (world.worker("alice"), world.consumer("bob"));
    let job = world.open(&consumer, 1, terms());
    world.claim(&worker, &job);
    world.refuse(
        market::stake::terminate_device(&worker.wallet(), &worker.device),
        &[&worker.owner],
        StakingError::DeviceBusy,
    );
}
