use chain::market;
use protocol::units::IO;
use solana_signer::Signer;
use staking::error::StakingError;
use staking::state::{MAX_BASE_STAKE, MAX_COOLDOWN, MAX_DELAY, MIN_APPEAL};
use staking::{ParameterChanges, Parameters};
use tests::World;

const OTHER: Parameters = Parameters {
    base_stake: 7,
    cooldown: 11,
    raise_grace: 13,
    probation: 17,
    appeal: 15 * 86_400,
};

#[test]
fn replaces_all() {
    let mut world = World::new();
    let admin = world.admin.clone();
    let set = market::stake::set_parameters(&admin.pubkey(), OTHER);
    world.sweep(&set, &[&admin], &[]);
    world.send(set, &[&admin]);
    assert_eq!(world.books().staking_config.unwrap().parameters(), OTHER);
}

/// C3, C4: as with a multiplier; a second raise does not make the first one apply sooner.
#[test]
fn a_raised_base_stake_counts_after_its_grace_and_a_cut_at_once() {
    const DAY: u32 = 86_400;
    let mut world = World::new();
    let admin = world.admin.clone();
    let set = |world: &mut World, base_stake| {
        let changes = ParameterChanges {
            base_stake: Some(base_stake),
            ..ParameterChanges::default()
        };
        world.send(market::stake::set_parameters(&admin.pubkey(), changes), &[&admin]);
    };
    let required = |world: &World| world.books().staking_config.unwrap().required_base(world.now().unix).0;
    assert_eq!(required(&world), 200 * IO);
    set(&mut world, 300 * IO);
    world.wait(20 * DAY);
    set(&mut world, 400 * IO);
    world.wait(30 * DAY - 1);
    assert_eq!(required(&world), 200 * IO);
    world.wait(1);
    assert_eq!(required(&world), 400 * IO);
    set(&mut world, 100 * IO);
    assert_eq!(required(&world), 100 * IO);
    set(&mut world, 400 * IO);
    assert_eq!(required(&world), 100 * IO, "a cut taken back is a raise");
}

#[test]
fn fails_for_anyone_but_the_authority() {
    let mut world = World::new();
    let thief = world.wallet("thief");
    world.refuse(
        market::stake::set_parameters(&thief.pubkey(), OTHER),
        &[&thief],
        StakingError::NotAuthority,
    );
}

#[test]
fn fails_when_a_parameter_lies_outside_its_bounds() {
    let mut world = World::new();
    let admin = world.admin.clone();
    let bounds = [
        Parameters {
            base_stake: MAX_BASE_STAKE,
            ..OTHER
        },
        Parameters {
            cooldown: MAX_COOLDOWN,
            ..OTHER
        },
        Parameters {
            raise_grace: MAX_DELAY,
            ..OTHER
        },
        Parameters {
            probation: MAX_DELAY,
            ..OTHER
        },
        Parameters {
            base_stake: 1,
            cooldown: 0,
            raise_grace: 0,
            probation: 0,
            appeal: MIN_APPEAL,
        },
        Parameters {
            appeal: MAX_DELAY,
            ..OTHER
        },
    ];
    for parameters in bounds {
        world.send(market::stake::set_parameters(&admin.pubkey(), parameters), &[&admin]);
    }
    let beyond = [
        Parameters { base_stake: 0, ..OTHER },
        Parameters {
            appeal: MIN_APPEAL - 1,
            ..OTHER
        },
        Parameters {
            appeal: MAX_DELAY + 1,
            ..OTHER
        },
        Parameters {
            base_stake: MAX_BASE_STAKE + 1,
            ..OTHER
        },
        Parameters {
            cooldown: MAX_COOLDOWN + 1,
            ..OTHER
        },
        Parameters {
            raise_grace: MAX_DELAY + 1,
            ..OTHER
        },
        Parameters {
            probation: MAX_DELAY + 1,
            ..OTHER
        },
    ];
    for parameters in beyond {
        let set = market::stake::set_parameters(&admin.pubkey(), parameters);
        world.refuse(set, &[&admin], StakingError::ParameterOutOfBounds);
    }
}

#[test]
fn running_cooldowns_keep_the_end_they_started_with() {
    let mut world = World::new();
    let (admin, worker) = (world.admin.clone(), world.worker("alice"));
    world.send(market::stake::unstake(&worker.wallet(), &worker.device), &[&worker.owner]);
    let ends = world.device(&worker.device).cooldown_ends.get();
    let longer = Parameters {
        cooldown: MAX_COOLDOWN,
        ..Parameters::PUBLISHED
    };
    world.send(market::stake::set_parameters(&admin.pubkey(), longer), &[&admin]);
    assert_eq!(world.device(&worker.device).cooldown_ends.get(), ends);
    world.wait(14 * 86_400);
    world.send(
        market::stake::withdraw(&worker.wallet(), &worker.device, &worker.tokens),
        &[&worker.owner],
    );
}
