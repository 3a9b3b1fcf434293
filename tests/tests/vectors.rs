//! Test vectors for what the web app computes in TypeScript before anything is signed: inputs with the programs' results, which the app's
//! own test reads (`app/web/src/lib/vectors.test.ts`).
//!
//! The test fails if the committed file differs from the programs' results; `GOLDEN_WRITE=1` writes it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use anchor_lang::Discriminator;
use anchor_lang::bytemuck::{Pod, bytes_of};
use costaking::{Offer, Position, Status};
use protocol::ballot::MIN_AGE;
use protocol::emission::{self, Hour};
use protocol::testing::Rng;
use protocol::units::{Amount, Bps};
use protocol::{bond, costake, stake};
use serde_json::{Map, Value, json};
use staking::Device;
use tests::{golden, zeroed};

const HOUR: i64 = 3_600;
/// When votes open.
const NOW: i64 = 1_800_000_000;

/// A number of up to `bits` bits, often an extreme one.
fn number(rng: &Rng, bits: u32) -> u64 {
    let most = u64::MAX >> (64 - bits);
    match rng.within(0, 9) {
        0 => 0,
        1 => most,
        _ => rng.next() & (most >> rng.within(0, u64::from(bits) - 1)),
    }
}

/// The bytes of an account on the chain.
fn hex<T: Pod + Discriminator>(account: &T) -> String {
    let bytes = T::DISCRIMINATOR.iter().chain(bytes_of(account));
    bytes.map(|byte| format!("{byte:02x}")).collect()
}

/// Inputs and result as text, since numbers may exceed the 53 bits of JavaScript's.
fn row(values: &[&dyn ToString]) -> Value {
    values.iter().map(|value| Value::String(value.to_string())).collect()
}

fn shown(amount: Option<Amount>) -> String {
    amount.map_or_else(|| "null".to_owned(), |amount| amount.0.to_string())
}

/// A device whose stake has grown several times, with a part of it in bonds and other parts set aside by slashes.
fn device(rng: &Rng) -> Device {
    let mut device: Device = zeroed();
    let own = number(rng, 50);
    device.own_stake = own.into();
    device.co_stake = number(rng, 50).into();
    device.locked_bond = rng.within(0, own).into();
    device.offering = u8::try_from(rng.within(0, 2)).unwrap();
    device.dues = u8::try_from(rng.within(0, 1)).unwrap();
    if rng.one_in(4) {
        device.cooling = number(rng, 50).into();
    }
    let aside = [(); 3].map(|()| number(rng, 50));
    device.aside = aside.iter().sum::<u64>().into();
    [device.own_aside, device.co_aside] = [aside[0].into(), aside[1].into()];
    let mut at = NOW - 4 * i64::from(MIN_AGE);
    for place in 0..rng.within(0, 4) as usize {
        at += i64::try_from(rng.within(0, u64::from(MIN_AGE) * 2)).unwrap();
        device.raised_at[place] = at.into();
        device.aged[place] = rng.within(0, own).into();
    }
    device
}

/// An offer after some distributions, sometimes more than its log holds.
fn offer(rng: &Rng) -> Offer {
    let mut offer: Offer = zeroed();
    (offer.ticket, offer.capacity) = (1.into(), number(rng, 50).max(1).into());
    offer.shares = number(rng, 60).max(1).into();
    let mut hour = 1_000;
    for _ in 0..rng.within(0, 80) {
        hour += u32::try_from(rng.within(1, 3)).unwrap();
        offer.distribute(hour, number(rng, 45), offer.shares.get()).unwrap();
    }
    offer
}

fn position(rng: &Rng, offer: &Offer) -> Position {
    let mut position: Position = zeroed();
    position.shares = rng.within(0, offer.shares.get()).into();
    position.from_hour = u32::try_from(rng.within(990, 1_100)).unwrap().into();
    position
}

fn make() -> Value {
    let rng = Rng::new(7);
    let repeated = |row: &dyn Fn() -> Value, times: usize| Value::Array((0..times).map(|_| row()).collect());
    let amount = |bits| Amount(number(&rng, bits));
    let share = || u16::try_from(number(&rng, 14).min(Bps::WHOLE)).unwrap();
    let small = |bits| u16::try_from(number(&rng, bits)).unwrap();
    let mut all = Map::new();
    let bonds = || {
        let (price, risk, watch, replicas) = (amount(60), amount(60), share(), 1 + small(1) as u8);
        let bond = bond::of_job(price, risk, Bps::saturating(watch), replicas);
        row(&[&price.0, &risk.0, &watch, &replicas, &shown(bond)])
    };
    all.insert("bond".to_owned(), repeated(&bonds, 64));
    let minimums = || {
        let (base, multiplier, quantity) = (amount(40), small(16), 1 + small(3) as u8);
        row(&[&base.0, &multiplier, &quantity, &shown(stake::minimum(base, multiplier, quantity))])
    };
    all.insert("minimum".to_owned(), repeated(&minimums, 32));
    let multipliers = || {
        let (current, previous, raise, now) = (small(16), small(16), small(2), small(2));
        let required = stake::required(current, previous, raise.into(), now.into());
        row(&[&current, &previous, &raise, &now, &required])
    };
    all.insert("multiplier".to_owned(), repeated(&multipliers, 32));
    let overflows = || {
        let (device, least) = (device(&rng), amount(50));
        row(&[&hex(&device), &least.0, &device.overflow(least)])
    };
    all.insert("overflow".to_owned(), repeated(&overflows, 24));
    let weights = || {
        let (device, at) = (device(&rng), NOW + i64::from(small(16)));
        row(&[&hex(&device), &at, &device.voting_weight(at)])
    };
    all.insert("deviceWeight".to_owned(), repeated(&weights, 32));
    let positions = || {
        let (offer, device) = (offer(&rng), device(&rng));
        let position = position(&rng, &offer);
        let at = i64::from(position.from_hour.get()) * HOUR + i64::from(MIN_AGE) + i64::from(small(1)) - 1;
        let weight = position.voting_weight(&offer, &device, at);
        row(&[&hex(&position), &hex(&offer), &hex(&device), &at, &weight])
    };
    all.insert("positionWeight".to_owned(), repeated(&positions, 8));
    let claims = || {
        let offer = offer(&rng);
        let mut position = position(&rng, &offer);
        let before = hex(&position);
        row(&[&before, &hex(&offer), &position.claim(&offer)])
    };
    all.insert("claimable".to_owned(), repeated(&claims, 16));
    let shared = || {
        let (mut offer, mut device) = (offer(&rng), device(&rng));
        let hour = u32::try_from(NOW / HOUR).unwrap();
        offer.status = Status::Closed as u8;
        offer.share_bps = share().into();
        let half = offer.shares.get() / 2;
        offer.base = half.into();
        (offer.change_hours[0], offer.changes[0]) = ((hour - 2).into(), i64::try_from(rng.within(0, half)).unwrap().into());
        (offer.change_hours[1], offer.changes[1]) = (hour.into(), (-i64::try_from(rng.within(0, half)).unwrap()).into());
        if rng.one_in(2) {
            // The owner has exited, and the offer has not recorded it.
            device.forced_at = (NOW - HOUR * i64::from(small(2)) + 7).into();
            device.co_cooling_shares = number(&rng, 50).into();
            device.co_cooling = rng.within(0, device.co_cooling_shares.get()).into();
            device.forced_shares = rng.within(0, device.co_cooling_shares.get()).into();
            device.co_stake = 0.into();
        }
        let accounts = [hex(&offer), hex(&device)];
        if device.forced_at.get() != 0 {
            offer.force(&device, NOW).unwrap();
        }
        let (hour, reward) = (hour - u32::from(small(2)) + 1, number(&rng, 45));
        let (shares, assets) = offer.earning(hour, &device);
        let part = offer.part(reward, assets);
        offer.distribute(hour, part, shares).unwrap();
        let result = [shares, assets.0, reward - part].map(|number| number.to_string()).join(" ");
        let result = format!("{result} {}", offer.reward_index.get());
        row(&[&accounts[0], &accounts[1], &hour, &reward, &result])
    };
    all.insert("shared".to_owned(), repeated(&shared, 12));
    let parts = || {
        let (reward, bps, earning, capacity) = (amount(45), share(), amount(50), amount(50));
        let part = costake::part(reward, Bps::saturating(bps), earning, capacity).0;
        row(&[&reward.0, &bps, &earning.0, &capacity.0, &part])
    };
    all.insert("part".to_owned(), repeated(&parts, 32));
    let worths = || {
        let (part, shares, assets) = (amount(62), amount(62), amount(60));
        row(&[&part.0, &shares.0, &assets.0, &costake::worth(part.0, shares.0, assets).0])
    };
    all.insert("worth".to_owned(), repeated(&worths, 32));
    let blocks = || {
        let start = i64::try_from(rng.within(0, 1_000_000)).unwrap() * HOUR;
        let hour = Hour::of(start).unwrap();
        let genesis = hour.month.saturating_sub(u32::from(small(8)));
        row(&[&genesis, &start, &emission::block(genesis, hour).0])
    };
    all.insert("block".to_owned(), repeated(&blocks, 32));
    json!(all)
}

#[test]
fn the_web_apps_vectors_are_what_the_programs_compute() {
    // One row per line, so that a diff shows the changed rows.
    let mut text = String::from("{");
    for (group, (name, rows)) in make().as_object().unwrap().iter().enumerate() {
        let lines: Vec<String> = rows.as_array().unwrap().iter().map(|row| format!("    {row}")).collect();
        let comma = if group == 0 { "" } else { "," };
        text += &format!("{comma}\n  \"{name}\": [\n{}\n  ]", lines.join(",\n"));
    }
    text += "\n}\n";
    golden("app/web/src/lib/vectors.json", &text);
}
