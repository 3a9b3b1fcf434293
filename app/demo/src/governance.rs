//! Stakers govern: two parameters changed by vote, a guardian's pause lifted by another vote, and a program's code replaced by a third.

use crate::books::{self, Transaction};
use crate::market::{Market, Place};
use anyhow::{Context, Result, ensure};
use chain::market::program_data;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

pub(crate) const DAY: u64 = 86_400;
/// $IO staked: more than a tenth of what circulates on a local market.
const STAKE: &str = "150000";
/// What the explorers' note in the referee's code says, and what a new version says there.
const NOTE: [&[u8]; 2] = [b"ionet referee", b"IONET REFEREE"];

/// What was seen.
#[derive(Debug, Serialize)]
pub struct Report {
    /// From the first process to the last.
    pub seconds: f64,
    /// What each file that could not become a proposal was answered.
    pub refused: Vec<String>,
    /// What a proposal said it would change.
    pub shown: Value,
    /// Audit floor in ten-thousandths before the vote and after it was executed.
    pub audit_floor: [u16; 2],
    /// Minimum stake of one RTX 4090 before the vote, when it was executed, and thirty days later.
    pub minimum: [u64; 3],
    /// What a consumer was answered while jobs were paused.
    pub paused: String,
    /// SHA-256 of the uploaded code.
    pub code: String,
    /// The proposer's $IO before the first proposal, and after the last was cleared away.
    pub proposer: [u64; 2],
    /// Calls of governance's instructions, and the most compute units of a transaction with each.
    pub costs: BTreeMap<String, (usize, u64)>,
}

/// Runs it; `say` hears of each step.
pub async fn run(place: &Place, say: impl Fn(&str)) -> Result<Report> {
    let started = Instant::now();
    let step = |what: &str| say(&format!("{:>6.1} s  {what}", started.elapsed().as_secs_f64()));
    let market = Market::governed(place)?;
    market.supply()?;
    market.ionet("supplier", &["stake", "add", STAKE])?;
    market.fund()?;
    step("a local chain is up whose authorities are all governance's; a supplier has staked, a consumer has an escrow");
    let before = tokens(&market)?;
    // Younger stake has no vote.
    market.skip(Duration::from_secs(7 * DAY + 1)).await?;

    let refused = refusals(&market, &place.dir)?;
    step(
        "a file with a wrong name, one out of bounds, one that is malformed and one that is too long were refused before anything was sent",
    );
    let floor = audit_floor(&market).await?;
    let minimum = minimum_stake(&market)?;
    write(
        &place.dir,
        "text.md",
        "Audit more, now that audits are cheap. The RTX 4090 earns more than its stake says.\n",
    )?;
    let more = "title = \"Audit 7 % of all results; RTX 4090 at 1.50\"\ntext = \"text.md\"\n\n\
                [[step]]\ndo = \"set\"\nwhat = \"jobs.parameters\"\nvalues = { audit_floor_bps = \"7 %\" }\n\n\
                [[step]]\ndo = \"set\"\nwhat = \"staking.gpu_model\"\ngpu = \"RTX 4090\"\nvalues = { multiplier_x100 = 150 }\n";
    write(&place.dir, "more.toml", more)?;
    let first = propose(&market, "more.toml")?;
    let shown = market.ionet("supplier", &["gov", "show", &first])?;
    let early = market.ionet("cranker", &["gov", "execute", &first]).map(drop);
    ensure!(early.is_err(), "a proposal was counted while its vote was on");
    decide(&market, &first, 2).await?;
    let floors = [floor, audit_floor(&market).await?];
    let at_once = minimum_stake(&market)?;
    step("both were voted for, waited for and executed");
    market.skip(Duration::from_secs(30 * DAY)).await?;
    let minimum = [minimum, at_once, minimum_stake(&market)?];
    step("the raise of the multiplier asked for more stake only thirty days later");

    market.ionet("guardian", &["gov", "pause", "jobs"])?;
    let photo = place.root.join("models/upscale/sample.png");
    market.publish("upscale")?;
    let paused = match market.order(&photo) {
        Ok(job) => anyhow::bail!("job {job} was opened while jobs were paused"),
        Err(error) => sentence(&error),
    };
    market.ionet("consumer", &["escrow", "withdraw", "10"])?;
    market.ionet("supplier", &["stake", "withdraw-overflow", "1"])?;
    step("the guardian paused jobs: no new ones, but money and stake went out as before");

    let code = referee(&place.root)?;
    std::fs::write(place.dir.join("referee.so"), &code).context("the new code cannot be written")?;
    let uploaded = market.ionet("cranker", &["gov", "upload", "referee.so"])?;
    let [buffer, hash] = ["/buffer", "/sha256"].map(|pointer| uploaded.pointer(pointer).and_then(Value::as_str).unwrap_or_default());
    step("a new version of the referee was uploaded into a buffer that nobody can change any more");
    let upgrade = format!(
        "title = \"Resume jobs; a new referee\"\ntext = \"text.md\"\n\n\
         [[step]]\ndo = \"set\"\nwhat = \"jobs.paused\"\nvalues = {{ paused = false }}\n\n\
         [[step]]\ndo = \"upgrade\"\nprogram = \"referee\"\nbuffer = \"{buffer}\"\n"
    );
    write(&place.dir, "upgrade.toml", &upgrade)?;
    let second = propose(&market, "upgrade.toml")?;
    let said = market.ionet("supplier", &["gov", "show", &second])?.to_string();
    ensure!(said.contains(hash), "what was shown does not name the new code's hash: {said}");
    // Somebody else votes for the supplier, until the supplier votes itself.
    market.ionet("supplier", &["gov", "delegate", &market.address("cranker")?])?;
    let supplier = market.address("supplier")?;
    market.ionet("cranker", &["gov", "vote", &second, "no", "--for", &supplier])?;
    let votes = market.ionet("supplier", &["gov", "show", &second])?;
    ensure!(
        votes.pointer("/no").and_then(Value::as_u64) > Some(0),
        "a representative's vote does not count: {votes}"
    );
    decide(&market, &second, 14).await?;
    let overruled = market.ionet("supplier", &["gov", "show", &second])?;
    ensure!(
        overruled.pointer("/no") == Some(&0.into()),
        "the owner's vote does not replace its representative's: {overruled}"
    );
    let record = market.client()?.account(&program_data(referee::ID)).await?;
    let installed = record.context("the referee is gone")?.data;
    ensure!(
        installed.get(45..).is_some_and(|rest| rest.starts_with(&code)),
        "the referee's code is not what was voted on"
    );
    market.order(&photo)?;
    step("both were executed after the longer timelock: jobs open again, and the referee's code is the new one");

    for proposal in [&first, &second] {
        market.ionet("cranker", &["gov", "close", proposal])?;
    }
    step("deposits and rents were returned");
    Ok(Report {
        seconds: started.elapsed().as_secs_f64(),
        refused,
        shown,
        audit_floor: floors,
        minimum,
        paused,
        code: hash.to_owned(),
        proposer: [before, tokens(&market)?],
        costs: costs(&books::transactions(&market.rpc).await?),
    })
}

/// What the supplier's wallet holds of $IO, its stake aside.
fn tokens(market: &Market) -> Result<u64> {
    let shown = market.ionet("supplier", &["wallet", "balance"])?;
    shown
        .pointer("/io")
        .and_then(Value::as_u64)
        .context("the wallet's $IO is not shown")
}

/// Files that cannot become proposals; returns what was said of each.
fn refusals(market: &Market, dir: &Path) -> Result<Vec<String>> {
    let step = |values: &str| {
        format!("title = \"x\"\ntext = \"bad.md\"\n[[step]]\ndo = \"set\"\nwhat = \"jobs.parameters\"\nvalues = {{ {values} }}\n")
    };
    write(dir, "bad.md", "why")?;
    let long = format!(
        "title = \"x\"\ntext = \"bad.md\"\n[[step]]\ndo = \"call\"\nprogram = \"jobs\"\naccounts = []\ndata = \"{}\"\n",
        "00".repeat(9_000)
    );
    let files = [step("audit_flor_bps = 7"), step("fee_bps = \"99 %\""), step("fee_bps = "), long];
    let mut said = Vec::new();
    for text in files {
        write(dir, "bad.toml", &text)?;
        let answer = market.ionet("supplier", &["gov", "create", "bad.toml"]);
        let error = answer.err().context("a file that says nothing right became a proposal")?;
        said.push(sentence(&error));
    }
    let list = market.ionet("supplier", &["gov", "list"])?;
    ensure!(list.as_array().is_some_and(Vec::is_empty), "a refused file left a proposal behind");
    Ok(said)
}

/// What a command said, without the command.
fn sentence(error: &anyhow::Error) -> String {
    let said = format!("{error:#}");
    said.split_once("` failed: ")
        .map_or(said.clone(), |(_, sentence)| sentence.to_owned())
}

pub(crate) fn write(dir: &Path, name: &str, text: &str) -> Result<()> {
    std::fs::write(dir.join(name), text).with_context(|| format!("{name} cannot be written"))
}

/// Has the supplier make a proposal; returns its number.
pub(crate) fn propose(market: &Market, file: &str) -> Result<String> {
    let made = market.ionet("supplier", &["gov", "create", file])?;
    let number = made.pointer("/proposal").and_then(Value::as_u64);
    Ok(number.context("a proposal has no number")?.to_string())
}

/// Has the supplier vote for it and time pass, and anyone execute it after a timelock of so many days.
pub(crate) async fn decide(market: &Market, proposal: &str, timelock: u64) -> Result<()> {
    market.ionet("supplier", &["gov", "vote", proposal, "yes"])?;
    market.skip(Duration::from_secs(7 * DAY)).await?;
    market.ionet("cranker", &["gov", "execute", proposal])?;
    let early = market.ionet("cranker", &["gov", "execute", proposal]);
    ensure!(early.is_err(), "a proposal was executed in its timelock");
    market.skip(Duration::from_secs(timelock * DAY)).await?;
    let done = market.ionet("cranker", &["gov", "execute", proposal])?;
    ensure!(
        done.pointer("/status") == Some(&"executed".into()),
        "the proposal was not executed: {done}"
    );
    Ok(())
}

async fn audit_floor(market: &Market) -> Result<u16> {
    let config: jobs::Config = market.client()?.fetch(&chain::market::job::config()).await?;
    Ok(config.parameters().audit_floor_bps)
}

fn minimum_stake(market: &Market) -> Result<u64> {
    let shown = market.ionet("supplier", &["stake", "minimum", "--gpu", "RTX 4090"])?;
    shown.pointer("/minimum").and_then(Value::as_u64).context("no minimum stake")
}

/// The referee as it is, but for what it says about itself.
fn referee(root: &Path) -> Result<Vec<u8>> {
    let mut code = std::fs::read(root.join("target/deploy/referee.so")).context("the referee is not built")?;
    let [was, is] = NOTE;
    let at = code.windows(was.len()).position(|window| window == was);
    let place = at.and_then(|at| code.get_mut(at..)?.get_mut(..is.len()));
    place.context("the referee's code says nothing about itself")?.copy_from_slice(is);
    Ok(code)
}

/// How often each of governance's instructions was called, and the most that a transaction with it cost.
fn costs(transactions: &[Transaction]) -> BTreeMap<String, (usize, u64)> {
    let mut costs = BTreeMap::new();
    for transaction in transactions {
        for name in &transaction.instructions {
            let (count, units) = costs.entry(name.clone()).or_insert((0, 0));
            *count += 1;
            *units = transaction.compute_units.max(*units);
        }
    }
    costs.retain(|name: &String, _| OWN.contains(&name.as_str()));
    costs
}

/// Governance's instructions in this story.
const OWN: [&str; 11] = [
    "create_proposal",
    "open_payload",
    "write_payload",
    "submit_proposal",
    "vote_stake",
    "advance_proposal",
    "execute_instruction",
    "pause",
    "release_deposit",
    "close_payload",
    "close_proposal",
];

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for said in &self.refused {
            writeln!(f, "refused: {said}")?;
        }
        let percent = self.audit_floor.map(|bps| f64::from(bps) / 100.0);
        writeln!(f, "\naudited results at least: {} % → {} %", percent[0], percent[1])?;
        let io = self.minimum.map(|units| crate::report::io(units.into()));
        writeln!(
            f,
            "minimum stake of an RTX 4090: {} $IO, {} when executed, {} after thirty days",
            io[0], io[1], io[2]
        )?;
        writeln!(f, "a job while paused: {}", self.paused)?;
        writeln!(f, "the referee's new code: SHA-256 {}", self.code)?;
        writeln!(f, "governance {:>32} {:>9}", "calls", "most CU")?;
        for (name, (count, units)) in &self.costs {
            writeln!(f, "{name:<34} {count:>8} {units:>9}")?;
        }
        writeln!(f, "whole run: {:.1} s", self.seconds)
    }
}
