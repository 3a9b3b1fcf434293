//! `cargo xtask demo`.

use anyhow::{Context, Result, ensure};
use clap::{Parser, Subcommand};
use demo::Place;
use serde::Serialize;
use std::ffi::OsString;
use std::fmt::Display;
use std::path::PathBuf;
use std::process::Command;

/// Run the main job on a local chain: a photo goes in, a worker enlarges it exactly, the chain pays
#[derive(Parser)]
#[command(name = "cargo xtask demo", version)]
struct Arguments {
    /// Folder for everything the demo writes; emptied first
    #[arg(long, default_value = "target/demo")]
    dir: PathBuf,
    /// Photo to enlarge; the shipped one comes with its original in full size, to measure against
    #[arg(long)]
    photo: Option<PathBuf>,
    #[command(subcommand)]
    scenario: Option<Scenario>,
}

#[derive(Subcommand)]
enum Scenario {
    /// A worker lies by one bit, a watchtower finds it and the chain convicts; nothing convicts an honest one
    Dispute {
        /// The worker shows nothing and answers nobody: a watchtower asks, and silence convicts
        #[arg(long)]
        silent: bool,
    },
    /// Stakers change two parameters, lift a guardian's pause and replace a program's code, all by vote
    Governance,
    /// Two months of hours on a time-warped chain: suppliers, co-stakers and slashes; the books must balance
    #[command(disable_help_flag = true)]
    Staking {
        /// Passed on; `--help` lists them
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let root = std::env::current_dir().context("the current folder cannot be read")?;
    let me = std::env::current_exe().context("cannot tell where this binary is")?;
    let place = Place {
        bin: me.parent().context("this binary has no folder")?.to_owned(),
        dir: root.join(arguments.dir),
        root,
    };
    // Each run starts on an empty chain; keys and blobs of the last one would only confuse.
    if place.dir.exists() {
        std::fs::remove_dir_all(&place.dir).with_context(|| format!("cannot empty {}", place.dir.display()))?;
    }
    std::fs::create_dir_all(&place.dir).with_context(|| format!("cannot create {}", place.dir.display()))?;
    let photo = arguments.photo.map(|photo| place.root.join(photo));

    match arguments.scenario {
        None => {
            let report = demo::run(&place, photo).await?;
            show(&place, &report)?;
            println!("{}", place.dir.join("output.png").display());
        }
        Some(Scenario::Dispute { silent: true }) => show(&place, &demo::silence::run(&place).await?)?,
        Some(Scenario::Dispute { silent: false }) => show(&place, &demo::dispute::run(&place).await?)?,
        Some(Scenario::Governance) => show(&place, &demo::governance::run(&place).await?)?,
        Some(Scenario::Staking { arguments }) => staking(&place, &arguments)?,
    }
    Ok(())
}

/// Has the binary with the warped chain run, which shares nothing with the processes on a local node.
fn staking(place: &Place, arguments: &[OsString]) -> Result<()> {
    let status = Command::new(place.bin.join(format!("demo-staking{}", std::env::consts::EXE_SUFFIX)))
        .env("IONET_DEPLOY_DIR", place.root.join("target/deploy"))
        .arg("--dir")
        .arg(&place.dir)
        .args(arguments)
        .status()
        .context("cannot start demo-staking; run `cargo xtask build`")?;
    ensure!(status.success(), "the demo of staking ended with {status}; what it said is above");
    Ok(())
}

/// Prints a report and writes it down.
fn show(place: &Place, report: &(impl Display + Serialize)) -> Result<()> {
    println!("\n{report}");
    let path = place.dir.join("report.json");
    std::fs::write(&path, serde_json::to_vec_pretty(report)?).with_context(|| format!("cannot write {}", path.display()))?;
    println!("{}", path.display());
    Ok(())
}
