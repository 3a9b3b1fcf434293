//! `demo`: one real job on a local chain, from photo to payment, run with the binaries a person would use.
//!
//! Everything is read back from the chain at the end: who had what, what each transaction cost. The books must balance to the base unit, or the
//! demo fails.

mod books;
mod picture;
mod process;
mod report;

use crate::books::Party;
use crate::process::Tools;
use crate::report::Report;
use anyhow::{Context, Result, ensure};
use chain::market::{job, stake};
use clap::Parser;
use serde_json::Value;
use solana_address::Address;
use solana_commitment_config::CommitmentConfig;
use solana_rpc_client::nonblocking::rpc_client::RpcClient;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Run the main job on a local chain: a photo goes in, a worker enlarges it exactly, the chain pays
#[derive(Parser)]
#[command(name = "cargo xtask demo", version)]
struct Arguments {
    /// Folder for everything the demo writes
    #[arg(long, default_value = "target/demo")]
    dir: PathBuf,
    /// Photo to enlarge; the shipped one comes with its original in full size, to measure against
    #[arg(long)]
    photo: Option<PathBuf>,
}

/// $IO the supplier stakes: the minimum of one RTX 4090, and what its bonds stand on beyond it.
const STAKE: &str = "300";
/// $IO the consumer deposits.
const DEPOSIT: &str = "100";

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let root = std::env::current_dir()?;
    let dir = root.join(&arguments.dir);
    // Each run starts on an empty chain; keys and blobs of the last one would only confuse.
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
    let (photo, truth) = match arguments.photo {
        Some(photo) => (root.join(photo), None),
        None => (
            root.join("models/upscale/sample.png"),
            Some(root.join("models/upscale/sample_truth.png")),
        ),
    };
    let started = Instant::now();
    let tools = Tools::beside_self(&dir)?;
    let step = |what: &str| println!("{:>6.1} s  {what}", started.elapsed().as_secs_f64());

    let net_dir = ".ionet/localnet";
    let mut localnet = tools.start(
        "ionet-localnet",
        &[
            "--dir",
            net_dir,
            "--programs",
            text(&root.join("target/deploy"))?,
            "--port",
            "0",
            "--blob-port",
            "0",
            "--slot-ms",
            "200",
            "--output",
            "json",
        ],
    )?;
    let net = localnet.first_object()?;
    step("a local chain is up, both programs deployed at their addresses and migrated");

    let rpc = RpcClient::new_with_commitment(string(&net, "/rpc")?.to_owned(), CommitmentConfig::confirmed());
    let key = |name: &str| string(&net, &format!("/keys/{name}/path"));
    let wallet = |name: &'static str| {
        Ok::<_, anyhow::Error>(Party {
            name,
            wallet: address(&net, &format!("/keys/{name}/address"))?,
        })
    };
    let parties = [wallet("consumer")?, wallet("supplier")?, wallet("treasury")?, wallet("cranker")?];
    let [consumer, ..] = &parties;
    let mint = address(&net, "/mint")?;
    let escrow = job::escrow(&consumer.wallet, &mint);
    let device = stake::device(&address(&net, "/keys/device/address")?);
    let before = books::balances(&rpc, &parties, &mint, &escrow, &device).await?;

    tools.ionet(
        key("supplier")?,
        &["device", "register", "--gpu", "RTX 4090", "--device-key", key("device")?],
    )?;
    tools.ionet(key("supplier")?, &["stake", "add", STAKE, "--device", &device.to_string()])?;
    step("the supplier registered a device and staked on it");
    tools.ionet(key("supplier")?, &["model", "publish", text(&root.join("models/upscale"))?])?;
    step("the upscale model is registered: every op checked and hashed on chain");
    tools.ionet(key("consumer")?, &["escrow", "deposit", DEPOSIT])?;
    step("the consumer funded an escrow");

    let worker = tools.start(
        "ionet-worker",
        &[
            "--cluster",
            string(&net, "/rpc")?,
            "--ws",
            string(&net, "/ws")?,
            "--keypair",
            key("device")?,
            "--blobs",
            string(&net, "/blobs")?,
            "--models",
            text(&root.join("models"))?,
            "--data",
            "worker",
            "--crank",
            "false",
        ],
    )?;
    let cranker = tools.start("ionet", &["--yes", "--keypair", key("cranker")?, "watch", "crank", "--every", "1s"])?;
    step("a worker and, as a third party, a crank are running");

    let output = dir.join("output.png");
    let outcome = tools.ionet(
        key("consumer")?,
        &[
            "job",
            "submit",
            "upscale",
            text(&photo)?,
            "--package",
            text(&root.join("models/upscale"))?,
            "-o",
            text(&output)?,
            "--window",
            "5s",
        ],
    )?;
    step("the job was claimed, computed, committed, revealed and settled by the third party");
    tools.ionet(key("cranker")?, &["watch", "crank", "--once", "--sweep"])?;
    step("the fees were swept: one half burned, the other in the treasury");
    drop((worker, cranker));

    let after = books::balances(&rpc, &parties, &mint, &escrow, &device).await?;
    let transactions = books::transactions(&rpc).await?;
    let quality = truth.map(|truth| picture::quality(&photo, &output, &truth)).transpose()?;
    let report = Report {
        seconds: started.elapsed().as_secs_f64(),
        job: outcome,
        before,
        after,
        transactions,
        quality,
    };
    println!("\n{report}");
    let path = dir.join("report.json");
    std::fs::write(&path, serde_json::to_vec_pretty(&report)?).with_context(|| format!("cannot write {}", path.display()))?;
    println!("{}\n{}", output.display(), path.display());
    ensure!(report.burned()? > 0, "nothing was burned");
    if let Some(quality) = &report.quality {
        ensure!(quality.model_db > quality.bicubic_db, "the model is no better than bicubic");
    }
    Ok(())
}

fn string<'a>(value: &'a Value, pointer: &str) -> Result<&'a str> {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .with_context(|| format!("the local market did not say its {pointer}"))
}

fn address(value: &Value, pointer: &str) -> Result<Address> {
    Ok(string(value, pointer)?.parse()?)
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().with_context(|| format!("{} is not Unicode", path.display()))
}
