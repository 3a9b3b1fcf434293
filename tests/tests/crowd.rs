//! How 325,000 devices fit into an hour: the compute units of their transactions, slot by slot, against a block's limits; and what devices
//! that share a GPU earn.
//!
//! The tests fail if the committed tables, `bench/crowd.md` and `bench/sharing.md`, differ from the result.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use chain::market::referee::PIECE;
use protocol::presence::BEACONS;
use protocol::testing::Rng;
use staking::RewardRules;
use std::fmt::Write;
use tests::{LARGEST_CHECK_IN, LARGEST_EVIDENCE, golden, thousands};

const CU: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../bench/cu.md");

const DEVICES: usize = 325_000;
/// Slots in an hour, and in five minutes, at the nominal 400 ms.
const HOUR: usize = 9_000;
const BEACON: usize = 750;
/// Compute units of a block, and the part that one writable account may take.
const BLOCK: u64 = 60_000_000;
const ACCOUNT: u64 = 12_000_000;
/// Compute units that the scheduler counts for a signature and for a write lock.
const SIGNATURE: u64 = 720;
const LOCK: u64 = 300;
/// Workers answer within this many slots of the beacon, and check in within this many of when check-ins open, each at a time derived from
/// its key.
const ANSWERS: u64 = 100;
const CHECK_INS: u64 = 8_000;
/// Transactions that write the evidence of the largest work, besides the one that seals it.
const PIECES: u64 = LARGEST_EVIDENCE.div_ceil(PIECE) as u64;

fn units(instruction: &str) -> u64 {
    let table = std::fs::read_to_string(CU).unwrap();
    let row = table
        .lines()
        .find(|line| line.starts_with(&format!("| `{instruction}` |")))
        .unwrap();
    row.split('|').nth(2).unwrap().trim().replace(',', "").parse().unwrap()
}

#[test]
fn the_published_number_of_devices_fits_into_an_hour() {
    let rng = Rng::new(20_261_125);
    // An answer locks the fee payer and the device. A check-in also locks the tally and the evidence, which it closes, and the collection
    // that follows it the tally of the hour before. This assumes the largest evidence and the longest dot product.
    let answer = SIGNATURE + 2 * LOCK + units("answer_call");
    let check_in = SIGNATURE + 4 * LOCK + LARGEST_CHECK_IN + units("close_evidence");
    let collect = SIGNATURE + 3 * LOCK + units("collect_reward");
    let seal = SIGNATURE + 2 * LOCK + units("seal_evidence");
    let piece = SIGNATURE + 2 * LOCK + units("write_evidence (one piece)");
    let shown = seal + PIECES * piece;
    let (mut blocks, mut tally) = (vec![0u64; HOUR], vec![0u64; HOUR]);
    let (mut answers, rate) = (0u64, u64::from(RewardRules::PUBLISHED.call_bps));
    for _ in 0..DEVICES {
        for beacon in 0..usize::from(BEACONS) {
            if rng.within(0, 9_999) < rate {
                answers += 1;
                blocks[beacon * BEACON + rng.within(1, ANSWERS) as usize] += answer;
            }
        }
        let slot = (BEACON + rng.within(0, CHECK_INS - 1) as usize) % HOUR;
        // The evidence and the collection fall into the seconds before and after, which makes no difference to the sums of a slot.
        blocks[slot] += check_in + shown + collect;
        tally[slot] += check_in;
    }
    let (sum, busiest) = (blocks.iter().sum::<u64>(), *blocks.iter().max().unwrap());
    let (tally_sum, tally_busiest) = (tally.iter().sum::<u64>(), *tally.iter().max().unwrap());
    let share = |part: u64, whole: u64| format!("{:.2} %", part as f64 * 100.0 / whole as f64);
    let devices = DEVICES as u64;
    let mut text = String::from(
        "# How 325,000 devices fit into an hour\n\n\
         Simulated by `tests/tests/crowd.rs` from the compute units in [cu.md](cu.md), 720 for a signature and 300 for a write lock, with \
         the published rules (a sixth of the devices called at each of twelve beacons). Answers are spread over 40 seconds, check-ins over \
         53 minutes. All devices do the largest work. Every check-in writes the same tally here; the rules allow up to 64 tallies.\n\n\
         | | |\n|---|--:|\n",
    );
    let rows = [
        ("answers per hour", thousands(answers)),
        ("check-ins, and collections of the hour before", thousands(devices)),
        (
            "transactions per second, on average",
            thousands((answers + devices * (3 + PIECES)) / 3_600),
        ),
        ("compute units of an answer, in all", thousands(answer)),
        ("compute units of a check-in, in all", thousands(check_in)),
        ("compute units of a collection, in all", thousands(collect)),
        (
            &format!("compute units of its evidence, in {} transactions", PIECES + 1),
            thousands(shown),
        ),
        ("share of all blocks in the hour", share(sum, BLOCK * HOUR as u64)),
        ("busiest slot, as a share of a block's 60,000,000", share(busiest, BLOCK)),
        (
            "the tally, as a share of what one account may take in the hour",
            share(tally_sum, ACCOUNT * HOUR as u64),
        ),
        (
            "the tally's busiest slot, as a share of an account's 12,000,000",
            share(tally_busiest, ACCOUNT),
        ),
        (
            "tallies needed if all checked in within ten seconds",
            (tally_sum.div_ceil(ACCOUNT * 25)).to_string(),
        ),
    ];
    for (what, number) in rows {
        writeln!(text, "| {what} | {number} |").unwrap();
    }
    assert!(busiest < BLOCK / 5 && tally_busiest < ACCOUNT / 2, "{text}");
    golden("bench/crowd.md", &text);
}

/// Hours of presence in a row of which the last is paid: more than `min_uptime` has to come before it.
const RUN: i32 = (RewardRules::PUBLISHED.min_uptime / 3_600) as i32 + 2;

/// Paid hours per hour of several devices that share one GPU, which can do the work of `served` calls within the time for an answer.
/// Further calls of a beacon go unanswered, which costs the device that hour, and the six after it are not paid.
fn earned(devices: u32, served: u32) -> f64 {
    let rate = f64::from(RewardRules::PUBLISHED.call_bps) / 10_000.0;
    let ways = |called: u32| (0..called).map(|at| f64::from(devices - at) / f64::from(at + 1)).product::<f64>();
    let chance = |called: u32| ways(called) * rate.powi(called as i32) * (1.0 - rate).powi((devices - called) as i32);
    let unanswered: f64 = (served + 1..=devices)
        .map(|called| chance(called) * f64::from(called - served))
        .sum();
    let answered = 1.0 - unanswered / f64::from(devices);
    f64::from(devices) * answered.powi(i32::from(BEACONS) * RUN)
}

#[test]
fn what_a_shared_gpu_earns_follows_from_the_time_for_an_answer() {
    let mut text = String::from(
        "# What devices that share one GPU earn\n\n\
         Computed by `tests/tests/crowd.rs` from the published rules: each of twelve beacons calls a sixth of the devices, and a device is \
         paid from its seventh hour in a row. Each call asks for work of its own; calls beyond those that the GPU can serve within the \
         time for an answer go unanswered. One honest device earns 1.00.\n\n\
         | works done in time | two devices | four | eight | sixteen | most, and with how many devices |\n|--:|--:|--:|--:|--:|--:|\n",
    );
    for served in [1, 2, 3, 4, 7] {
        let most = (1..=64).max_by(|a, b| earned(*a, served).total_cmp(&earned(*b, served))).unwrap();
        write!(text, "| {served} |").unwrap();
        for devices in [2, 4, 8, 16] {
            write!(text, " {:.2} |", earned(devices, served)).unwrap();
        }
        writeln!(text, " {:.2} with {most} |", earned(most, served)).unwrap();
    }
    // If the work takes more than half of the time for an answer, sharing gains nothing.
    assert!((2..=64).all(|devices| earned(devices, 1) < 0.75), "{text}");
    golden("bench/sharing.md", &text);
}
