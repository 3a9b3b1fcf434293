use chain::market;
use solana_signer::Signer;
use staking::Parameters;
use staking::error::StakingError;
use staking::state::{MAX_BASE_STAKE, MAX_COOLDOWN, MAX_DELAY, MIN_APPEAL};
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
