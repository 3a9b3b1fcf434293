use chain::market::{self, reward};
use protocol::units::IO;
use solana_signer::Signer;
use staking::error::StakingError;
use tests::{GPU, OFFER, RULES, World, key};

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

/// During a pause of twelve hours, with a co-staker and an hour that nobody opens, everybody is paid exactly what they are paid without it.
#[test]
fn devices_that_are_there_are_paid_as_if_it_had_not_been() {
    let mut world = World::new();
    let (alice, bob, carol) = (world.worker("alice"), world.worker("bob"), world.co_staker("carol"));
    world.start_emission(RULES, 1_000_000 * IO);
    let (admin, both) = (world.admin.clone(), [&alice, &bob]);
    let offer = world.offer(&bob, OFFER);
    let stake = world.join(&carol, &offer, 0, 100 * IO);
    world.live(&both);
    let mut running = world.clone();
    world.send(market::stake::set_paused(&admin.pubkey(), true), &[&admin]);
    for world in [&mut running, &mut world] {
        for _ in 0..6 {
            world.live(&both);
        }
        let last = world.hour() - 3_600;
        world.draw(last);
        for worker in both {
            world.check_in(worker, last);
        }
        world.settle_and_collect(&both, last - 3_600);
        // The hour after this one has no block.
        let hour = world.hour();
        world.go_to_second(hour, 2 * 3_600);
        world.settle_and_collect(&both, last);
        world.send(reward::settle(hour, [0]), &[]);
        world.send(reward::skip(hour + 3_600), &[]);
        for _ in 0..4 {
            world.live(&both);
        }
    }
    let join = world.joining(&carol, &offer, 1, OFFER.ticket);
    world.refuse(join, &[&carol.wallet], StakingError::Paused);
    let stake_more = market::stake::stake(&alice.wallet(), &alice.device, &alice.tokens, 1);
    world.refuse(stake_more, &[&alice.owner], StakingError::Paused);
    for world in [&mut running, &mut world] {
        for worker in both {
            let claim = reward::claim(&worker.wallet(), &worker.device, &worker.tokens);
            world.send(claim, &[&worker.owner]);
        }
        world.send(stake.claiming(), &[&carol.wallet]);
    }
    for tokens in [&alice.tokens, &bob.tokens, &carol.tokens] {
        assert_eq!(world.balance(tokens), running.balance(tokens));
    }
    assert!(world.balance(&alice.tokens) > 1_000 * IO && world.balance(&carol.tokens) > 900 * IO);
}
