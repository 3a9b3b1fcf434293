//! Blocks, tallies and beacons of hours.

use chain::market::reward;
use protocol::presence::{beacon, beacon_after};
use protocol::units::{IO, Moment};
use solana_signer::Signer;
use staking::error::StakingError;
use tests::{Failure, RULES, World, slot_hash};

fn world() -> World {
    let mut world = World::new();
    world.start_emission(RULES, IO);
    world
}

#[test]
fn a_block_opens_while_its_hour_is_on_and_once() {
    let mut world = world();
    let (payer, hour) = (world.payer.pubkey(), world.hour());
    let open = |hour| reward::open_block(&payer, hour);
    for other in [hour + 3_600, hour - 3_600, hour + 1] {
        world.refuse(open(other), &[], StakingError::NoSuchHour);
    }
    // A block can be opened until the hour's last second.
    for (second, on) in [(0, true), (3_599, true), (3_600, false)] {
        let mut world = world.clone();
        world.go_to_second(hour, second);
        if on {
            world.send(open(hour), &[]);
        } else {
            world.refuse(open(hour), &[], StakingError::NoSuchHour);
        }
    }
    world.sweep(&open(hour), &[], &[]);
    world.send(open(hour), &[]);
    world.refuse(open(hour), &[], Failure::ALREADY_IN_USE);
    let block = world.books().blocks[&hour];
    assert_eq!(
        (block.opened_slot.get(), block.shards, block.settled.get()),
        (world.now().slot, 1, false)
    );
}

#[test]
fn an_hour_that_was_passed_over_is_not_opened_again() {
    let mut world = World::new();
    let hour = world.hour();
    let (payer, admin, io) = (world.payer.pubkey(), world.admin.clone(), world.io);
    // The emission begins with the next hour.
    let start = reward::start(&payer, &admin.pubkey(), &io, hour + 3_600, RULES, payer);
    world.send(start, &[&admin]);
    world.refuse(reward::open_block(&payer, hour), &[], StakingError::HourOutOfOrder);
}

#[test]
fn tallies_are_as_many_as_the_rules_say() {
    let mut world = World::new();
    let rules = staking::RewardRules { shards: 3, ..RULES };
    world.start_emission(rules, IO);
    let (payer, hour) = (world.payer.pubkey(), world.hour());
    world.send(reward::open_block(&payer, hour), &[]);
    let open = |shard| reward::open_tally(&payer, hour, shard);
    world.refuse(open(3), &[], StakingError::WrongTally);
    world.sweep(&open(2), &[], &[]);
    for shard in [2, 0, 1] {
        world.send(open(shard), &[]);
        world.refuse(open(shard), &[], Failure::ALREADY_IN_USE);
    }
    assert_eq!(world.books().blocks[&hour].open_tallies, 3);
}

#[test]
fn a_settled_hour_is_neither_counted_again_nor_gets_another_tally() {
    let mut world = World::new();
    let rules = staking::RewardRules { shards: 2, ..RULES };
    world.start_emission(rules, 1_000_000 * IO);
    let (payer, hour) = (world.payer.pubkey(), world.open_hour());
    let close = reward::close_tally(&payer, hour, 0);
    // Without this tally the hour could not be settled.
    world.refuse(close.clone(), &[], StakingError::BlockInUse);
    world.go_to_second(hour, 7_200);
    world.send(reward::settle(hour, 0..2), &[]);
    world.refuse(reward::settle(hour, 0..2), &[], StakingError::HourOutOfOrder);
    world.send(close, &[]);
    world.refuse(reward::open_tally(&payer, hour, 0), &[], StakingError::BlockSettled);
}

#[test]
fn a_beacon_is_the_first_hash_after_its_slot_whoever_records_it_and_when() {
    let mut world = world();
    let hour = world.open_hour();
    let opened = world.now().slot;
    let record = |index| reward::record_beacon(hour, index);
    world.refuse(record(0), &[], StakingError::BeaconNotThere);
    world.refuse(record(12), &[], StakingError::BeaconNotThere);
    world.pass(1, 2);
    world.sweep(&record(0), &[], &[]);
    world.refuse(record(1), &[], StakingError::BeaconNotThere);
    let mut later = world.clone();
    later.pass(1, 400);
    for mut world in [world.clone(), later] {
        world.send(record(0), &[]);
        let expected = beacon(hour, 0, &slot_hash(opened + 1).to_bytes());
        assert_eq!(world.books().blocks[&hour].beacons[0], expected);
        world.refuse(record(0), &[], StakingError::BeaconRecorded);
    }
    // After 512 slots the hash is forgotten, and the beacon calls nobody.
    world.pass(1, 600);
    world.refuse(record(0), &[], StakingError::BeaconNotThere);
    // The last beacon of the hour, with a slot hash from after the hour.
    let last = beacon_after(opened, 11) + 2;
    for (second, on) in [(3_599, true), (3_600, false)] {
        let mut world = world.clone();
        world.go_to(Moment {
            unix: hour + second,
            slot: last,
        });
        if on {
            world.send(record(11), &[]);
            assert_eq!(world.books().blocks[&hour].recorded[11].get(), 3_599);
        } else {
            world.refuse(record(11), &[], StakingError::HourOver);
        }
    }
}
