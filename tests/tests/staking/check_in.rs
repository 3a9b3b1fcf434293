use chain::market::reward::Asked;
use chain::market::{self, reward};
use protocol::hash::Hash;
use protocol::merkle;
use protocol::score::Weights;
use protocol::tensor::{from_code, to_code};
use protocol::testing::Rng;
use protocol::units::IO;
use protocol::work::{self, CHUNK, Draw, Opening, Size};
use solana_address::Address;
use solana_instruction::Instruction;
use solana_instruction::error::InstructionError;
use solana_signer::Signer;
use staking::error::StakingError;
use staking::state::GpuSpec;
use staking::{GpuSpecChanges, ParameterChanges, RewardRules};
use tests::{Fault, GPU, LARGEST_CHECK_IN, LARGEST_EVIDENCE, RULES, World, gpu_spec, substituted, terms};

const HOUR: i64 = 3_600;

/// Rules under which every beacon calls every device.
const EVERYBODY: RewardRules = RewardRules { call_bps: 10_000, ..RULES };

#[test]
fn a_check_in_comes_after_the_hours_answers_and_before_the_next_hour_ends() {
    let mut world = World::new();
    let alice = world.worker("alice");
    world.start_emission(RULES, IO);
    let hour = world.live(&[&alice]);
    // The work to be shown cannot be drawn before the last answers are in.
    for (second, failure) in [(HOUR + 299, StakingError::HourNotOver), (HOUR + 300, StakingError::NoDraw)] {
        let mut world = world.clone();
        world.open_hour();
        world.go_to_second(hour, second);
        world.refuse(world.checking_in(&alice, hour), &[&alice.key], failure);
    }
    world.draw(hour);
    world.show_work(&alice, hour);
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
fn only_the_hot_key_checks_in_with_the_tally_of_its_shard() {
    let mut world = World::new();
    let (alice, bob) = (world.worker("alice"), world.worker("bob"));
    world.start_emission(RewardRules { shards: 2, ..RULES }, 1_000_000 * IO);
    let all = [&alice, &bob];
    world.live(&all);
    let hour = world.live(&all);
    world.draw(hour);
    world.settle_and_collect(&all, hour - HOUR);
    world.show_work(&alice, hour);
    let check_in = world.checking_in(&alice, hour);
    world.sweep(&check_in, &[&alice.key], &[]);
    let (shard, evidence) = (world.shard(&alice.device, hour), evidence_of(&check_in));
    let stolen = reward::check_in(&bob.key.pubkey(), &alice.device, GPU, hour, shard, evidence);
    world.refuse(stolen, &[&bob.key], StakingError::NotDeviceKey);
    let other = 1 - shard;
    let tallies = [0, 1].map(|shard| reward::tally(hour, shard));
    let elsewhere = reward::check_in(&alice.key.pubkey(), &alice.device, GPU, hour, other, evidence);
    world.refuse(elsewhere, &[&alice.key], StakingError::WrongTally);
    // Nor with a tally of another hour.
    let own = tallies[usize::from(shard)];
    let old = reward::tally(hour - HOUR, shard);
    world.refuse(substituted(&check_in, &own, &old), &[&alice.key], StakingError::WrongTally);
    let model = substituted(
        &check_in,
        &market::stake::gpu_model(GPU),
        &market::stake::gpu_model(tests::GPU_UNLISTED),
    );
    world.refuse(model, &[&alice.key], StakingError::WrongGpuModel);
    world.send(check_in, &[&alice.key]);
    world.check_in(&bob, hour);
    world.go_to_second(hour, 2 * HOUR);
    // Tallies are counted in order, each once.
    world.refuse(reward::settle(hour, [1, 0]), &[], StakingError::WrongTally);
    world.refuse(reward::settle(hour, []), &[], StakingError::WrongTally);
    world.refuse(reward::settle(hour, [0, 0]), &[], StakingError::WrongTally);
    let first = reward::settle(hour, [0]);
    let foreign = substituted(&first, &tallies[0], &reward::tally(hour - HOUR, 0));
    world.refuse(foreign, &[], StakingError::WrongTally);
    world.send(first, &[]);
    assert!(!world.books().blocks[&hour].settled.get());
    world.send(reward::settle(hour, [1]), &[]);
    assert!(world.books().blocks[&hour].settled.get());
    world.refuse(reward::settle(hour, [0]), &[], StakingError::HourOutOfOrder);
    world.refuse(reward::collect(&alice.device, hour, other), &[], StakingError::WrongTally);
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
    // A raise counts for rewards at once, and for the minimum stake after 30 days (C3).
    update(&mut world, 900);
    world.live(&[&alice]);
    assert_eq!(waiting(&world), 200 * 900 + 50);
}

/// C3, K3: however the minimum rises, an hour is judged by the minimum at its start.
#[test]
fn a_raise_costs_no_hour_that_was_served() {
    let mut world = World::new();
    let (alice, admin) = (world.worker("alice"), world.admin.clone());
    let out = 1_000 * IO - tests::GPU_MINIMUM;
    let lower = market::stake::withdraw_overflow(&alice.wallet(), &alice.device, GPU, &alice.tokens, out);
    world.send(lower, &[&alice.owner]);
    let at_once = ParameterChanges {
        raise_grace: Some(0),
        ..ParameterChanges::default()
    };
    world.send(market::stake::set_parameters(&admin.pubkey(), at_once), &[&admin]);
    world.start_emission(RewardRules { call_bps: 0, ..RULES }, IO);
    let next = |world: &mut World| {
        let hour = world.hour();
        world.draw(hour);
        hour
    };
    world.open_hour();
    let first = next(&mut world);
    let dearer = ParameterChanges {
        base_stake: Some(400 * IO),
        ..ParameterChanges::default()
    };
    for raise in [
        market::stake::set_parameters(&admin.pubkey(), dearer),
        market::stake::update_gpu_model(&admin.pubkey(), GPU, gpu_spec("RTX 4090", 400, true)),
    ] {
        let mut world = world.clone();
        world.send(raise, &[&admin]);
        world.check_in(&alice, first);
        let second = next(&mut world);
        world.check_in(&alice, second);
        let third = next(&mut world);
        world.refuse(world.checking_in(&alice, third), &[&alice.key], StakingError::BelowMinimumStake);
    }
}

#[test]
fn a_settlement_that_is_late_costs_nobody_its_presence() {
    let mut world = World::new();
    let alice = world.worker("alice");
    let genesis = world.start_emission(RULES, 1_000_000 * IO);
    world.live(&[&alice]);
    // No crank runs for hours: nothing is settled, but presence continues, and so do scores until four hours wait, the first of which was
    // presence alone.
    for _ in 0..8 {
        let hour = world.open_hour();
        for index in 0..12u8 {
            world.go_to_second(hour, 300 * i64::from(index) + 1);
            world.send(reward::record_beacon(hour, index), &[]);
            world.answer_call(&alice, hour, index);
            if index == 1 {
                world.check_in(&alice, hour - HOUR);
            }
        }
        world.go_to_second(hour, HOUR);
    }
    let device = world.device(&alice.device);
    assert_eq!(device.pending().count(), 3);
    assert_eq!(i64::from(device.streak_hour.get()) * HOUR, genesis);
    for hour in (0..8).map(|hours| genesis + hours * HOUR) {
        world.settle_and_collect(&[&alice], hour);
    }
    let device = world.device(&alice.device);
    assert_eq!(device.pending().count(), 0);
    // Three hours were paid.
    assert!(device.rewards.get() > 0);
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

/// An owner whose overflow leaves it with co-stake that has just come is below the minimum for that hour.
#[test]
fn co_stake_counts_from_the_hour_after_it_came() {
    let mut world = World::new();
    let (alice, carol) = (world.worker("alice"), world.co_staker("carol"));
    let offer = world.offer(&alice, tests::OFFER);
    world.start_emission(RULES, 1_000_000 * IO);
    let hour = world.open_hour();
    world.wait(1);
    world.join(&carol, &offer, 0, 200 * IO);
    let out = 1_200 * IO - tests::GPU_MINIMUM;
    let lower = market::stake::withdraw_overflow(&alice.wallet(), &alice.device, GPU, &alice.tokens, out);
    world.send(lower, &[&alice.owner]);
    world.draw(hour);
    world.show_work(&alice, hour);
    world.refuse(world.checking_in(&alice, hour), &[&alice.key], StakingError::BelowMinimumStake);
    let next = world.hour();
    world.answer_call(&alice, next, 1);
    world.draw(next);
    world.check_in(&alice, next);
}

/// Stake that the owner has added and needs counts as old after two hours, however much anybody adds and however often.
#[test]
fn dust_does_not_keep_other_stake_fresh() {
    let mut world = World::new();
    let (alice, mallory, admin) = (world.worker("alice"), world.co_staker("mallory"), world.admin.clone());
    let out = 1_000 * IO - tests::GPU_MINIMUM;
    let lower = market::stake::withdraw_overflow(&alice.wallet(), &alice.device, GPU, &alice.tokens, out);
    world.send(lower, &[&alice.owner]);
    let offer = world.offer(&alice, tests::OFFER);
    // From now on half as much again is needed.
    let spec = gpu_spec("RTX 4090", 300, true);
    world.send(market::stake::update_gpu_model(&admin.pubkey(), GPU, spec), &[&admin]);
    world.wait(30 * 86_400);
    world.start_emission(RULES, 1_000_000 * IO);
    let more = market::stake::stake(&alice.wallet(), &alice.device, &alice.tokens, 200 * IO);
    world.send(more, &[&alice.owner]);
    world.join(&mallory, &offer, 0, tests::OFFER.ticket);
    // The hour of the stake does not count, since it came after the start.
    let hour = world.open_hour();
    world.go_to_second(hour, HOUR);
    for id in 1..4 {
        world.join(&mallory, &offer, id, tests::OFFER.ticket);
        let next = world.open_hour();
        world.beacon(&[&alice], next, 1);
        if id == 1 {
            world.show_work(&alice, hour);
            world.refuse(world.checking_in(&alice, hour), &[&alice.key], StakingError::BelowMinimumStake);
        } else {
            world.check_in(&alice, next - HOUR);
        }
        world.go_to_second(next, HOUR);
    }
}

/// The evidence account that a check-in names.
fn evidence_of(check_in: &Instruction) -> Option<Address> {
    let account = &check_in.accounts[7].pubkey;
    (*account != staking::ID).then_some(*account)
}

/// L3: a device shows its own work for the hour's last call, at a position drawn after its answer.
#[test]
fn shows_the_drawn_element_of_its_own_work() {
    let mut world = World::new();
    let (alice, bob) = (world.worker("alice"), world.worker("bob"));
    world.start_emission(EVERYBODY, IO);
    let before = world.live(&[&alice, &bob]);
    let replayed = world.clone();
    let hour = world.live(&[&alice, &bob]);
    world.draw(hour);
    let shard = world.shard(&alice.device, hour);
    let show = |evidence| reward::check_in(&alice.key.pubkey(), &alice.device, GPU, hour, shard, evidence);
    let shown = world.evidence_of_work(&alice, hour).unwrap();
    let [mut wrong_element, mut wrong_line, mut wrong_path] = [(); 3].map(|()| shown.clone());
    wrong_element[..256].iter_mut().for_each(|byte| *byte ^= 1);
    *wrong_path.last_mut().unwrap() ^= 1;
    // Elements of the first layer have no inputs.
    let line = shown.len().checked_sub(1).map(|last| last.min(600)).unwrap();
    wrong_line[line] ^= 1;
    // Another device's evidence, and the same device's of the hour before.
    let mut replayed = replayed;
    replayed.draw(before);
    let old = replayed.evidence_of_work(&alice, before).unwrap();
    let others = world.evidence_of_work(&bob, hour).unwrap();
    for wrong in [
        wrong_element,
        wrong_line,
        wrong_path,
        shown[..shown.len() - 1].to_vec(),
        others,
        old,
    ] {
        assert_ne!(wrong, shown);
        let evidence = world.show(&alice.key, &alice.device, &wrong);
        world.refuse(show(Some(evidence)), &[&alice.key], StakingError::WorkWrong);
    }
    // No evidence.
    world.refuse(show(None), &[&alice.key], StakingError::WorkWrong);
    // The draw of another hour.
    world.show_work(&alice, hour);
    let right = world.checking_in(&alice, hour);
    let earlier = substituted(&right, &reward::block(hour + HOUR), &reward::block(hour));
    world.refuse(earlier, &[&alice.key], StakingError::WrongBlock);
    // Correct evidence counts, whoever wrote it.
    let of_bob = world.show(&bob.key, &bob.device, &shown);
    world.clone().send(show(Some(of_bob)), &[&alice.key]);
    world.send(right, &[&alice.key]);
}

/// A new size of work applies from the next hour: the calls of this hour and their check-ins keep the old size, and it cannot change again
/// before then.
#[test]
fn work_changes_with_the_hour() {
    let mut world = World::new();
    let (alice, admin) = (world.worker("alice"), world.admin.clone());
    world.start_emission(EVERYBODY, IO);
    let sized = |layers| GpuSpec {
        work_layers: layers,
        ..gpu_spec("RTX 4090", 200, true)
    };
    let update = |layers| market::stake::update_gpu_model(&admin.pubkey(), GPU, sized(layers));
    let layers = |world: &World, hour: i64| {
        let gpu = world.books().gpu_models[&market::stake::gpu_model(GPU)];
        gpu.work_in(u32::try_from(hour / HOUR).unwrap()).layers()
    };
    let first = world.open_hour();
    world.send(update(1), &[&admin]);
    assert_eq!((layers(&world, first), layers(&world, first + HOUR)), (4, 2));
    world.refuse(update(3), &[&admin], StakingError::WorkChanging);
    // The multiplier may change at any time.
    let raise = GpuSpec {
        multiplier_x100: 300,
        ..sized(1)
    };
    world.send(market::stake::update_gpu_model(&admin.pubkey(), GPU, raise), &[&admin]);
    for index in 0..12 {
        world.beacon(&[&alice], first, index);
    }
    world.go_to_second(first, HOUR);
    // A device checks in with the old size while calls already ask for the new one.
    let second = world.live(&[&alice]);
    assert_eq!(world.device(&alice.device).last_hour.get(), u32::try_from(first / HOUR).unwrap());
    world.open_hour();
    world.send(update(3), &[&admin]);
    assert_eq!((layers(&world, second), layers(&world, second + 2 * HOUR)), (2, 8));
    let wrong = GpuSpec { work_width: 9, ..sized(3) };
    let wrong = market::stake::update_gpu_model(&admin.pubkey(), GPU, wrong);
    world.wait(7_200);
    world.refuse(wrong, &[&admin], StakingError::InvalidGpuSpec);
    // The size is set as a whole: with only a part of it, two changes side by side could combine into a size that nobody meant.
    let part = GpuSpecChanges {
        work_layers: Some(3),
        ..GpuSpecChanges::default()
    };
    let part = market::stake::update_gpu_model(&admin.pubkey(), GPU, part);
    world.refuse(part, &[&admin], StakingError::InvalidGpuSpec);
}

/// The cost of judging the largest work. A test cannot compute 2^55 products, so a device that knows the draw answers with a tree that is
/// correct only at the drawn position.
#[test]
fn the_largest_work_is_judged_in_one_instruction() {
    let mut world = World::new();
    let size = Size::new(12, 36, 7).unwrap();
    let [work_width, work_bytes, work_layers] = size.logarithms();
    let spec = GpuSpec {
        work_width,
        work_bytes,
        work_layers,
        ..gpu_spec("largest", 200, true)
    };
    world.list_gpu(77, spec);
    let alice = world.supplier("alice", 77, 8, 4_000 * IO);
    let stake = market::stake::stake(&alice.wallet(), &alice.device, &alice.tokens, 4_000 * IO);
    world.send(stake, &[&alice.owner]);
    let now = world.now().unix;
    world.wait(u32::try_from(2 * HOUR - now % HOUR).unwrap());
    world.start_emission(EVERYBODY, IO);
    let hour = world.open_hour();
    for index in 0..12u8 {
        world.go_to_second(hour, 300 * i64::from(index) + 1);
        world.send(reward::record_beacon(hour, index), &[]);
        if index < 11 {
            world.send(
                reward::answer(&alice.key.pubkey(), &alice.device, hour, index, Some([7; 32])),
                &[&alice.key],
            );
        }
    }
    let mut future = world.clone();
    future.send(
        reward::answer(&alice.key.pubkey(), &alice.device, hour, 11, Some([7; 32])),
        &[&alice.key],
    );
    future.draw(hour);
    let (books, device) = (future.books(), future.device(&alice.device));
    let gpu = &books.gpu_models[&market::stake::gpu_model(77)];
    let drawn = reward::drawn(
        &books.blocks[&hour],
        books.blocks.get(&(hour + HOUR)),
        gpu,
        &device,
        &alice.device,
        future.now().unix,
    );
    let (asked, draw) = drawn.ok().flatten().unwrap();
    assert!(draw.layer > 0, "the first layer costs less: choose another device");
    let (roots, evidence) = foreknown(&asked, &draw);
    let answer = reward::answer(&alice.key.pubkey(), &alice.device, hour, 11, Some(work::answer(&roots)));
    world.send(answer, &[&alice.key]);
    world.draw(hour);
    let account = world.show(&alice.key, &alice.device, &evidence);
    let shard = world.shard(&alice.device, hour);
    let receipt = world.send(
        reward::check_in(&alice.key.pubkey(), &alice.device, 77, hour, shard, Some(account)),
        &[&alice.key],
    );
    println!("{} bytes of evidence, {} compute units", evidence.len(), receipt.units);
    // The published table of `crowd.rs` assumes these numbers.
    assert_eq!(evidence.len(), LARGEST_EVIDENCE);
    assert!(receipt.units < LARGEST_CHECK_IN, "{}", receipt.units);
}

/// Roots and evidence of work that is correct in one element.
fn foreknown(asked: &Asked, draw: &Draw) -> (Vec<Vec<Hash>>, Vec<u8>) {
    let (size, rng) = (asked.size, Rng::new(5));
    let hash = || -> Hash { std::array::from_fn(|_| rng.within(0, 255) as u8) };
    let mut roots: Vec<Vec<Hash>> = (0..asked.gpus).map(|_| (0..size.layers()).map(|_| hash()).collect()).collect();
    let [width, bytes, _] = size.logarithms();
    let line: Vec<u8> = (0..size.width()).map(|at| (at * 7) as u8).collect();
    let seed = asked.seed(draw.gpu);
    let open = |bytes: Vec<u8>, index: u64, depth: u8| {
        let path: Vec<Hash> = (0..depth).map(|_| hash()).collect();
        let root = merkle::root_from_path(work::tensor_root(&bytes), index as u32, depth.into(), &path).unwrap();
        (root, Opening { bytes, path })
    };
    let (of_line, line) = open(line, draw.line(size), bytes - width);
    // The element, as it is defined for jobs.
    let mut noisy = line.bytes.clone();
    let place = draw.line(size) * size.width() as u64;
    work::add_noise(work::noise(&seed, draw.layer, &of_line), place, &mut noisy);
    let weights = work::weights(size, &seed, draw.layer, draw.column(size));
    let products = noisy
        .iter()
        .zip(&weights)
        .map(|(x, w)| i64::from(from_code(*x)) * i64::from(from_code(*w)));
    let mut chunk = vec![9; CHUNK];
    chunk[(draw.place % CHUNK as u64) as usize] = to_code(size.requantise().scale(products.sum::<i64>(), 1));
    let (of_chunk, chunk) = open(chunk, draw.chunk(), bytes - 8);
    let (gpu, layer) = (usize::from(draw.gpu), usize::from(draw.layer));
    (roots[gpu][layer], roots[gpu][layer - 1]) = (of_chunk, of_line);
    let evidence = work::evidence(&roots, draw, &[chunk, line]);
    (roots, evidence)
}

/// The work of the last call is asked for, which nobody knows before the hour is over. A device at work on a job is exempt (F7).
#[test]
fn the_last_calls_work_counts_and_that_of_a_device_at_work_does_not() {
    let mut world = World::new();
    let (alice, consumer) = (world.worker("alice"), world.consumer("carol"));
    world.start_emission(EVERYBODY, IO);
    let hour = world.open_hour();
    let nothing = |index| reward::answer(&alice.key.pubkey(), &alice.device, hour, index, Some([0; 32]));
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
    honest.check_in(&alice, hour);
    lazy.send(nothing(11), &[&alice.key]);
    lazy.draw(hour);
    lazy.show_work(&alice, hour);
    lazy.refuse(lazy.checking_in(&alice, hour), &[&alice.key], StakingError::WorkWrong);
    // Nor does the next hour's first answer make it forgotten.
    lazy.answer_call(&alice, hour + HOUR, 1);
    lazy.refuse(lazy.checking_in(&alice, hour), &[&alice.key], StakingError::WorkWrong);

    // At work on a job in the next hour, the device is asked for nothing.
    honest.go_to_second(hour, 2 * HOUR);
    let second = honest.open_hour();
    let job = honest.open(&consumer, 0, terms());
    honest.open_doors();
    honest.claim(&alice, &job);
    for index in 0..12u8 {
        honest.go_to_second(second, 300 * i64::from(index) + 1);
        honest.send(reward::record_beacon(second, index), &[]);
        honest.send(
            reward::answer(&alice.key.pubkey(), &alice.device, second, index, None),
            &[&alice.key],
        );
    }
    honest.draw(second);
    assert!(honest.evidence_of_work(&alice, second).is_none());
    honest.check_in(&alice, second);
}

/// A job exempts from the work of later calls, and not from showing that of an earlier one.
#[test]
fn work_that_was_answered_before_a_job_is_still_shown() {
    let mut world = World::new();
    let (alice, consumer) = (world.worker("alice"), world.consumer("carol"));
    world.start_emission(EVERYBODY, IO);
    let hour = world.open_hour();
    let answer = |index, root| reward::answer(&alice.key.pubkey(), &alice.device, hour, index, root);
    for index in 0..12u8 {
        world.go_to_second(hour, 300 * i64::from(index) + 1);
        world.send(reward::record_beacon(hour, index), &[]);
        world.send(answer(index, (index == 0).then_some([0; 32])), &[&alice.key]);
        if index == 0 {
            let job = world.open(&consumer, 0, terms());
            world.open_doors();
            world.claim(&alice, &job);
        }
    }
    world.draw(hour);
    world.show_work(&alice, hour);
    world.refuse(world.checking_in(&alice, hour), &[&alice.key], StakingError::WorkWrong);
}

#[test]
fn work_on_a_job_counts_in_the_score() {
    let mut world = World::new();
    let (alice, bob, consumer) = (world.worker("alice"), world.worker("bob"), world.consumer("carol"));
    world.start_emission(EVERYBODY, 1_000_000 * IO);
    let both = [&alice, &bob];
    world.live(&both);
    let job = world.open(&consumer, 0, terms());
    world.open_doors();
    world.claim(&bob, &job);
    let hour = world.live(&both);
    world.draw(hour);
    let multiplier = world.books().gpu_models[&market::stake::gpu_model(GPU)].multiplier_x100.get();
    for (worker, hired) in [(&alice, false), (&bob, true)] {
        world.check_in(worker, hour);
        let device = world.device(&worker.device);
        let score = device
            .pending()
            .find(|(of, _, _)| i64::from(*of) * HOUR == hour)
            .map(|(_, _, score)| score);
        let expected = Weights::PUBLISHED.score(multiplier, device.quantity, device.tier, hired);
        assert_eq!(score, Some(expected), "hired: {hired}");
    }
}

/// If nobody records the beacon that draws in time, it costs no device its presence and pays none: neither devices that did no work, such
/// as one at work on a job, nor whoever records the beacon too late.
#[test]
fn an_hour_of_which_nothing_is_drawn_is_presence_alone() {
    let mut world = World::new();
    let (alice, bob, consumer) = (world.worker("alice"), world.worker("bob"), world.consumer("carol"));
    world.start_emission(EVERYBODY, 1_000_000 * IO);
    let both = [&alice, &bob];
    let first = world.live(&both);
    let job = world.open(&consumer, 0, terms());
    world.open_doors();
    world.claim(&bob, &job);
    let hour = world.live(&both);
    assert!(world.device(&bob.device).work_of(u32::try_from(hour / HOUR).unwrap()).is_none());
    let next = world.open_hour();
    world.go_to_second(next, HOUR / 2 - 1);
    for worker in both {
        world.refuse(world.checking_in(worker, hour), &[&worker.key], StakingError::NoDraw);
    }
    let waiting = both.map(|worker| world.device(&worker.device).pending().count());
    world.go_to_second(next, HOUR / 2 + 1);
    world.send(reward::record_beacon(next, 6), &[]);
    for (worker, waiting) in both.into_iter().zip(waiting) {
        world.check_in(worker, hour);
        let device = world.device(&worker.device);
        assert_eq!(i64::from(device.last_hour.get()) * HOUR, hour);
        assert_eq!(i64::from(device.streak_hour.get()) * HOUR, first);
        assert_eq!(device.pending().count(), waiting);
    }
}
