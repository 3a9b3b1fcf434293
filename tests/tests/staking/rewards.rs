//! Rewards of hours, from presence to payment, exact to the base unit.

use chain::market::{self, reward};
use protocol::emission::{self, Hour};
use protocol::units::IO;
use solana_instruction::error::InstructionError;
use solana_signer::Signer;
use staking::RewardRules;
use staking::error::StakingError;
use tests::{RULES, Worker, World, key};

const HOUR: i64 = 3_600;
/// More than the longest test here pays.
const FUNDS: u64 = 1_000_000 * IO;

fn claimable(world: &World, worker: &Worker) -> u64 {
    world.device(&worker.device).rewards.get()
}

/// An hour's reward for the community pool, to which the kit's devices belong: what the enterprise pool's 95 % leave.
fn community(genesis: i64, hour: i64) -> u64 {
    let block = emission::block(Hour::of(genesis).unwrap().month, Hour::of(hour).unwrap()).0;
    block - block * 95 / 100
}

#[test]
fn two_devices_share_their_pool_by_score_and_claim_to_the_base_unit() {
    let mut world = World::new();
    let (alice, bob) = (world.worker("alice"), world.worker("bob"));
    let genesis = world.start_emission(RULES, FUNDS);
    let admin = world.admin.clone();
    world.send(reward::set_tier(&admin.pubkey(), &alice.device, 4), &[&admin]);
    let all = [&alice, &bob];
    let hours: Vec<i64> = (0..5).map(|_| world.live(&all)).collect();
    // The first hour is presence alone. Of the four others two are settled, the last of them an hour ago, and a third has been checked in
    // to.
    let expected = [40_200u64, 40_050].map(|score| {
        let shares = [hours[1], hours[2]].map(|hour| u128::from(community(genesis, hour)) * u128::from(score) / 80_250);
        shares.iter().sum::<u128>() as u64
    });
    assert_eq!([&alice, &bob].map(|worker| claimable(&world, worker)), expected);
    let paid = world.books().emission.unwrap();
    // The enterprise pool has no device, so its part stays in the vault and is owed to nobody.
    assert_eq!(paid.owed.get(), community(genesis, hours[1]) + community(genesis, hours[2]));
    assert_eq!(paid.next_hour.get(), hours[3]);

    for (worker, expected) in all.iter().zip(expected) {
        let before = world.balance(&worker.tokens);
        let claim = reward::claim(&worker.wallet(), &worker.device, &worker.tokens);
        world.sweep(&claim, &[&worker.owner], &[]);
        world.send(claim.clone(), &[&worker.owner]);
        assert_eq!(world.balance(&worker.tokens) - before, expected);
        world.refuse(claim, &[&worker.owner], StakingError::NothingToClaim);
    }
    let owed = world.books().emission.unwrap().owed.get();
    assert_eq!(owed, paid.owed.get() - expected.iter().sum::<u64>());
    assert!(owed <= 4, "the dust of rounding stays: {owed}");
}

#[test]
fn a_claim_is_the_owners_alone() {
    let mut world = World::new();
    let (alice, thief) = (world.worker("alice"), world.consumer("thief"));
    world.start_emission(RULES, FUNDS);
    for _ in 0..4 {
        world.live(&[&alice]);
    }
    assert!(claimable(&world, &alice) > 0);
    let stolen = reward::claim(&thief.wallet(), &alice.device, &thief.tokens);
    world.refuse(stolen, &[&thief.owner], StakingError::NotOwner);
    let elsewhere = reward::claim(&alice.wallet(), &alice.device, &thief.tokens);
    world.refuse(elsewhere, &[&alice.owner], InstructionError::InvalidAccountData);
}

#[test]
fn presence_counts_from_the_first_hour_without_a_gap_and_a_missed_call_starts_over() {
    let mut world = World::new();
    let alice = world.worker("alice");
    // The device has been present for more than one hour, so the third is paid.
    let rules = RewardRules {
        min_uptime: 3_600,
        ..RULES
    };
    world.start_emission(rules, FUNDS);
    let first = world.live(&[&alice]);
    // The score that waits for the last hour checked in to, and when the presence began.
    let scores = |world: &World| {
        let device = world.device(&alice.device);
        let last = device.pending().filter(|(hour, _, _)| *hour == device.last_hour.get());
        (last.map(|(_, _, score)| score).sum::<u64>(), device.streak_hour.get())
    };
    let streak = u32::try_from(first / HOUR).unwrap();
    for score in [0, 0] {
        world.live(&[&alice]);
        assert_eq!(scores(&world), (score, streak));
    }
    world.live(&[&alice]);
    assert_eq!(scores(&world), (40_050, streak));
    // The device does not answer for an hour, so it cannot check in, and the next hour counts as its first.
    let missed = world.live(&[]);
    world.draw(missed);
    let hour = world.hour();
    world.answer_call(&alice, hour, 1);
    for earlier in [3, 2] {
        world.settle_and_collect(&[&alice], hour - earlier * HOUR);
    }
    world.show_work(&alice, missed);
    world.refuse(world.checking_in(&alice, missed), &[&alice.key], StakingError::CallMissed);
    world.go_to_second(hour, HOUR);
    world.live(&[&alice]);
    world.live(&[&alice]);
    let now = scores(&world);
    assert_eq!(now.0, 0);
    assert!(now.1 > streak);
}

#[test]
fn a_device_without_its_stake_from_the_start_of_the_hour_is_not_counted() {
    let mut world = World::new();
    let (alice, newcomer, poor) = (world.worker("alice"), world.newcomer("bob"), world.worker("carol"));
    let genesis = world.start_emission(RULES, FUNDS);
    // One base unit below the minimum of 400 $IO when the hour begins, and above it afterwards.
    let minimum = tests::GPU_MINIMUM;
    let out = market::stake::withdraw_overflow(&poor.wallet(), &poor.device, tests::GPU, &poor.tokens, 1_000 * IO - minimum);
    world.send(out, &[&poor.owner]);
    let stake = |worker: &Worker, amount| market::stake::stake(&worker.wallet(), &worker.device, &worker.tokens, amount);
    let hour = world.open_hour();
    world.wait(1);
    world.send(stake(&newcomer, minimum), &[&newcomer.owner]);
    // Adding stake does not devalue the stake that was there.
    world.send(stake(&alice, IO), &[&alice.owner]);
    world.draw(hour);
    world.show_work(&newcomer, hour);
    world.refuse(
        world.checking_in(&newcomer, hour),
        &[&newcomer.key],
        StakingError::BelowMinimumStake,
    );
    world.check_in(&alice, hour);
    world.check_in(&poor, hour);
    assert_eq!(hour, genesis);
    // A device registered within the hour.
    let hour = world.hour();
    for worker in [&newcomer, &poor] {
        world.answer_call(worker, hour, 1);
    }
    let late = world.newcomer("dave");
    world.send(stake(&late, minimum), &[&late.owner]);
    world.draw(hour);
    world.show_work(&late, hour);
    world.refuse(world.checking_in(&late, hour), &[&late.key], StakingError::NotThere);
    world.check_in(&newcomer, hour);
    // A device whose owner unstakes is out at once, whatever its stake was when the hour began.
    world.send(market::stake::unstake(&poor.wallet(), &poor.device), &[&poor.owner]);
    world.show_work(&poor, hour);
    world.refuse(world.checking_in(&poor, hour), &[&poor.key], StakingError::BelowMinimumStake);
    world.send(market::stake::unstake(&alice.wallet(), &alice.device), &[&alice.owner]);
    world.send(market::stake::terminate_device(&alice.wallet(), &alice.device), &[&alice.owner]);
    world.show_work(&alice, hour);
    world.refuse(world.checking_in(&alice, hour), &[&alice.key], StakingError::DeviceTerminated);
}

#[test]
fn a_pool_without_a_paid_device_and_an_hour_without_a_block_bring_nothing() {
    let mut world = World::new();
    let alice = world.worker("alice");
    let genesis = world.start_emission(RULES, FUNDS);
    // Nobody checks in to the first hour, and nobody opens the second.
    let empty = world.live(&[]);
    world.wait(3_600);
    world.go_to_second(empty, 2 * HOUR);
    world.refuse(reward::skip(empty), &[], StakingError::BlockExists);
    world.send(reward::settle(empty, [0]), &[]);
    assert_eq!(world.books().emission.unwrap().owed.get(), 0);
    world.send(reward::skip(empty + HOUR), &[]);
    assert_eq!(world.books().emission.unwrap().next_hour.get(), genesis + 2 * HOUR);
    // The current hour has not ended.
    world.refuse(reward::skip(genesis + 2 * HOUR), &[], StakingError::HourNotOver);
    let payer = world.payer.pubkey();
    world.refuse(reward::open_block(&payer, empty + HOUR), &[], StakingError::NoSuchHour);
    // Alice is present for two hours and gets the whole pool of the second.
    world.live(&[&alice]);
    let paid = world.live(&[&alice]);
    world.live(&[&alice]);
    world.live(&[&alice]);
    assert_eq!(claimable(&world, &alice), community(genesis, paid));
}

#[test]
fn nothing_is_promised_beyond_what_the_vault_holds() {
    let mut world = World::new();
    let alice = world.worker("alice");
    let funds = 500 * IO + 7;
    let genesis = world.start_emission(RULES, funds);
    let block = emission::block(Hour::of(genesis).unwrap().month, Hour::of(genesis).unwrap()).0;
    assert!(block > funds, "the vault holds less than an hour's block");
    for _ in 0..6 {
        world.live(&[&alice]);
    }
    // Three hours are settled with a device: each pays its pool a twentieth of what is left.
    let mut left = funds;
    for _ in 0..3 {
        let share = left - left * 95 / 100;
        left -= share;
    }
    assert_eq!(claimable(&world, &alice), funds - left);
    let claim = reward::claim(&alice.wallet(), &alice.device, &alice.tokens);
    world.send(claim, &[&alice.owner]);
    assert_eq!(world.balance(&reward::vault()), left);
}

#[test]
fn rents_return_when_everybody_has_collected_and_no_reward_is_lost_before() {
    let mut world = World::new();
    let (alice, bob) = (world.worker("alice"), world.worker("bob"));
    world.start_emission(RULES, FUNDS);
    let all = [&alice, &bob];
    world.live(&all);
    let hour = world.live(&all);
    let payer = world.payer.pubkey();
    world.draw(hour);
    for worker in all {
        world.check_in(worker, hour);
    }
    world.refuse(reward::close_tally(&payer, hour, 0), &[], StakingError::BlockInUse);
    world.refuse(reward::collect(&alice.device, hour, 0), &[], StakingError::BlockNotSettled);
    world.refuse(reward::close_block(&payer, hour), &[], StakingError::BlockInUse);
    world.settle_and_collect(&[], hour - HOUR);
    world.go_to_second(hour, 2 * HOUR);
    world.send(reward::settle(hour, [0]), &[]);
    let collect = |worker: &Worker| reward::collect(&worker.device, hour, 0);
    world.sweep(&collect(&alice), &[], &[]);
    world.send(collect(&alice), &[]);
    world.refuse(collect(&alice), &[], StakingError::NothingPending);
    world.refuse(reward::close_tally(&payer, hour, 0), &[], StakingError::BlockInUse);
    // A year later the other device can still collect.
    world.wait(365 * 86_400);
    world.send(collect(&bob), &[]);
    world.refuse(reward::close_block(&payer, hour), &[], StakingError::BlockInUse);
    let thief = key("thief").pubkey();
    world.refuse(reward::close_tally(&thief, hour, 0), &[], StakingError::WrongPayer);
    let before = world.lamports(&payer);
    let mut fees = world.send(reward::close_tally(&payer, hour, 0), &[]).fee;
    world.refuse(reward::close_block(&thief, hour), &[], StakingError::WrongPayer);
    fees += world.send(reward::close_block(&payer, hour), &[]).fee;
    let rents = [size_of::<staking::Tally>(), size_of::<staking::RewardBlock>()].map(|bytes| world.rent(bytes + 8));
    // A failed transaction costs its fee, too.
    assert_eq!(world.lamports(&payer), before + rents[0] + rents[1] - fees - 5_000);
}

/// If nothing is settled, hours after the fourth that waits pay nobody, so that a newcomer cannot get a whole pool.
#[test]
fn four_hours_that_wait_to_be_settled_are_all() {
    let mut world = World::new();
    let (alice, bob) = (world.worker("alice"), world.worker("bob"));
    let genesis = world.start_emission(RULES, FUNDS);
    for number in 0..7 {
        let there = if number < 3 { vec![&alice] } else { vec![&alice, &bob] };
        let hour = world.open_hour();
        for index in 0..12u8 {
            world.beacon(&there, hour, index);
            for worker in &there {
                let was_there = world.device(&worker.device).last_hour.get() > 0 || number > 0;
                if index == 1 && was_there && (number != 3 || worker.device == alice.device) {
                    world.check_in(worker, hour - HOUR);
                }
            }
        }
        world.go_to_second(hour, HOUR);
    }
    // Alice's first hour is presence, her next three are paid, and all later ones wait for settlements.
    let hours = |worker: &Worker| -> Vec<i64> {
        let device = world.device(&worker.device);
        device
            .pending()
            .map(|(hour, _, _)| (i64::from(hour) * HOUR - genesis) / HOUR)
            .collect()
    };
    assert_eq!(hours(&alice), [1, 2, 3]);
    assert_eq!(hours(&bob), [0; 0]);
}

/// A device has four places for hours that are settled but not collected. Later hours are presence alone until one is free again.
#[test]
fn four_hours_that_wait_to_be_collected_are_all() {
    let mut world = World::new();
    let alice = world.worker("alice");
    let genesis = world.start_emission(RULES, FUNDS);
    let hours = |world: &World| -> Vec<i64> {
        let device = world.device(&alice.device);
        let mut hours: Vec<i64> = device
            .pending()
            .map(|(hour, _, _)| (i64::from(hour) * HOUR - genesis) / HOUR)
            .collect();
        hours.sort_unstable();
        hours
    };
    for number in 0..8 {
        let hour = world.open_hour();
        for index in 0..12u8 {
            world.beacon(&[&alice], hour, index);
            if index == 1 && number > 1 {
                world.send(reward::settle(hour - 2 * HOUR, 0..RULES.shards), &[]);
            }
            if index == 1 && number == 7 {
                assert_eq!(hours(&world), [1, 2, 3, 4]);
                let first = genesis + HOUR;
                let collect = reward::collect(&alice.device, first, world.shard(&alice.device, first));
                world.send(collect, &[]);
            }
            if index == 1 && number > 0 {
                world.check_in(&alice, hour - HOUR);
            }
        }
        world.go_to_second(hour, HOUR);
    }
    assert_eq!(hours(&world), [2, 3, 4, 6]);
}

#[test]
fn a_block_stays_for_a_week() {
    let mut world = World::new();
    let alice = world.worker("alice");
    world.start_emission(RULES, FUNDS);
    world.live(&[&alice]);
    let hour = world.live(&[&alice]);
    world.live(&[&alice]);
    world.go_to_second(hour, 2 * HOUR);
    world.settle_and_collect(&[&alice], hour);
    let payer = world.payer.pubkey();
    world.send(reward::close_tally(&payer, hour, 0), &[]);
    world.go_to_second(hour, HOUR + 7 * 86_400 - 1);
    world.refuse(reward::close_block(&payer, hour), &[], StakingError::BlockInUse);
    world.wait(1);
    world.send(reward::close_block(&payer, hour), &[]);
}

#[test]
fn a_device_with_rewards_cannot_be_closed() {
    let mut world = World::new();
    let alice = world.worker("alice");
    world.start_emission(RULES, FUNDS);
    for _ in 0..3 {
        world.live(&[&alice]);
    }
    let (owner, wallet) = (alice.owner.clone(), alice.wallet());
    let (hour, _, _) = world.device(&alice.device).pending().next().expect("a reward waits");
    world.send(market::stake::unstake(&wallet, &alice.device), &[&owner]);
    world.send(market::stake::terminate_device(&wallet, &alice.device), &[&owner]);
    world.wait(14 * 86_400);
    world.send(market::stake::withdraw(&wallet, &alice.device, &alice.tokens), &[&owner]);
    let close = market::stake::close_device(&wallet, &alice.device, &alice.tokens);
    world.refuse(close.clone(), &[&owner], StakingError::DeviceNotEmpty);
    world.settle_and_collect(&[&alice], i64::from(hour) * HOUR);
    world.refuse(close.clone(), &[&owner], StakingError::DeviceNotEmpty);
    world.send(reward::claim(&wallet, &alice.device, &alice.tokens), &[&owner]);
    world.send(close, &[&owner]);
}
