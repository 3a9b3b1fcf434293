use chain::market;
use protocol::units::IO;
use solana_signer::Signer;
use staking::error::StakingError;
use tests::{GPU, World, key};

#[test]
fn the_authority_pauses_and_resumes() {
    let mut world = World::new();
    let admin = world.admin.clone();
    let pause = market::stake::set_paused(&admin.pubkey(), true);
    world.sweep(&pause, &[&admin], &[]);
    world.send(pause, &[&admin]);
    assert!(world.books().staking_config.unwrap().paused.get());
    world.send(market::stake::set_paused(&admin.pubkey(), false), &[&admin]);
    assert!(!world.books().staking_config.unwrap().paused.get());
}

#[test]
fn the_guardian_pauses_but_cannot_resume() {
    let mut world = World::new();
    let (admin, guardian) = (world.admin.clone(), world.wallet("guardian"));
    world.send(
        market::stake::set_authorities(&admin.pubkey(), &admin.pubkey(), &guardian.pubkey()),
        &[&admin],
    );
    world.send(market::stake::set_paused(&guardian.pubkey(), true), &[&guardian]);
    world.refuse(
        market::stake::set_paused(&guardian.pubkey(), false),
        &[&guardian],
        StakingError::NotGuardian,
    );
    world.send(market::stake::set_paused(&admin.pubkey(), false), &[&admin]);
}

#[test]
fn fails_for_anyone_else() {
    let mut world = World::new();
    let thief = world.wallet("thief");
    for paused in [true, false] {
        world.refuse(
            market::stake::set_paused(&thief.pubkey(), paused),
            &[&thief],
            StakingError::NotGuardian,
        );
    }
}

#[test]
fn stops_new_devices_and_stakes_while_exits_stay_open() {
    let mut world = World::new();
    let (admin, worker, io) = (world.admin.clone(), world.worker("alice"), world.io);
    let wallet = worker.wallet();
    world.send(market::stake::set_paused(&admin.pubkey(), true), &[&admin]);

    let another = key("another device");
    let register = market::stake::register_device(&wallet, &another.pubkey(), &io, GPU, 1);
    world.refuse(register, &[&worker.owner, &another], StakingError::Paused);
    let stake = market::stake::stake(&wallet, &worker.device, &worker.tokens, 1);
    world.refuse(stake, &[&worker.owner], StakingError::Paused);

    let exits = [
        market::stake::withdraw_overflow(&wallet, &worker.device, GPU, &worker.tokens, IO),
        market::stake::unstake(&wallet, &worker.device),
    ];
    for exit in exits {
        world.send(exit, &[&worker.owner]);
    }
    world.wait(14 * 86_400);
    let exits = [
        market::stake::withdraw(&wallet, &worker.device, &worker.tokens),
        market::stake::terminate_device(&wallet, &worker.device),
        market::stake::close_device(&wallet, &worker.device, &worker.tokens),
    ];
    for exit in exits {
        world.send(exit, &[&worker.owner]);
    }
    assert_eq!(world.balance(&worker.tokens), 2_000 * IO);
}
