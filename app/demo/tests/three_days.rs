//! The first three days of the story, in which every kind of movement of stake and rewards happens.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use demo::staking::{self, Books, Report};
use protocol::units::IO;
use std::sync::LazyLock;

/// Three days: Dana's worker hangs, Fay requests an exit, a slash is approved.
const HOURS: u32 = 72;

/// One run that several tests look at.
static FIRST: LazyLock<Report> = LazyLock::new(|| live(1));

fn live(seed: u64) -> Report {
    staking::run(seed, HOURS, |_| ()).unwrap()
}

#[test]
fn the_story_happens_and_every_sum_is_right() {
    let report = &*FIRST;
    report.books.prove().unwrap();
    let told: Vec<&str> = report.events.iter().map(|event| event.what.as_str()).collect();
    for part in [
        "Ada offers 40 %",
        "Fay joins Ada's offer",
        "Jun joins Dana's offer",
        "Gus joins Ada's offer with 755.45",
        "proposed, which takes nothing",
        "Dana missed a call in the last hour",
        "Fay requests an exit of 40 % from Ada's offer: it backs the device for 7 days, then cools down for 14",
        "another key approves it",
    ] {
        assert!(told.iter().any(|what| what.contains(part)), "the story lacks: {part}");
    }
    // Ada was present in every past hour and is paid after more than five; Dana missed the hour in which it did not answer.
    let hours = |name| report.suppliers[name].1;
    assert_eq!((hours("Ada").counted, hours("Ada").paid, hours("Ada").missed), (71, 65, 0));
    assert_eq!((hours("Dana").counted, hours("Dana").paid, hours("Dana").missed), (70, 58, 1));
    // Everybody has rewards.
    assert!(report.books.wallets.iter().all(|wallet| wallet.rewards.iter().sum::<u64>() > 0));
    let [ada, _, chen, dana] = report.books.devices.as_slice() else {
        panic!("four devices")
    };
    assert_eq!(ada.co_stake, 2_000 * IO, "the offer is full");
    assert!(chen.co_stake > 0 && chen.co_stake < 550 * IO, "the offer is partly filled");
    // A quarter of the owner's stake and the co-stake, less a 65,536th of the latter, rounded up, taken from the owner's.
    assert_eq!(
        (dana.set_aside, dana.own + dana.set_aside),
        ((600 * IO + dana.co_stake - dana.co_stake.div_ceil(1 << 16)).div_ceil(4), 600 * IO)
    );
    // Dust from rounding: less than a base unit for each share of an hour.
    assert!(report.books.dust().unwrap() < 8 * u64::from(HOURS));
}

#[test]
fn a_seed_tells_one_story() {
    let told = |report: &Report| report.events.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(told(&FIRST), told(&live(1)));
    assert_ne!(told(&FIRST), told(&live(2)));
}

/// One base unit more anywhere, and the proof fails.
#[test]
fn a_base_unit_anywhere_breaks_the_proof() {
    let mut books = FIRST.books.clone();
    books.prove().unwrap();
    let numbers: [fn(&mut Books) -> &mut u64; 17] = [
        |books| &mut books.devices[0].own,
        |books| &mut books.devices[0].co_stake,
        |books| &mut books.devices[0].cooling,
        |books| &mut books.devices[0].co_cooling,
        |books| &mut books.devices[0].set_aside,
        |books| &mut books.devices[0].forfeited,
        |books| &mut books.devices[0].owed,
        |books| &mut books.devices[0].vault,
        |books| &mut books.offers[0].received,
        |books| &mut books.offers[0].paid,
        |books| &mut books.offers[0].vault,
        |books| &mut books.emission.emitted,
        |books| &mut books.emission.paid,
        |books| &mut books.emission.vault,
        |books| &mut books.wallets[0].staked,
        |books| &mut books.burned,
        |books| &mut books.supply,
    ];
    for (place, number) in numbers.into_iter().enumerate() {
        *number(&mut books) += 1;
        assert!(books.prove().is_err(), "number {place} is not checked");
        *number(&mut books) -= 1;
    }
    books.prove().unwrap();
}
