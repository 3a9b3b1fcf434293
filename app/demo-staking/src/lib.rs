//! `cargo xtask demo staking`: two months of hours on a time-warped chain, with suppliers, co-stakers and slashes.
//!
//! The program binaries run in the tests' kit, in this process: 1,440 hours of beacons, calls and check-ins are tens of thousands of
//! transactions, and no node would let two months pass. The kit audits every account after each of them; the books at the end are added up
//! here, and the run fails when one sum is off by a base unit.

mod books;
mod deeds;
mod hours;
mod market;
mod report;
mod story;

pub use books::{Books, Check};
pub use market::{Event, Market, Presence};
pub use report::Report;

use anyhow::Result;
use std::time::Instant;

/// Lives through so many hours, and says what happened in each.
pub fn run(seed: u64, hours: u32, mut lived: impl FnMut(&[Event])) -> Result<Report> {
    let started = Instant::now();
    let mut market = Market::begin(seed)?;
    let mut events = Vec::new();
    for _ in 0..hours {
        market.live()?;
        let news = market.news();
        lived(&news);
        events.extend(news);
    }
    let suppliers = market
        .devices
        .iter()
        .map(|(name, device)| (*name, (device.gpus.clone(), device.presence)));
    Ok(Report {
        seed,
        hours,
        transactions: market.world.sent,
        events,
        suppliers: suppliers.collect(),
        books: Books::read(&market)?,
        seconds: started.elapsed().as_secs_f64(),
    })
}
