use chain::market::reward;
use protocol::units::IO;
use solana_instruction::Instruction;
use solana_signer::Signer;
use staking::RewardRules;
use staking::error::StakingError;
use tests::{RULES, Worker, World, terms};

/// Rules under which every beacon calls every device.
const ALL: RewardRules = RewardRules { call_bps: 10_000, ..RULES };

fn answer(worker: &Worker, hour: i64, index: u8) -> Instruction {
    reward::answer(&worker.key.pubkey(), &worker.device, hour, index, Some([7; 32]))
}

/// A device, in an hour whose first beacon has just been recorded.
fn called(rules: RewardRules) -> (World, Worker, i64) {
    let mut world = World::new();
    let alice = world.worker("alice");
    world.start_emission(rules, IO);
    let hour = world.open_hour();
    world.wait(1);
    world.send(reward::record_beacon(hour, 0), &[]);
    (world, alice, hour)
}

#[test]
fn only_the_hot_key_answers_and_only_once() {
    let (mut world, alice, hour) = called(ALL);
    let other = world.newcomer("bob");
    let stolen = reward::answer(&other.key.pubkey(), &alice.device, hour, 0, Some([7; 32]));
    world.refuse(stolen, &[&other.key], StakingError::NotDeviceKey);
    let valid = answer(&alice, hour, 0);
    world.sweep(&valid, &[&alice.key], &[]);
    world.send(valid.clone(), &[&alice.key]);
    assert_eq!(world.device(&alice.device).answers.get(), 1);
    world.refuse(valid, &[&alice.key], StakingError::CallAnswered);
}

/// F7: a device without a job shows the root of its work, and one with a job need not.
#[test]
fn shows_its_work_unless_it_has_a_job() {
    let (mut world, alice, hour) = called(ALL);
    let nothing = reward::answer(&alice.key.pubkey(), &alice.device, hour, 0, None);
    world.refuse(nothing.clone(), &[&alice.key], StakingError::WorkAsked);
    let consumer = world.consumer("carol");
    let job = world.open(&consumer, 0, terms());
    world.open_doors();
    world.claim(&alice, &job);
    world.send(nothing, &[&alice.key]);
    assert!(world.device(&alice.device).work_of(u32::try_from(hour / 3_600).unwrap()).is_none());
}

#[test]
fn an_answer_is_in_time_to_the_second() {
    let (world, alice, hour) = called(ALL);
    for (seconds, in_time) in [(59, true), (60, true), (61, false)] {
        let mut world = world.clone();
        world.wait(seconds);
        if in_time {
            world.send(answer(&alice, hour, 0), &[&alice.key]);
        } else {
            world.refuse(answer(&alice, hour, 0), &[&alice.key], StakingError::AnswerLate);
        }
    }
}

#[test]
fn fails_for_a_beacon_that_did_not_call_the_device() {
    let (mut world, alice, hour) = called(RewardRules { call_bps: 0, ..RULES });
    world.refuse(answer(&alice, hour, 0), &[&alice.key], StakingError::NotCalled);
    let (mut world, alice, hour) = called(ALL);
    // A beacon that is not recorded yet, and one that does not exist.
    world.refuse(answer(&alice, hour, 1), &[&alice.key], StakingError::NotCalled);
    world.refuse(answer(&alice, hour, 12), &[&alice.key], StakingError::NoSuchBeacon);
}

/// L3: an answer counts for its own hour, beacon and device; the answers of an hour ago do not count for this one.
#[test]
fn answers_of_one_hour_are_none_of_another() {
    let (mut world, alice, first) = called(ALL);
    world.send(answer(&alice, first, 0), &[&alice.key]);
    // The last beacon of the hour is answered after the next hour's first.
    world.go_to_second(first, 3_400);
    // Slots are slower than nominal here.
    world.pass(190, 1);
    world.send(reward::record_beacon(first, 11), &[]);
    world.go_to_second(first, 3_600);
    let second = world.open_hour();
    world.wait(1);
    world.send(reward::record_beacon(second, 0), &[]);
    world.send(answer(&alice, second, 0), &[&alice.key]);
    world.send(answer(&alice, first, 11), &[&alice.key]);
    let device = world.device(&alice.device);
    assert_eq!((device.answers.get(), device.answers_before.get()), (1, 1 | 1 << 11));
    world.refuse(answer(&alice, first, 11), &[&alice.key], StakingError::CallAnswered);
    // Two hours later the device keeps nothing of them.
    world.go_to_second(second, 7_200);
    let fourth = world.open_hour();
    world.wait(1);
    world.send(reward::record_beacon(fourth, 0), &[]);
    world.send(answer(&alice, fourth, 0), &[&alice.key]);
    let device = world.device(&alice.device);
    assert_eq!((device.answers.get(), device.answers_before.get()), (1, 0));
}
