//! The bond that a claim locks: the consumer's minimum, or more if a lie would pay otherwise.

use ::jobs::error::JobsError;
use ::jobs::{JobTerms, Parameters};
use chain::market;
use protocol::units::IO;
use solana_signer::Signer;
use staking::error::StakingError;
use tests::{World, ending, terms};

/// The bond for a price of 10 $IO when one lie in twenty is noticed: 21.659… times as much.
const FOR_TEN: u64 = 21_659_451_660;

/// A world with the published parameters.
fn published() -> World {
    let mut world = World::new();
    set(&mut world, Parameters::PUBLISHED);
    world
}

fn set(world: &mut World, parameters: Parameters) {
    let admin = world.admin.clone();
    world.send(market::job::set_parameters(&admin.pubkey(), parameters), &[&admin]);
}

/// The bond of a job with these terms, claimed after `seconds`, by the job's and the device's accounts.
#[track_caller]
fn claimed_after(world: &World, seconds: u32, terms: JobTerms) -> u64 {
    let mut world = world.clone();
    let (worker, consumer) = (world.worker("alice"), world.consumer("bob"));
    let job = world.open(&consumer, 1, terms);
    assert_eq!(
        world.job(&job).bond.get(),
        terms.bond,
        "until the claim the job holds the consumer's minimum"
    );
    world.open_doors();
    world.pass(seconds, 0);
    world.send(world.claiming(&worker, &job, 0), &[&worker.key]);
    let bond = world.job(&job).bond.get();
    assert_eq!(world.device(&worker.device).locked_bond.get(), bond);
    bond
}

#[test]
fn the_bond_follows_the_price_of_the_claim() {
    let world = published();
    for (seconds, bond) in [(0, FOR_TEN), (30, 32_489_177_490), (60, 43_318_903_319)] {
        assert_eq!(claimed_after(&world, seconds, terms()), bond, "after {seconds} seconds");
    }
}

#[test]
fn the_consumers_minimum_stands_where_it_is_higher() {
    let world = published();
    for (asked, bond) in [(FOR_TEN - 1, FOR_TEN), (FOR_TEN, FOR_TEN), (FOR_TEN + 1, FOR_TEN + 1)] {
        assert_eq!(claimed_after(&world, 0, JobTerms { bond: asked, ..terms() }), bond);
    }
}

#[test]
fn the_value_at_risk_raises_the_bond() {
    let terms = JobTerms {
        value_at_risk: IO,
        ..terms()
    };
    assert_eq!(claimed_after(&published(), 0, terms), 24_402_597_403);
}

#[test]
fn more_eyes_lower_the_bond_and_the_eyes_of_the_claim_count() {
    let mut world = published();
    let (worker, consumer) = (world.worker("alice"), world.consumer("bob"));
    let job = world.open(&consumer, 1, terms());
    set(
        &mut world,
        Parameters {
            watch_bps: 2_000,
            ..Parameters::PUBLISHED
        },
    );
    world.claim(&worker, &job);
    assert_eq!(world.job(&job).bond.get(), 4_343_434_344);
    // The settlement releases what was locked, whatever the parameters are by then.
    set(&mut world, Parameters::PUBLISHED);
    world.wait_for_deadline(&job);
    let timeout = market::job::timeout_job(&consumer.wallet(), &ending(&consumer, &worker, &job));
    world.send(timeout, &[&consumer.owner]);
    let device = world.device(&worker.device);
    // 5 % of the bond, rounded up.
    assert_eq!((device.locked_bond.get(), device.forfeited.get()), (0, 217_171_718));
}

#[test]
fn in_another_mint_the_value_at_risk_alone_sizes_the_bond() {
    let mut world = published();
    let usd = world.mint("usd", 6);
    let (worker, consumer) = (world.worker("alice"), world.consumer_in("bob", &usd));
    for (id, value_at_risk, bond) in [(1, 0, 10 * IO), (2, 2 * IO, 5_486_291_487)] {
        let terms = JobTerms { value_at_risk, ..terms() };
        let job = world.open(&consumer, id, terms);
        world.claim(&worker, &job);
        assert_eq!(world.job(&job).bond.get(), bond);
    }
}

#[test]
fn fails_when_the_free_own_stake_is_a_base_unit_short() {
    let mut world = published();
    let (worker, consumer) = (world.newcomer("alice"), world.consumer("bob"));
    world.wait(43_200);
    let stake = |amount| market::stake::stake(&worker.wallet(), &worker.device, &worker.tokens, amount);
    // Twice the bond is above the device's minimum of 400 $IO.
    world.send(stake(2 * FOR_TEN - 1), &[&worker.owner]);
    let steady = JobTerms { max_price: IO, ..terms() };
    let (first, second) = (world.open(&consumer, 1, steady), world.open(&consumer, 2, steady));
    world.claim(&worker, &first);
    world.refuse(
        world.claiming(&worker, &second, 0),
        &[&worker.key],
        StakingError::InsufficientFreeStake,
    );
    world.send(stake(1), &[&worker.owner]);
    world.send(world.claiming(&worker, &second, 0), &[&worker.key]);
    assert_eq!(world.device(&worker.device).locked_bond.get(), 2 * FOR_TEN);
}

#[test]
fn no_job_opens_whose_bond_cannot_exist() {
    let mut world = published();
    let consumer = world.consumer("bob");
    let open = |world: &World, value_at_risk| {
        let terms = JobTerms { value_at_risk, ..terms() };
        market::job::open_job(&consumer.wallet(), &consumer.mint, &world.model, 1, terms)
    };
    // At 20 $IO: 5 g + 4 f ≤ 2^64 · 99 · 500 / 2,000,000.
    let most = ((u128::from(u64::MAX) + 1) * 99 * 500 - 1) / 2_000_000;
    let most = ((most - 80 * u128::from(IO)) / 5) as u64;
    world.refuse(open(&world, u64::MAX), &[&consumer.owner], JobsError::BondTooLarge);
    world.refuse(open(&world, most + 1), &[&consumer.owner], JobsError::BondTooLarge);
    world.send(open(&world, most), &[&consumer.owner]);
}
