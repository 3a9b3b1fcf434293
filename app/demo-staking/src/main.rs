//! The binary behind `cargo xtask demo staking`, which passes its options on.

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use std::path::PathBuf;

/// The staking demo, started by `cargo xtask demo staking`
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Random seed of amounts and times of day
    #[arg(long)]
    seed: u64,
    /// Days to simulate
    #[arg(long)]
    days: u32,
    /// Folder for the report
    #[arg(long)]
    dir: PathBuf,
    /// Output format
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Output {
    /// Events and tables
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
    // Checked after printing, so that a wrong report shows where it is wrong.
    report.books.prove()
}
