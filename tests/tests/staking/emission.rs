//! The emission's start, its rules and its verifier.

use chain::market::reward;
use protocol::units::IO;
use solana_signer::Signer;
use staking::RewardRules;
use staking::error::StakingError;
use staking::events::RewardRulesChanged;
use tests::{Failure, World};

const PUBLISHED: RewardRules = RewardRules::PUBLISHED;

#[test]
fn starts_once_with_an_hour_and_the_published_rules() {
    let mut world = World::new();
    let (payer, admin, io) = (world.payer.pubkey(), world.admin.clone(), world.io);
    let verifier = world.wallet("verifier").pubkey();
    let start = |genesis, rules| reward::start(&payer, &admin.pubkey(), &io, genesis, rules, verifier);
    let hour = world.hour();
    for genesis in [hour + 1, hour - 1, -3_600, i64::MAX] {
        world.refuse(start(genesis, PUBLISHED), &[&admin], StakingError::NoSuchHour);
    }
    let usd = world.mint("usd", 6);
    let foreign = reward::start(&payer, &admin.pubkey(), &usd, hour, PUBLISHED, verifier);
    world.refuse(foreign, &[&admin], StakingError::WrongMint);
    let valid = start(hour, PUBLISHED);
    world.sweep(&valid, &[&admin], &[]);
    let said = world.send(valid.clone(), &[&admin]).events::<RewardRulesChanged>(&staking::ID);
    let [first] = said.as_slice() else { panic!("one event") };
    assert_eq!((first.verifier, first.next_hour), (verifier, hour));
    assert_eq!((first.before, first.after), (None, PUBLISHED));
    let emission = world.books().emission.unwrap();
    assert_eq!((emission.rules(), emission.verifier), (PUBLISHED, verifier));
    // January 2027, when the kit's chain starts, is month 684 since 1970.
    assert_eq!((emission.genesis_month.get(), emission.next_hour.get()), (684, hour));
    world.refuse(valid, &[&admin], Failure::ALREADY_IN_USE);
}

#[test]
fn rules_and_verifier_are_the_authoritys_and_within_bounds() {
    let mut world = World::new();
    let (admin, thief) = (world.admin.clone(), world.wallet("thief"));
    world.start_emission(PUBLISHED, IO);
    let verifier = world.wallet("verifier").pubkey();
    let set = |who: &solana_address::Address, rules| reward::set_rules(who, rules, Some(verifier));
    world.refuse(set(&thief.pubkey(), PUBLISHED), &[&thief], StakingError::NotAuthority);
    let outside = [
        RewardRules {
            min_uptime: 604_801,
            ..PUBLISHED
        },
        RewardRules {
            answer_seconds: 0,
            ..PUBLISHED
        },
        RewardRules {
            answer_seconds: 301,
            ..PUBLISHED
        },
        RewardRules {
            call_bps: 10_001,
            ..PUBLISHED
        },
        RewardRules {
            enterprise_bps: 10_001,
            ..PUBLISHED
        },
        RewardRules {
            multiplier_weight: 0,
            ..PUBLISHED
        },
        RewardRules { shards: 0, ..PUBLISHED },
        RewardRules { shards: 65, ..PUBLISHED },
    ];
    for rules in outside {
        world.refuse(set(&admin.pubkey(), rules), &[&admin], StakingError::ParameterOutOfBounds);
    }
    // An open block keeps its rules.
    let hour = world.open_hour();
    let edge = RewardRules {
        min_uptime: 604_800,
        answer_seconds: 300,
        call_bps: 10_000,
        enterprise_bps: 10_000,
        shards: 64,
        ..PUBLISHED
    };
    let valid = set(&admin.pubkey(), edge);
    world.sweep(&valid, &[&admin], &[]);
    world.send(valid, &[&admin]);
    assert_eq!(world.books().emission.unwrap().rules(), edge);
    assert_eq!(
        (world.books().blocks[&hour].shards, world.books().blocks[&hour].answer_seconds.get()),
        (1, 60)
    );
    world.go_to_second(hour, 3_600);
    let next = world.open_hour();
    assert_eq!(world.books().blocks[&next].shards, 64);
}

#[test]
fn the_verifier_alone_sets_tiers_and_shuts_nobody_out() {
    let mut world = World::new();
    let (alice, admin) = (world.worker("alice"), world.admin.clone());
    world.start_emission(PUBLISHED, IO);
    assert_eq!(world.device(&alice.device).tier, 1);
    let set = |who: &solana_address::Address, tier| reward::set_tier(who, &alice.device, tier);
    for tier in [0, 5, u8::MAX] {
        world.refuse(set(&admin.pubkey(), tier), &[&admin], StakingError::InvalidTier);
    }
    world.refuse(set(&alice.wallet(), 4), &[&alice.owner], StakingError::NotVerifier);
    let valid = set(&admin.pubkey(), 4);
    world.sweep(&valid, &[&admin], &[]);
    world.send(valid, &[&admin]);
    assert_eq!(world.device(&alice.device).tier, 4);
}
