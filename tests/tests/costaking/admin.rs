//! The config: its creation, parameters, keys and pause.

use chain::market::costake;
use costaking::Parameters;
use costaking::error::CostakingError;
use costaking::events::ParametersChanged;
use solana_signer::Signer;
use tests::{Failure, OFFER, World};

const PUBLISHED: Parameters = Parameters::PUBLISHED;

#[test]
fn only_the_upgrade_authority_creates_the_config_and_once() {
    let mut world = World::bare();
    let (payer, admin, io) = (world.payer.pubkey(), world.admin.clone(), world.io);
    let thief = world.wallet("thief");
    let initialize = |who: &solana_address::Address, parameters| costake::initialize(&payer, who, &io, parameters);
    world.refuse(
        initialize(&thief.pubkey(), PUBLISHED),
        &[&thief],
        CostakingError::NotUpgradeAuthority,
    );
    for parameters in [
        Parameters {
            wait: 30 * 86_400 + 1,
            ..PUBLISHED
        },
        Parameters {
            capacity_bps: 0,
            ..PUBLISHED
        },
        Parameters {
            capacity_bps: 5_001,
            ..PUBLISHED
        },
        Parameters {
            min_share_bps: 0,
            ..PUBLISHED
        },
        Parameters {
            min_share_bps: 10_001,
            ..PUBLISHED
        },
    ] {
        world.refuse(
            initialize(&admin.pubkey(), parameters),
            &[&admin],
            CostakingError::ParameterOutOfBounds,
        );
    }
    let receipt = world.send(initialize(&admin.pubkey(), PUBLISHED), &[&admin]);
    let said = receipt.events::<ParametersChanged>(&costaking::ID);
    let [first] = said.as_slice() else { panic!("one event") };
    assert_eq!((first.before, first.after), (None, PUBLISHED));
    let config = world.books().costaking_config.unwrap();
    assert_eq!(config.parameters(), PUBLISHED);
    assert_eq!((config.authority, config.guardian), (admin.pubkey(), admin.pubkey()));
    world.refuse(initialize(&admin.pubkey(), PUBLISHED), &[&admin], Failure::ALREADY_IN_USE);
}

#[test]
fn the_authority_governs_and_the_guardian_only_stops() {
    let mut world = World::new();
    let (admin, guardian, next) = (world.admin.clone(), world.wallet("guardian"), world.wallet("next"));
    let who = |key: &solana_keypair::Keypair| key.pubkey();
    for call in [
        costake::set_parameters(&who(&guardian), PUBLISHED),
        costake::set_authorities(&who(&guardian), &who(&guardian), &who(&guardian)),
    ] {
        world.refuse(call, &[&guardian], CostakingError::NotAuthority);
    }
    let parameters = Parameters {
        wait: 86_400,
        capacity_bps: 1,
        min_share_bps: 10_000,
    };
    let set = costake::set_parameters(&who(&admin), parameters);
    world.sweep(&set, &[&admin], &[]);
    let said = world.send(set, &[&admin]).events::<ParametersChanged>(&costaking::ID);
    let [changed] = said.as_slice() else { panic!("one event") };
    assert_eq!((changed.before, changed.after), (Some(PUBLISHED), parameters));
    assert_eq!(world.books().costaking_config.unwrap().parameters(), parameters);
    let hand_over = costake::set_authorities(&who(&admin), &who(&next), &who(&guardian));
    world.sweep(&hand_over, &[&admin], &[]);
    world.send(hand_over, &[&admin]);
    world.refuse(costake::set_paused(&who(&admin), true), &[&admin], CostakingError::NotGuardian);
    let pause = costake::set_paused(&who(&guardian), true);
    world.sweep(&pause, &[&guardian], &[]);
    world.send(pause, &[&guardian]);
    world.refuse(
        costake::set_paused(&who(&guardian), false),
        &[&guardian],
        CostakingError::NotGuardian,
    );
    world.send(costake::set_paused(&who(&next), false), &[&next]);
}

#[test]
fn a_pause_stops_offers_and_positions_and_no_exit() {
    let mut world = World::new();
    let (alice, admin) = (world.worker("alice"), world.admin.clone());
    let (carol, other) = (world.co_staker("carol"), world.worker("bob"));
    let offer = world.offer(&alice, OFFER);
    let stake = world.join(&carol, &offer, 0, OFFER.ticket);
    world.send(costake::set_paused(&admin.pubkey(), true), &[&admin]);
    let create = world.offering(&other, 0, OFFER);
    world.refuse(create, &[&other.owner], CostakingError::Paused);
    let join = world.joining(&carol, &offer, 1, OFFER.ticket);
    world.refuse(join, &[&carol.wallet], CostakingError::Paused);
    world.send(stake.leaving(0, OFFER.ticket), &[&carol.wallet]);
    world.wait(7 * 86_400);
    world.send(stake.cooling(0), &[]);
    world.wait(14 * 86_400);
    world.send(stake.withdrawing(0), &[&carol.wallet]);
}
