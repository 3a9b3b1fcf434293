//! A worker lies and withholds its result: a watchtower demands it on the chain, the worker's time passes, and silence costs it the bond.

use crate::books::{self, Balances, Transaction};
use crate::dispute::{FLIP, event, has, since_order, until_awarded};
use crate::market::{Market, Place};
use crate::report::{io, write_balances, write_transactions};
use anyhow::{Context, Result, ensure};
use jobs::{Conviction, Job};
use serde::Serialize;
use std::fmt;
use std::time::Instant;

/// Seconds that the worker has to answer: the minimum that the program allows.
const ANSWER_SECONDS: u32 = protocol::demand::PROMPT_SECONDS;

/// The report.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Duration of the run.
    pub seconds: f64,
    /// Seconds from the log line of the reveal to that of the conviction.
    pub to_conviction: f64,
    /// $IO base units the device put at stake.
    pub bond: u64,
    /// Paid to the challenger who demanded it.
    pub reward: u64,
    /// $IO base units by place, before the lie and after the award.
    pub before: Balances,
    /// The same at the end.
    pub after: Balances,
    /// Every transaction from the job to the closing of the demand, oldest first.
    pub transactions: Vec<Transaction>,
}

/// Runs the scenario; `say` is called with each step.
pub async fn run(place: &Place, say: impl Fn(&str)) -> Result<Report> {
    let started = Instant::now();
    let step = |what: &str| say(&format!("{:>6.1} s  {what}", started.elapsed().as_secs_f64()));
    let photo = place.root.join("models/upscale/sample.png");
    let market = Market::start(place)?;
    market.limit_answers(ANSWER_SECONDS).await?;
    market.supply()?;
    market.publish("upscale")?;
    market.fund()?;
    let client = market.client()?;
    step("a local chain is up; a device is staked, the upscale model registered, an escrow funded");
    let tower = market.watchtower()?;
    tower.wait_for(event("started"))?;
    step("a stranger's watchtower is running");

    let before = market.balances().await?;
    let liar = market.silent_worker(FLIP)?;
    let address = market.order(&photo)?;
    liar.wait_for(event("revealed"))?;
    let revealed = Instant::now();
    step("a worker revealed the roots of a wrong result and withholds the rest");
    let job: Job = client.fetch(&address).await?;
    tower.wait_for(event("asked"))?;
    step(&format!(
        "the watchtower demanded it on the chain; the worker has {ANSWER_SECONDS} s to answer"
    ));
    tower.wait_for(|line| event("crank")(line) && line.contains("\"deed\":\"convict silence\""))?;
    let to_conviction = revealed.elapsed().as_secs_f64();
    step(&format!(
        "the worker stayed silent, and was convicted {to_conviction:.1} s after the reveal"
    ));
    let conviction: Conviction = client.fetch(&chain::market::job::conviction(&address)).await?;
    tower.wait_for(|line| event("crank")(line) && line.contains("\"deed\":\"close demand\""))?;
    drop(liar);
    until_awarded(&market, &address).await?;
    let after = market.balances().await?;
    step("the challenger was paid and got its rent and fee back, the rest of the bond was burned, the consumer is whole");
    let transactions = since_order(books::transactions(&market.rpc).await?);
    for once in ["open_demand", "convict_silence", "award", "close_demand"] {
        let count = transactions.iter().filter(|transaction| has(transaction, once)).count();
        ensure!(count == 1, "{once} was sent {count} times");
    }
    let free = |balances: &Balances| {
        let known = balances.places.get("consumer's escrow: free").copied();
        known.context("the balances lack what is free in the consumer's escrow")
    };
    ensure!(free(&before)? == free(&after)?, "the consumer of a convicted job paid for it");
    Ok(Report {
        seconds: started.elapsed().as_secs_f64(),
        to_conviction,
        bond: job.bond.get(),
        reward: conviction.reward.get(),
        before,
        after,
        transactions,
    })
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_balances(f, &self.before, &self.after)?;
        writeln!(f)?;
        write_transactions(f, &self.transactions)?;
        writeln!(f, "\nreveal to conviction: {:.1} s", self.to_conviction)?;
        let (bond, reward) = (io(self.bond), io(self.reward));
        writeln!(
            f,
            "bond {bond} $IO: {reward} to the challenger, a fifth to the consumer, the rest burned"
        )?;
        writeln!(f, "whole run: {:.1} s", self.seconds)
    }
}
