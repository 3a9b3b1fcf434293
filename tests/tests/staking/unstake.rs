use chain::market;
use protocol::units::IO;
use solana_signer::Signer;
use staking::error::StakingError;
use tests::{World, ending, terms};

#[test]
fn the_whole_own_stake_stops_counting_and_cools_down() {
    let mut world = World::new();
    let (worker, consumer) = (world.worker("alice"), world.consumer("bob"));
    let unstake = market::stake::unstake(&worker.wallet(), &worker.device);
    world.sweep(&unstake, &[&worker.owner], &[]);
    world.send(unstake.clone(), &[&worker.owner]);
    let device = world.device(&worker.device);
    assert_eq!((device.own_stake.get(), device.cooling.get()), (0, 1_000 * IO));
    assert_eq!(device.cooldown_ends.get(), world.now().unix + 14 * 86_400);
    world.refuse(unstake, &[&worker.owner], StakingError::NothingStaked);

    let job = world.open(&consumer, 1, terms());
    world.open_doors();
    let claim = world.claiming(&worker, &job, 0);
    world.refuse(claim, &[&worker.key], StakingError::BelowMinimumStake);
}

#[test]
fn fails_for_anyone_but_the_owner_even_the_hot_key() {
    let mut world = World::new();
    let (worker, thief) = (world.worker("alice"), world.wallet("thief"));
    for signer in [&worker.key, &thief] {
        world.refuse(
            market::stake::unstake(&signer.pubkey(), &worker.device),
            &[signer],
            StakingError::NotOwner,
        );
    }
}

#[test]
fn fails_with_nothing_staked() {
    let mut world = World::new();
    let worker = world.newcomer("alice");
    world.refuse(
        market::stake::unstake(&worker.wallet(), &worker.device),
        &[&worker.owner],
        StakingError::NothingStaked,
    );
}

#[test]
fn fails_while_jobs_are_in_progress() {
    let mut world = World::new();
    let (worker, consumer) = (world.worker("alice"), world.consumer("bob"));
    let job = world.open(&consumer, 1, terms());
    world.work(&worker, &job);
    let unstake = market::stake::unstake(&worker.wallet(), &worker.device);
    world.refuse(unstake.clone(), &[&worker.owner], StakingError::DeviceBusy);
    world.wait_for_deadline(&job);
    let settle = market::job::settle_job(&worker.wallet(), &ending(&consumer, &worker, &job), &worker.tokens);
    world.send(settle, &[&worker.owner]);
    world.send(unstake, &[&worker.owner]);
}
