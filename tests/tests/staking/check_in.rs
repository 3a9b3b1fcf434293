use chain::market::{self, reward};
use protocol::units::IO;
use solana_instruction::error::InstructionError;
use solana_signer::Signer;
use staking::RewardRules;
use staking::error::StakingError;
use tests::{Fault, GPU, RULES, World, gpu_spec, substituted, terms};

const HOUR: i64 = 3_600;

/// Everybody is called at every beacon.
const EVERYBODY: RewardRules = RewardRules { call_bps: 10_000, ..RULES };

#[test]
fn after_the_hour_and_its_answers_and_before_the_next_has_ended() {
    let mut world = World::new();
    let alice = world.worker("alice");
    world.start_emission(RULES, IO);
    let hour = world.live(&[&alice]);
    // What is to be shown cannot be drawn before the last answers are in.
    for (second, failure) in [(HOUR + 299, StakingError::HourNotOver), (HOUR + 300, StakingError::NoDraw)] {
        let mut world = world.clone();
        world.go_to_second(hour, second);
        world.refuse(world.checking_in(&alice, hour), &[&alice.key], failure);
    }
    world.draw(hour);
    let check_in = world.checking_in(&alice, hour);
    for (second, failure) in [(HOUR + 302, None), (2 * HOUR - 1, None), (2 * HOUR, Some(StakingError::HourOver))] {
        let mut world = world.clone();
        world.go_to_second(hour, second);
        match failure {
            Some(failure) => world.refuse(check_in.clone(), &[&alice.key], failure),
            None => {
                world.send(check_in.clone(), &[&alice.key]);
                world.refuse(check_in.clone(), &[&alice.key], StakingError::CheckedIn);
            }
        }
    }
}

#[test]
fn is_the_hot_keys_alone_with_the_tally_of_its_shard() {
    let mut world = World::new();
    let (alice, bob) = (world.worker("alice"), world.worker("bob"));
    world.start_emission(RewardRules { shards: 2, ..RULES }, 1_000_000 * IO);
    let all = [&alice, &bob];
    world.live(&all);
    let hour = world.live(&all);
    world.draw(hour);
    world.settle_and_collect(&all, hour - HOUR);
    let check_in = world.checking_in(&alice, hour);
    world.sweep(&check_in, &[&alice.key], &[]);
    let (shard, shown) = (world.shard(&alice.device, hour), world.shown(&alice, hour));
    let stolen = reward::check_in(&bob.key.pubkey(), &alice.device, GPU, hour, shard, shown);
    world.refuse(stolen, &[&bob.key], StakingError::NotDeviceKey);
    let other = 1 - shard;
    let tallies = [0, 1].map(|shard| reward::tally(hour, shard));
    let elsewhere = reward::check_in(&alice.key.pubkey(), &alice.device, GPU, hour, other, shown);
    world.refuse(elsewhere, &[&alice.key], StakingError::WrongTally);
    // Nor one of another hour.
    let own = tallies[usize::from(shard)];
    let old = reward::tally(hour - HOUR, shard);
    world.refuse(substituted(&check_in, &own, &old), &[&alice.key], StakingError::WrongTally);
    let model = substituted(
        &check_in,
        &market::stake::gpu_model(GPU),
        &market::stake::gpu_model(tests::GPU_UNLISTED),
    );
    world.refuse(model, &[&alice.key], StakingError::WrongGpuModel);
    for worker in all {
        world.send(world.checking_in(worker, hour), &[&worker.key]);
    }
    world.go_to_second(hour, 2 * HOUR);
    // Tallies are counted in order, each once.
    world.refuse(reward::settle(hour, [1, 0]), &[], StakingError::WrongTally);
    world.refuse(reward::settle(hour, []), &[], StakingError::WrongTally);
    world.refuse(reward::settle(hour, [0, 0]), &[], StakingError::WrongTally);
    world.send(reward::settle(hour, [0]), &[]);
    assert!(!world.books().blocks[&hour].settled.get());
    world.send(reward::settle(hour, [1]), &[]);
    assert!(world.books().blocks[&hour].settled.get());
    world.refuse(reward::settle(hour, [0]), &[], StakingError::HourOutOfOrder);
}

#[test]
fn a_gpu_model_that_earns_nothing_is_there_for_nothing_and_a_better_one_for_more() {
    let mut world = World::new();
    let (alice, admin) = (world.worker("alice"), world.admin.clone());
    world.start_emission(RULES, 1_000_000 * IO);
    world.live(&[&alice]);
    let update = |world: &mut World, multiplier| {
        let spec = gpu_spec("RTX 4090", multiplier, true);
        world.send(market::stake::update_gpu_model(&admin.pubkey(), GPU, spec), &[&admin]);
    };
    let waiting = |world: &World| world.device(&alice.device).pending().map(|(_, _, score)| score).sum::<u64>();
    update(&mut world, 0);
    world.live(&[&alice]);
    world.live(&[&alice]);
    assert_eq!(waiting(&world), 0);
    // A raise counts for rewards at once, and for the minimum in 30 days (C3).
    update(&mut world, 900);
    world.live(&[&alice]);
    assert_eq!(waiting(&world), 200 * 900 + 50);
}

#[test]
fn a_settlement_that_is_late_costs_nobody_its_presence() {
    let mut world = World::new();
    let (alice, admin) = (world.worker("alice"), world.admin.clone());
    let genesis = world.start_emission(RULES, 1_000_000 * IO);
    world.live(&[&alice]);
    world.send(market::stake::set_paused(&admin.pubkey(), true), &[&admin]);
    // Paused for hours: nothing settles, presence goes on, and scores until four hours wait, the first of which was presence alone.
    for _ in 0..8 {
        let hour = world.open_hour();
        for index in 0..12u8 {
            world.go_to_second(hour, 300 * i64::from(index) + 1);
            world.send(reward::record_beacon(hour, index), &[]);
            world.answer_call(&alice, hour, index);
            if index == 1 {
                world.send(world.checking_in(&alice, hour - HOUR), &[&alice.key]);
            }
        }
        world.go_to_second(hour, HOUR);
    }
    let device = world.device(&alice.device);
    assert_eq!(device.pending().count(), 3);
    assert_eq!(i64::from(device.streak_hour.get()) * HOUR, genesis);
    world.refuse(reward::settle(genesis, [0]), &[], StakingError::Paused);
    world.send(market::stake::set_paused(&admin.pubkey(), false), &[&admin]);
    for hour in (0..8).map(|hours| genesis + hours * HOUR) {
        world.settle_and_collect(&[&alice], hour);
    }
    let device = world.device(&alice.device);
    assert_eq!(device.pending().count(), 0);
    // Three were paid.
    assert!(device.rewards.get() > 0);
    let claim = reward::claim(&alice.wallet(), &alice.device, &alice.tokens);
    world.send(market::stake::set_paused(&admin.pubkey(), true), &[&admin]);
    world.send(claim, &[&alice.owner]);
}

#[test]
fn settles_when_nobody_can_check_in_any_more_and_in_order() {
    let mut world = World::new();
    let alice = world.worker("alice");
    world.start_emission(RULES, 1_000_000 * IO);
    let first = world.live(&[&alice]);
    for (second, over) in [(2 * HOUR - 1, false), (2 * HOUR, true)] {
        let mut world = world.clone();
        world.go_to_second(first, second);
        let settle = reward::settle(first, [0]);
        if over {
            let vault = (reward::vault(), Fault::OtherKind, Some(InstructionError::InvalidAccountData.into()));
            world.sweep(&settle, &[], &[vault]);
            world.send(settle, &[]);
        } else {
            world.refuse(settle, &[], StakingError::HourNotOver);
        }
    }
    world.open_hour();
    world.wait(3 * 3_600);
    world.refuse(reward::settle(first + HOUR, [0]), &[], StakingError::HourOutOfOrder);
    world.send(reward::settle(first, [0]), &[]);
    world.send(reward::settle(first + HOUR, [0]), &[]);
}

/// What the owner added and needs is old after two hours, whoever adds how much how often.
#[test]
fn dust_does_not_keep_other_stake_fresh() {
    let mut world = World::new();
    let (alice, mallory, admin) = (world.worker("alice"), world.co_staker("mallory"), world.admin.clone());
    let out = 1_000 * IO - tests::GPU_MINIMUM;
    let lower = market::stake::withdraw_overflow(&alice.wallet(), &alice.device, GPU, &alice.tokens, out);
    world.send(lower, &[&alice.owner]);
    let offer = world.offer(&alice, tests::OFFER);
    // Half as much again is needed from now on.
    let spec = gpu_spec("RTX 4090", 300, true);
    world.send(market::stake::update_gpu_model(&admin.pubkey(), GPU, spec), &[&admin]);
    world.wait(30 * 86_400);
    world.start_emission(RULES, 1_000_000 * IO);
    let more = market::stake::stake(&alice.wallet(), &alice.device, &alice.tokens, 200 * IO);
    world.send(more, &[&alice.owner]);
    world.join(&mallory, &offer, 0, tests::OFFER.ticket);
    // Its own hour does not count: the stake came after its start.
    let hour = world.open_hour();
    world.go_to_second(hour, HOUR);
    for id in 1..4 {
        world.join(&mallory, &offer, id, tests::OFFER.ticket);
        let next = world.open_hour();
        world.go_to_second(next, 300);
        if id == 1 {
            world.refuse(world.checking_in(&alice, hour), &[&alice.key], StakingError::BelowMinimumStake);
        } else {
            world.send(world.checking_in(&alice, next - HOUR), &[&alice.key]);
        }
        world.go_to_second(next, HOUR);
    }
}

/// L3: what a device shows is of its own work, of this hour's last call, and drawn after the answer.
#[test]
fn shows_the_drawn_row_of_its_own_work() {
    let mut world = World::new();
    let (alice, bob) = (world.worker("alice"), world.worker("bob"));
    world.start_emission(EVERYBODY, IO);
    let before = world.live(&[&alice, &bob]);
    let hour = world.live(&[&alice, &bob]);
    world.draw(hour);
    let shard = world.shard(&alice.device, hour);
    let show = |shown| reward::check_in(&alice.key.pubkey(), &alice.device, GPU, hour, shard, shown);
    let shown = world.shown(&alice, hour).unwrap();
    let mut other_row = shown;
    other_row.row[0] = other_row.row[0].wrapping_add(1);
    let mut other_path = shown;
    other_path.path[4] = [0; 32];
    // Another device's, and the same device's of the hour before.
    let blocks = world.books().blocks;
    let old = (&blocks[&before], Some(&blocks[&hour]));
    let replayed = reward::shown(old.0, old.1, &world.device(&alice.device), &alice.device).unwrap_or_default();
    for wrong in [Some(other_row), Some(other_path), world.shown(&bob, hour), replayed] {
        assert!(wrong.is_some());
        world.refuse(show(wrong), &[&alice.key], StakingError::WorkWrong);
    }
    // Nothing shown, with the block that draws and without.
    let mut nothing = show(None);
    world.refuse(nothing.clone(), &[&alice.key], StakingError::NoDraw);
    nothing.accounts[6].pubkey = reward::block(hour + HOUR);
    world.refuse(nothing, &[&alice.key], StakingError::WorkWrong);
    // A draw of another hour.
    let earlier = substituted(&show(Some(shown)), &reward::block(hour + HOUR), &reward::block(hour));
    world.refuse(earlier, &[&alice.key], StakingError::NoDraw);
    world.send(show(Some(shown)), &[&alice.key]);
}

/// The last call's work is asked for: nobody knows which that is before the hour is over. A device at work for a job is exempt (F7).
#[test]
fn the_last_calls_work_counts_and_that_of_a_device_at_work_does_not() {
    let mut world = World::new();
    let (alice, consumer) = (world.worker("alice"), world.consumer("carol"));
    world.start_emission(EVERYBODY, IO);
    let hour = world.open_hour();
    let nothing = |index| reward::answer(&alice.key.pubkey(), &alice.device, hour, index, [0; 32]);
    for index in 0..11u8 {
        world.go_to_second(hour, 300 * i64::from(index) + 1);
        world.send(reward::record_beacon(hour, index), &[]);
        world.send(nothing(index), &[&alice.key]);
    }
    world.go_to_second(hour, 3_301);
    world.send(reward::record_beacon(hour, 11), &[]);
    let [mut honest, mut lazy] = [world.clone(), world.clone()];
    honest.send(honest.answering(&alice, hour, 11), &[&alice.key]);
    honest.draw(hour);
    honest.send(honest.checking_in(&alice, hour), &[&alice.key]);
    lazy.send(nothing(11), &[&alice.key]);
    lazy.draw(hour);
    lazy.refuse(lazy.checking_in(&alice, hour), &[&alice.key], StakingError::WorkWrong);

    // At work in the next hour: nothing is asked for, nothing drawn.
    honest.go_to_second(hour, 2 * HOUR);
    let second = honest.open_hour();
    let job = honest.open(&consumer, 0, terms());
    honest.open_doors();
    honest.claim(&alice, &job);
    for index in 0..12u8 {
        honest.go_to_second(second, 300 * i64::from(index) + 1);
        honest.send(reward::record_beacon(second, index), &[]);
        honest.send(
            reward::answer(&alice.key.pubkey(), &alice.device, second, index, [0; 32]),
            &[&alice.key],
        );
    }
    honest.go_to_second(second, HOUR + 300);
    assert!(honest.shown(&alice, second).is_none());
    honest.send(honest.checking_in(&alice, second), &[&alice.key]);
}
