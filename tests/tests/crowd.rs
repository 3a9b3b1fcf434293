//! How 325,000 devices fit into an hour: what their transactions cost by the table of compute units, slot by slot, against a block's limits.
//!
//! `BENCH_WRITE=1` writes `bench/crowd.md`; otherwise the test fails when the committed table is not what comes out.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use protocol::presence::BEACONS;
use protocol::testing::Rng;
use staking::RewardRules;
use std::fmt::Write;

const CU: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../bench/cu.md");
const TABLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../bench/crowd.md");

const DEVICES: usize = 325_000;
/// Slots of an hour, and of five minutes, at the nominal 400 ms.
const HOUR: usize = 9_000;
const BEACON: usize = 750;
/// Compute units of a block, and of what one writable account may take of it.
const BLOCK: u64 = 60_000_000;
const ACCOUNT: u64 = 12_000_000;
/// What the scheduler counts for a signature and for a write lock.
const SIGNATURE: u64 = 720;
const LOCK: u64 = 300;
/// Workers answer within this many slots of the beacon, and check in within this many of when that can be done, each when its key says.
const ANSWERS: u64 = 100;
const CHECK_INS: u64 = 8_000;
/// Transactions that bring the evidence of the largest work, and what the check-in costs that judges it; a test of `staking/check_in.rs` measures both.
const PIECES: u64 = 7;
const LARGEST_CHECK_IN: u64 = 61_000;

fn units(instruction: &str) -> u64 {
    let table = std::fs::read_to_string(CU).unwrap();
    let row = table
        .lines()
        .find(|line| line.starts_with(&format!("| `{instruction}` |")))
        .unwrap();
    row.split('|').nth(2).unwrap().trim().replace(',', "").parse().unwrap()
}

fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let groups = digits.as_bytes().rchunks(3).rev().map(|group| std::str::from_utf8(group).unwrap());
    groups.collect::<Vec<_>>().join(",")
}

#[test]
fn the_published_number_of_devices_fits_into_an_hour() {
    let rng = Rng::new(20_261_125);
    // The payer of the fee and the device; two tallies and the evidence more at a check-in, which collects the hour before in the same transaction, and drops
    // the evidence. That is as large as it gets, and so is the dot product.
    let answer = SIGNATURE + 2 * LOCK + units("answer_call");
    let check_in = SIGNATURE + 5 * LOCK + LARGEST_CHECK_IN + units("collect_reward") + units("close_evidence");
    let seal = SIGNATURE + 2 * LOCK + units("seal_evidence");
    let piece = SIGNATURE + 2 * LOCK + units("write_evidence (960 bytes)");
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
        blocks[slot] += check_in;
        // In the seconds before, which is the same for the sums of a slot.
        blocks[slot] += shown;
        tally[slot] += check_in;
    }
    let (sum, busiest) = (blocks.iter().sum::<u64>(), *blocks.iter().max().unwrap());
    let (tally_sum, tally_busiest) = (tally.iter().sum::<u64>(), *tally.iter().max().unwrap());
    let share = |part: u64, whole: u64| format!("{:.2} %", part as f64 * 100.0 / whole as f64);
    let devices = DEVICES as u64;
    let mut text = String::from(
        "# How 325,000 devices fit into an hour\n\n\
         Simulated by `tests/tests/crowd.rs` from the compute units in [cu.md](cu.md), 720 for a signature and 300 for a write lock, with the published rules \
         (a sixth of the devices called at each of twelve beacons). Answers are spread over 40 seconds, check-ins over 53 minutes. All devices do the largest work there is. \
         Every check-in writes one and the same tally here; rules can say that there are up to 64.\n\n| | |\n|---|--:|\n",
    );
    let rows = [
        ("answers an hour", thousands(answers)),
        ("check-ins, each collecting the hour before", thousands(devices)),
        (
            "transactions a second, on average",
            thousands((answers + devices * (2 + PIECES)) / 3_600),
        ),
        ("compute units of an answer, all told", thousands(answer)),
        ("compute units of a check-in, all told", thousands(check_in)),
        (
            "compute units of the evidence for it, in eight transactions, all told",
            thousands(shown),
        ),
        ("share of all blocks of the hour", share(sum, BLOCK * HOUR as u64)),
        ("busiest slot, of a block's 60,000,000", share(busiest, BLOCK)),
        (
            "the tally, of what one account may take in the hour",
            share(tally_sum, ACCOUNT * HOUR as u64),
        ),
        (
            "the tally's busiest slot, of an account's 12,000,000",
            share(tally_busiest, ACCOUNT),
        ),
        (
            "if all checked in within ten seconds: tallies it would take",
            (tally_sum.div_ceil(ACCOUNT * 25)).to_string(),
        ),
    ];
    for (what, number) in rows {
        writeln!(text, "| {what} | {number} |").unwrap();
    }
    assert!(busiest < BLOCK / 5 && tally_busiest < ACCOUNT / 2, "{text}");
    if std::env::var_os("BENCH_WRITE").is_some() {
        std::fs::write(TABLE, &text).unwrap();
    }
    let written = std::fs::read_to_string(TABLE).expect("bench/crowd.md is committed");
    assert_eq!(written, text, "bench/crowd.md says something else; run cargo xtask bench cu");
}
