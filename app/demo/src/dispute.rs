//! Two results checked by a watchtower: one with a single wrong bit, which costs its worker the bond, and a right one, which no proof can
//! convict.

use crate::books::{self, Balances, Transaction};
use crate::false_proofs::{POSTED, Tally, Target};
use crate::market::{Market, Place, WINDOW, until};
use crate::report::{io, write_balances, write_transactions};
use anyhow::{Context, Result, ensure};
use jobs::{Conviction, Job};
use protocol::tensor::from_code;
use serde::Serialize;
use solana_address::Address;
use staking::Device;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};
use worker::Model;

/// The lie: one of the lowest bits of one activation of the fourth layer, in the fifth tile.
pub(crate) const FLIP: &str = "4:3:12345:1";

/// Seed of the false proofs.
const SEED: u64 = 2026;

/// The report.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Duration of the run.
    pub seconds: f64,
    /// The convicted job.
    pub convicted: Convicted,
    /// The outcomes of 1,000 false proofs against the honest job.
    pub honest: Tally,
    /// $IO base units by place, before the lie and after the award.
    pub before: Balances,
    /// The same at the end.
    pub after: Balances,
    /// Every transaction from the lie's job to the award, oldest first.
    pub transactions: Vec<Transaction>,
}

/// How the lie ended.
#[derive(Debug, Serialize)]
pub struct Convicted {
    /// The job.
    pub job: String,
    /// Unit in which the result was wrong.
    pub unit: u32,
    /// Op.
    pub op: u32,
    /// Its name.
    pub op_name: String,
    /// Element of the op's output.
    pub element: u32,
    /// What the op computes from its inputs.
    pub expected: i8,
    /// What the worker committed to.
    pub claimed: i8,
    /// Seconds from the log line of the reveal to that of the conviction.
    pub seconds: f64,
    /// Slots between the two transactions.
    pub slots: u64,
    /// $IO base units the device put at stake.
    pub bond: u64,
    /// Paid to the challenger.
    pub reward: u64,
    /// Change of the consumer's $IO.
    pub consumer_change: i128,
}

/// Runs the scenario; `say` is called with each step.
pub async fn run(place: &Place, say: impl Fn(&str)) -> Result<Report> {
    let started = Instant::now();
    let step = |what: &str| say(&format!("{:>6.1} s  {what}", started.elapsed().as_secs_f64()));
    let photo = place.root.join("models/upscale/sample.png");
    let market = Market::start(place)?;
    market.supply()?;
    market.publish("upscale")?;
    market.fund()?;
    let client = market.client()?;
    let model = Arc::new(Model::load(&place.root.join("models/upscale"), 0)?);
    step("a local chain is up; a device is staked, the upscale model registered, an escrow funded");
    let tower = market.watchtower()?;
    tower.wait_for(event("started"))?;
    step("a stranger's watchtower is running");

    let before = market.balances().await?;
    let liar = market.faulty_worker(FLIP)?;
    let address = market.order(&photo)?;
    liar.wait_for(event("revealed"))?;
    let revealed = Instant::now();
    step("a worker delivered a result with one bit flipped in one activation of one layer of one tile");
    let job: Job = client.fetch(&address).await?;
    tower.wait_for(event("convicted"))?;
    let seconds = revealed.elapsed().as_secs_f64();
    step(&format!(
        "the watchtower found it, proved it and convicted the worker, {seconds:.1} s after the reveal"
    ));
    let conviction: Conviction = client.fetch(&chain::market::job::conviction(&address)).await?;
    let device: Device = client.fetch(&market.device).await?;
    ensure!(device.open_jobs.get() == 0, "the convicted job is still open on the device");
    drop(liar);
    tower.wait_for(event("closed"))?;
    until_awarded(&market, &address).await?;
    let after = market.balances().await?;
    step("the challenger was paid, the rest of the bond burned, the consumer is whole");
    let transactions = since_order(books::transactions(&market.rpc).await?);
    let convicted = explain(&model, &job, &conviction, &address, seconds, &transactions, &before, &after)?;

    let honest = market.worker()?;
    let address = market.order(&photo)?;
    honest.wait_for(event("revealed"))?;
    tower.wait_for(event("right"))?;
    step("the same device delivered the same photo honestly; the watchtower found it right");
    let store = market.store()?;
    let target = Target {
        chain: &client,
        store: &store,
        model,
        job: client.fetch(&address).await?,
        address,
    };
    let tally = target.accuse(&market.keypair("consumer")?, &place.dir, SEED).await?;
    step(&format!(
        "1,000 false proofs were judged and {POSTED} of them posted: none convicts"
    ));
    market.skip(WINDOW).await?;
    until(&client, address, "the honest job is paid", |job: Option<&Job>| job.is_none()).await?;
    step("the honest job was paid");
    Ok(Report {
        seconds: started.elapsed().as_secs_f64(),
        convicted,
        honest: tally,
        before,
        after,
        transactions,
    })
}

/// Whether a line of a daemon's log is about this event.
pub(crate) fn event(name: &str) -> impl Fn(&str) -> bool {
    let wanted = format!("\"event\":\"{name}\"");
    move |line| line.contains(&wanted)
}

/// Moves the chain's clock past the time for earlier seals, and waits until the watchtower has had the challenger of a job paid and the
/// rest of the bond burned.
pub(crate) async fn until_awarded(market: &Market, job: &Address) -> Result<()> {
    let chain = market.client()?;
    let config: jobs::Config = chain.fetch(&chain::market::job::config()).await?;
    market.skip(Duration::from_secs(config.priority_seconds.get().into())).await?;
    until(&chain, *job, "the challenger is paid", |job: Option<&Job>| job.is_none()).await?;
    let burned = |device: Option<&Device>| device.is_some_and(|device| device.forfeited.is_zero());
    until(&chain, market.device, "the rest of the bond is burned", burned)
        .await
        .map(drop)
}

/// The transactions from the last order on.
pub(crate) fn since_order(mut all: Vec<Transaction>) -> Vec<Transaction> {
    let first = all.iter().rposition(|transaction| has(transaction, "open_job")).unwrap_or(0);
    all.split_off(first)
}

pub(crate) fn has(transaction: &Transaction, instruction: &str) -> bool {
    transaction.instructions.iter().any(|name| name == instruction)
}

#[allow(clippy::too_many_arguments, reason = "called once, with everything that was read")]
fn explain(
    model: &Model,
    job: &Job,
    conviction: &Conviction,
    address: &Address,
    seconds: f64,
    transactions: &[Transaction],
    before: &Balances,
    after: &Balances,
) -> Result<Convicted> {
    let slot = |name: &str| {
        let found = transactions.iter().find(|transaction| has(transaction, name));
        found
            .map(|transaction| transaction.slot)
            .with_context(|| format!("no {name} is in the history"))
    };
    let op = conviction.op.get();
    let of_consumer = |balances: &Balances| {
        let places = ["consumer's wallet", "consumer's escrow: free", "consumer's escrow: locked"];
        let amounts = places.iter().filter_map(|place| balances.places.get(*place));
        amounts.map(|amount| i128::from(*amount)).sum::<i128>()
    };
    let consumer_change = of_consumer(after) - of_consumer(before);
    ensure!(consumer_change >= 0, "the consumer of a convicted job paid for it");
    Ok(Convicted {
        job: address.to_string(),
        unit: conviction.unit.get(),
        op,
        op_name: model
            .engine()
            .package()
            .ops
            .get(op as usize)
            .map(|op| op.name.clone())
            .unwrap_or_default(),
        element: conviction.index.get(),
        expected: from_code(conviction.expected),
        claimed: from_code(conviction.claimed),
        seconds,
        slots: slot("convict")?.saturating_sub(slot("reveal_result")?),
        bond: job.bond.get(),
        reward: conviction.reward.get(),
        consumer_change,
    })
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_balances(f, &self.before, &self.after)?;
        writeln!(f)?;
        write_transactions(f, &self.transactions)?;
        let found = &self.convicted;
        writeln!(
            f,
            "\ntile {}, op {} ({}), element {}: the op computes {} from its inputs, the worker committed to {}",
            found.unit, found.op, found.op_name, found.element, found.expected, found.claimed
        )?;
        writeln!(f, "reveal to conviction: {:.1} s, {} slots", found.seconds, found.slots)?;
        writeln!(
            f,
            "bond {} $IO: {} to the challenger, {} to the consumer, the rest burned",
            io(found.bond),
            io(found.reward),
            io(found.consumer_change)
        )?;
        let Tally {
            kinds,
            turned_down,
            nothing_wrong,
            convicted,
            on_chain,
        } = &self.honest;
        writeln!(
            f,
            "\nhonest job: {} false proofs, {turned_down} turned down, {nothing_wrong} show nothing wrong, {convicted} convict",
            kinds.values().sum::<u32>()
        )?;
        for (kind, count) in kinds {
            writeln!(f, "  {kind:<28} {count:>5}")?;
        }
        for refusal in on_chain {
            writeln!(f, "posted: {refusal}")?;
        }
        writeln!(f, "whole run: {:.1} s", self.seconds)
    }
}
