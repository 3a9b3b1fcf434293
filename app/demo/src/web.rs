//! A market to explore in a browser, with something of everything in it. All of it is the result of transactions by the binaries that
//! people run; only the clock is moved.

use crate::dispute::FLIP;
use crate::governance::{DAY, decide, propose, write};
use crate::hours;
use crate::market::{Market, Place, until};
use crate::process::Service;
use anyhow::{Context, Result};
use chain::localnet::KeyRecord;
use chain::market::{job, stake};
use costaking::{Offer, Position};
use jobs::{Conviction, Job, Status};
use serde::Serialize;
use serde_json::Value;
use solana_address::Address;
use staking::Device;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// $IO staked on the first device: more than a tenth of what circulates, so that its owner alone decides votes.
const VOTES: &str = "150000";
/// $IO staked on the second device: the minimum of one A100, and more for its bonds.
const STAKE: &str = "1100";
/// The offer on it: $IO that co-stakers may stake, their share of the rewards in per cent, and what one of them joins with.
const OFFER: [&str; 3] = ["500", "40", "200"];
/// Prompts of the pictures.
const PROMPTS: [&str; 2] = [
    "a large red circle at the top left on a blue background",
    "small yellow star on black",
];
/// Hours for which the devices are present; the seventh is the first that is paid.
const HOURS: u32 = 8;

const CHEAPER: &str = "title = \"RTX 4090 at 1.50\"\ntext = \"cheaper.md\"\n\n\
    [[step]]\ndo = \"set\"\nwhat = \"staking.gpu_model\"\ngpu = \"RTX 4090\"\nvalues = { multiplier_x100 = 150 }\n";
const BONDS: &str = "title = \"Bonds of at least 2 $IO\"\ntext = \"bonds.md\"\n\n\
    [[step]]\ndo = \"set\"\nwhat = \"jobs.parameters\"\nvalues = { min_bond = \"2\" }\n";

/// Where everything is.
#[derive(Debug, Serialize)]
pub struct Record {
    /// The web app, and the history under `/v1`.
    pub web: String,
    /// JSON-RPC of the chain.
    pub rpc: String,
    /// Its subscriptions.
    pub ws: String,
    /// Blob server.
    pub blobs: String,
    /// Addresses and keypair files by name.
    pub keys: BTreeMap<String, KeyRecord>,
    /// Devices: the one that governs, and the one with an offer.
    pub devices: [String; 2],
    /// Jobs that were paid.
    pub jobs: Vec<String>,
    /// The job whose worker was convicted.
    pub convicted: String,
    /// Numbers of the proposals: one executed, one being voted on.
    pub proposals: Proposals,
    /// Offers to co-stakers: one with room left.
    pub offers: [String; 1],
    /// The consumer's position in it.
    pub position: String,
    /// Seconds until everything was set up.
    pub seconds: f64,
}

/// Numbers of proposals, by status.
#[derive(Debug, Serialize)]
pub struct Proposals {
    /// Executed.
    pub executed: u64,
    /// Being voted on.
    pub voting: u64,
}

/// Where to find the web app and where to serve it.
pub struct Options {
    /// Port of the web app; 0 takes any free one.
    pub port: u16,
    /// Folder it was built into.
    pub app: PathBuf,
}

/// A running market in a browser, which ends when this value is dropped.
pub struct Web {
    /// Where everything is.
    pub record: Record,
    // Dropped in this order.
    _workers: [Service; 2],
    _tower: Service,
    _market: Market,
}

/// Starts the market; `say` is called with each step.
pub async fn start(place: &Place, options: &Options, say: impl Fn(&str)) -> Result<Web> {
    let started = Instant::now();
    let step = async |what: &str| {
        say(&format!("{:>6.1} s  {what}", started.elapsed().as_secs_f64()));
        // The work between two steps blocks; yielding here lets a signal end the start.
        tokio::task::yield_now().await;
    };
    step("starting a local chain with the web app").await;
    let mut market = Market::in_browser(place, options)?;
    let chain = market.client()?;
    let tower = market.watchtower()?;
    step("the chain is up, everything deployed and handed to governance; a watchtower turns the cranks").await;

    market.supply()?;
    market.ionet("supplier", &["stake", "add", VOTES])?;
    step("a supplier registered an RTX 4090 and staked on it").await;
    let first = market.device;
    let (second, offer, position) = second_supplier(&mut market)?;
    step("another registered an A100 and offers co-stakers a share; the consumer joined").await;
    market.publish("upscale")?;
    step("the upscale model is registered").await;
    market.publish("imagine")?;
    market.fund()?;
    step("the imagine model is registered, the consumer's escrow funded").await;

    // Stake can vote once it is a week old.
    market.skip(Duration::from_secs(7 * DAY + 1)).await?;
    let proposals = govern(&market, place).await?;
    step("one proposal was voted for and executed after its timelock; another is being voted on").await;

    let convicted = convict(&market, place).await?;
    step("a worker lied by one bit; the watchtower proved it and convicted").await;
    let workers = [market.worker()?, market.worker_of("second-device", "second-worker")?];
    let ordered = order(&market, place).await?;
    step("workers of both devices delivered photos and pictures").await;

    hours::live(&market, &[first, second], HOURS).await?;
    step("hours have passed in which both devices answered every call").await;
    for address in &ordered {
        until(&chain, *address, "a job is settled", |job: Option<&Job>| job.is_none()).await?;
    }
    let paid = |device: Option<&Device>| device.is_some_and(|device| !device.rewards.is_zero());
    until(&chain, first, "a device's reward is collected", paid).await?;
    let held: Position = chain.fetch(&position).await?;
    let shared = |offer: Option<&Offer>| offer.is_some_and(|offer| { held }.claim(offer) > 0);
    until(&chain, offer, "a reward is shared", shared).await?;
    step("jobs are paid, and hourly rewards are waiting to be claimed").await;

    let net = market.record().clone();
    let record = Record {
        web: net.web.context("the local market did not print its web app's address")?,
        rpc: net.rpc,
        ws: net.ws,
        blobs: net.blobs,
        keys: market.keys(),
        devices: [first, second].map(|device| device.to_string()),
        jobs: ordered.iter().map(Address::to_string).collect(),
        convicted: convicted.to_string(),
        proposals,
        offers: [offer.to_string()],
        position: position.to_string(),
        seconds: started.elapsed().as_secs_f64(),
    };
    Ok(Web {
        record,
        _workers: workers,
        _tower: tower,
        _market: market,
    })
}

/// A second supplier with a device and an offer to co-stakers, which the consumer joins; returns device, offer and position.
fn second_supplier(market: &mut Market) -> Result<(Address, Address, Address)> {
    let owner = "second-supplier";
    market.newcomer(owner)?;
    let key = market.newcomer("second-device")?;
    let file = market.key("second-device")?;
    market.ionet(owner, &["device", "register", "--gpu", "A100 80GB PCIe", "--device-key", file])?;
    market.ionet(owner, &["stake", "add", STAKE])?;
    let [capacity, share, amount] = OFFER;
    let made = market.ionet(owner, &["costake", "offer", capacity, "--share", share, "--ticket", "10"])?;
    let offer = made.pointer("/offer").and_then(Value::as_str).context("an offer has no address")?;
    let joined = market.ionet("consumer", &["costake", "join", offer, amount])?;
    let position = joined.pointer("/position").and_then(Value::as_str);
    let position = position.context("a position has no address")?;
    Ok((stake::device(&key), offer.parse()?, position.parse()?))
}

/// Has one proposal decided and executed, and opens the vote on another.
async fn govern(market: &Market, place: &Place) -> Result<Proposals> {
    write(&place.dir, "cheaper.md", "The RTX 4090 earns more than its stake says.\n")?;
    write(&place.dir, "cheaper.toml", CHEAPER)?;
    write(&place.dir, "bonds.md", "A challenger's share of 1 $IO does not pay for looking.\n")?;
    write(&place.dir, "bonds.toml", BONDS)?;
    let executed = propose(market, "cheaper.toml")?;
    decide(market, &executed, 2).await?;
    let voting = propose(market, "bonds.toml")?;
    market.ionet("supplier", &["gov", "vote", &voting, "yes"])?;
    market.ionet("second-supplier", &["gov", "vote", &voting, "no"])?;
    Ok(Proposals {
        executed: executed.parse()?,
        voting: voting.parse()?,
    })
}

/// Has a job computed by a worker that flips a bit, and waits for its conviction.
async fn convict(market: &Market, place: &Place) -> Result<Address> {
    let _liar = market.faulty_worker(FLIP)?;
    let address = market.order(&place.root.join("models/upscale/sample.png"))?;
    let conviction = job::conviction(&address);
    let convicted = |conviction: Option<&Conviction>| conviction.is_some();
    until(&market.client()?, conviction, "a lie is convicted", convicted).await?;
    Ok(address)
}

/// Orders enlarged photos and painted pictures, and waits until they are delivered.
async fn order(market: &Market, place: &Place) -> Result<Vec<Address>> {
    let photo = place.root.join("models/upscale/sample.png");
    let mut all = vec![market.order(&photo)?, market.order(&photo)?];
    for prompt in PROMPTS {
        all.push(market.paint(prompt)?);
    }
    let chain = market.client()?;
    for address in &all {
        // A job that is settled already was delivered before.
        let delivered = |job: Option<&Job>| job.is_none_or(|job| job.status >= Status::Revealed);
        until(&chain, *address, "a job is delivered", delivered).await?;
    }
    Ok(all)
}
