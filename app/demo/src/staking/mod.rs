//! Two months of hours on a time-warped chain, with suppliers, co-stakers and slashes.
//!
//! The program binaries run in the test kit, in this process: 1,440 hours of beacons, calls and check-ins take tens of thousands of
//! transactions, and no node would let two months pass. The kit audits every account after each transaction. The books are added up here at
//! the end, and the run fails if a sum is off by a base unit.

mod books;
mod deeds;
mod hours;
mod market;
mod report;
mod slashes;
mod story;

pub use books::{Books, Check};
pub use market::{Event, Market, Presence};
pub use report::Report;

use anyhow::Result;
use std::time::Instant;

/// Plays `hours` hours of the story, and calls `lived` with the events of each.
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
