//! Stakers govern: one vote changes two parameters, another lifts a guardian's pause and replaces a program's code.

use crate::books::{self, Transaction};
use crate::market::{Market, Place};
use anyhow::{Context, Result, ensure};
use chain::market::program_data;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub(crate) const DAY: u64 = 86_400;
/// $IO staked: more than a tenth of what circulates on a local market.
const STAKE: &str = "150000";
/// File with the text of the proposals.
const TEXT: &str = "text.md";
/// The name in the referee's security note, and what the new version has there.
const NOTE: [&[u8]; 2] = [b"ionet referee", b"IONET REFEREE"];

/// The report.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Duration of the run.
    pub seconds: f64,
    /// The errors for files that are no proposals.
    pub refused: Vec<String>,
    /// What `ionet gov show` said that the first proposal would change.
    pub shown: Value,
    /// Audit floor in basis points, before the vote and after the execution.
    pub audit_floor: [u16; 2],
    /// Minimum stake of one RTX 4090 before the vote, after the execution, and thirty days later.
    pub minimum: [u64; 3],
    /// The error that a consumer got while jobs were paused.
    pub paused: String,
    /// SHA-256 of the uploaded code.
    pub code: String,
    /// The proposer's $IO before the first proposal, and after the last was closed.
    pub proposer: [u64; 2],
    /// For each of governance's instructions, its number of calls and the most compute units of a transaction with it.
    pub costs: BTreeMap<String, (usize, u64)>,
}

/// Runs the scenario; `say` is called with each step.
pub async fn run(place: &Place, say: impl Fn(&str)) -> Result<Report> {
    let started = Instant::now();
    let step = |what: &str| say(&format!("{:>6.1} s  {what}", started.elapsed().as_secs_f64()));
    let market = Market::governed(place)?;
    market.supply()?;
    market.ionet("supplier", &["stake", "add", STAKE])?;
    market.fund()?;
    step("a local chain is up, with all authorities held by governance; a supplier has staked, a consumer has an escrow");
    let before = tokens(&market)?;
    // Stake can vote once it is a week old.
    market.skip(Duration::from_secs(7 * DAY + 1)).await?;
    write(
        &place.dir,
        TEXT,
        "Audit more, now that audits are cheap. The RTX 4090 earns more than its stake says.\n",
    )?;

    let refused = refusals(&market, &place.dir)?;
    step(
        "a file with a wrong name, one out of bounds, one that is malformed and one that is too long were refused before anything was sent",
    );
    let changed = change_parameters(&market, place, &step).await?;
    let paused = pause(&market, place)?;
    step("the guardian paused jobs: no new ones, but funds and stake could still be withdrawn");
    let (second, code) = upgrade(&market, place, &step).await?;
    for proposal in [&changed.proposal, &second] {
        market.ionet("cranker", &["gov", "close", proposal])?;
    }
    step("deposits and rent were returned");
    Ok(Report {
        seconds: started.elapsed().as_secs_f64(),
        refused,
        shown: changed.shown,
        audit_floor: changed.audit_floor,
        minimum: changed.minimum,
        paused,
        code,
        proposer: [before, tokens(&market)?],
        costs: costs(&books::transactions(&market.rpc).await?),
    })
}

/// A proposal that changed parameters, and what it did.
struct Changed {
    proposal: String,
    shown: Value,
    audit_floor: [u16; 2],
    minimum: [u64; 3],
}

/// Has two parameters changed by vote, of which one takes effect thirty days later.
async fn change_parameters(market: &Market, place: &Place, step: &impl Fn(&str)) -> Result<Changed> {
    let (floor, minimum) = (audit_floor(market).await?, minimum_stake(market)?);
    let more = format!(
        "title = \"Audit 7 % of all results; RTX 4090 at 1.50\"\ntext = \"{TEXT}\"\n\n\
         [[step]]\ndo = \"set\"\nwhat = \"jobs.parameters\"\nvalues = {{ audit_floor_bps = \"7 %\" }}\n\n\
         [[step]]\ndo = \"set\"\nwhat = \"staking.gpu_model\"\ngpu = \"RTX 4090\"\nvalues = {{ multiplier_x100 = 150 }}\n"
    );
    write(&place.dir, "more.toml", &more)?;
    let proposal = propose(market, "more.toml")?;
    let shown = market.ionet("supplier", &["gov", "show", &proposal])?;
    let early = market.ionet("cranker", &["gov", "execute", &proposal]).map(drop);
    ensure!(early.is_err(), "a proposal was counted while its vote was open");
    decide(market, &proposal, 2).await?;
    let (new_floor, at_once) = (audit_floor(market).await?, minimum_stake(market)?);
    step("both changes were voted for and, after the timelock, executed");
    market.skip(Duration::from_secs(30 * DAY)).await?;
    let later = minimum_stake(market)?;
    step("the raised multiplier required more stake only thirty days later");
    Ok(Changed {
        proposal,
        shown,
        audit_floor: [floor, new_floor],
        minimum: [minimum, at_once, later],
    })
}

/// Has the guardian pause jobs; returns the error that a consumer gets then.
fn pause(market: &Market, place: &Place) -> Result<String> {
    market.ionet("guardian", &["gov", "pause", "jobs"])?;
    market.publish("upscale")?;
    let paused = match market.order(&photo(place)) {
        Ok(job) => anyhow::bail!("job {job} was opened while jobs were paused"),
        Err(error) => sentence(&error),
    };
    market.ionet("consumer", &["escrow", "withdraw", "10"])?;
    market.ionet("supplier", &["stake", "withdraw-overflow", "1"])?;
    Ok(paused)
}

/// Has jobs resumed and the referee's code replaced by vote; returns the proposal and the SHA-256 of the code.
async fn upgrade(market: &Market, place: &Place, step: &impl Fn(&str)) -> Result<(String, String)> {
    let code = referee(&place.root)?;
    std::fs::write(place.dir.join("referee.so"), &code).context("the new code cannot be written")?;
    let uploaded = market.ionet("cranker", &["gov", "upload", "referee.so"])?;
    let [buffer, hash] = ["/buffer", "/sha256"].map(|pointer| uploaded.pointer(pointer).and_then(Value::as_str).unwrap_or_default());
    step("a new version of the referee was uploaded into a buffer that nobody can change any more");
    let upgrade = format!(
        "title = \"Resume jobs; a new referee\"\ntext = \"{TEXT}\"\n\n\
         [[step]]\ndo = \"set\"\nwhat = \"jobs.paused\"\nvalues = {{ paused = false }}\n\n\
         [[step]]\ndo = \"upgrade\"\nprogram = \"referee\"\nbuffer = \"{buffer}\"\n"
    );
    write(&place.dir, "upgrade.toml", &upgrade)?;
    let proposal = propose(market, "upgrade.toml")?;
    let said = market.ionet("supplier", &["gov", "show", &proposal])?.to_string();
    ensure!(said.contains(hash), "what was shown does not name the new code's hash: {said}");
    misrepresent(market, &proposal)?;
    decide(market, &proposal, 14).await?;
    let overruled = market.ionet("supplier", &["gov", "show", &proposal])?;
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
    market.order(&photo(place))?;
    step("both steps were executed after the longer timelock: jobs are open again, and the referee has the new code");
    Ok((proposal, hash.to_owned()))
}

/// Has a representative vote against a proposal with the supplier's stake; the supplier's own vote is to replace it.
fn misrepresent(market: &Market, proposal: &str) -> Result<()> {
    market.ionet("supplier", &["gov", "delegate", &market.address("cranker")?])?;
    let supplier = market.address("supplier")?;
    market.ionet("cranker", &["gov", "vote", proposal, "no", "--for", &supplier])?;
    let votes = market.ionet("supplier", &["gov", "show", proposal])?;
    ensure!(
        votes.pointer("/no").and_then(Value::as_u64) > Some(0),
        "a representative's vote does not count: {votes}"
    );
    Ok(())
}

fn photo(place: &Place) -> PathBuf {
    place.root.join("models/upscale/sample.png")
}

/// $IO in the supplier's wallet, without its stake.
fn tokens(market: &Market) -> Result<u64> {
    let shown = market.ionet("supplier", &["wallet", "balance"])?;
    shown
        .pointer("/io")
        .and_then(Value::as_u64)
        .context("the wallet's $IO is not shown")
}

/// Tries files that are no proposals; returns the error for each.
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
        let error = answer.err().context("a wrong file became a proposal")?;
        said.push(sentence(&error));
    }
    let list = market.ionet("supplier", &["gov", "list"])?;
    ensure!(list.as_array().is_some_and(Vec::is_empty), "a refused file left a proposal behind");
    Ok(said)
}

/// The error that a command printed, without the command.
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

/// Has the supplier vote for a proposal and a third party execute it after a timelock of this many days.
pub(crate) async fn decide(market: &Market, proposal: &str, timelock: u64) -> Result<()> {
    market.ionet("supplier", &["gov", "vote", proposal, "yes"])?;
    market.skip(Duration::from_secs(7 * DAY)).await?;
    market.ionet("cranker", &["gov", "execute", proposal])?;
    let early = market.ionet("cranker", &["gov", "execute", proposal]);
    ensure!(early.is_err(), "a proposal was executed during its timelock");
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

/// The referee's code with another name in its security note.
fn referee(root: &Path) -> Result<Vec<u8>> {
    let mut code = std::fs::read(root.join("target/deploy/referee.so")).context("the referee is not built")?;
    let [was, is] = NOTE;
    let at = code.windows(was.len()).position(|window| window == was);
    let place = at.and_then(|at| code.get_mut(at..)?.get_mut(..is.len()));
    place.context("the referee's code has no security note")?.copy_from_slice(is);
    Ok(code)
}

/// For each of governance's instructions, its number of calls and the most compute units of a transaction with it.
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

/// Governance's instructions in this scenario.
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
        let io = self.minimum.map(crate::report::io);
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
