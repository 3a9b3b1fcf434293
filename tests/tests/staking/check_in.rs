use chain::market::{self, reward};
use protocol::units::IO;
use solana_instruction::error::InstructionError;
use solana_signer::Signer;
use staking::RewardRules;
use staking::error::StakingError;
use tests::{Fault, GPU, RULES, World, gpu_spec, substituted};

const HOUR: i64 = 3_600;

#[test]
fn after_the_hour_and_its_answers_and_before_the_next_has_ended() {
    let mut world = World::new();
    let alice = world.worker("alice");
    world.start_emission(RULES, IO);
    let hour = world.live(&[&alice]);
    let check_in = world.checking_in(&alice, hour);
    for (second, failure) in [
        (HOUR + 299, Some(StakingError::HourNotOver)),
        (HOUR + 300, None),
        (2 * HOUR - 1, None),
        (2 * HOUR, Some(StakingError::HourOver)),
    ] {
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
    world.go_to_second(hour + HOUR, 300);
    world.settle_and_collect(&all, hour - HOUR);
    let check_in = world.checking_in(&alice, hour);
    world.sweep(&check_in, &[&alice.key], &[]);
    let stolen = reward::check_in(&bob.key.pubkey(), &alice.device, GPU, hour, world.shard(&alice.device, hour));
    world.refuse(stolen, &[&bob.key], StakingError::NotDeviceKey);
    let other = 1 - world.shard(&alice.device, hour);
    let tallies = [0, 1].map(|shard| reward::tally(hour, shard));
    let elsewhere = reward::check_in(&alice.key.pubkey(), &alice.device, GPU, hour, other);
    world.refuse(elsewhere, &[&alice.key], StakingError::WrongTally);
    // Nor one of another hour.
    let own = tallies[usize::from(world.shard(&alice.device, hour))];
    let old = reward::tally(hour - HOUR, world.shard(&alice.device, hour));
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
    // Paused for hours: nothing settles, presence and scores go on; from the fifth score on there is no room for more.
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
    assert_eq!(device.pending().count(), 4);
    assert_eq!(i64::from(device.streak_hour.get()) * HOUR, genesis);
    world.refuse(reward::settle(genesis, [0]), &[], StakingError::Paused);
    world.send(market::stake::set_paused(&admin.pubkey(), false), &[&admin]);
    for hour in (0..8).map(|hours| genesis + hours * HOUR) {
        world.settle_and_collect(&[&alice], hour);
    }
    let device = world.device(&alice.device);
    assert_eq!(device.pending().count(), 0);
    // The first hour was presence alone, four were paid.
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
