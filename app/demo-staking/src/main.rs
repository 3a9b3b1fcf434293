//! What `cargo xtask demo staking` starts, with all that it lets people choose.

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use std::path::PathBuf;

/// The demo of staking; `cargo xtask demo staking` starts it
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Seed of amounts and times of day
    #[arg(long)]
    seed: u64,
    /// Days to simulate
    #[arg(long)]
    days: u32,
    /// Folder for the report
    #[arg(long)]
    dir: PathBuf,
    /// What to print
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Output {
    /// What happened, and tables
    Text,
    /// The report
    Json,
}

fn main() -> Result<()> {
    let Arguments { seed, days, dir, output } = Arguments::parse();
    let hours = days * 24;
    let bar = ProgressBar::new(hours.into());
    bar.set_style(ProgressStyle::with_template("{bar:30} hour {pos} of {len}, {eta} left")?);
    let report = demo_staking::run(seed, hours, |news| {
        if output == Output::Text {
            bar.suspend(|| news.iter().for_each(|event| println!("{event}")));
        }
        bar.inc(1);
    })?;
    bar.finish_and_clear();

    let json = serde_json::to_string_pretty(&report)?;
    let path = dir.join("report.json");
    std::fs::write(&path, &json).with_context(|| format!("cannot write {}", path.display()))?;
    match output {
        Output::Json => println!("{json}"),
        Output::Text => println!("\n{report}{}", path.display()),
    }
    // After it is printed: a report that is wrong says where.
    report.prove()
}
