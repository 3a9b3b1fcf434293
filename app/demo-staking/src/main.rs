//! `cargo xtask demo staking`.

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use std::path::PathBuf;

/// Simulate two months of hours on a time-warped chain: suppliers, co-stakers and slashes; the books must balance
#[derive(Parser)]
#[command(name = "cargo xtask demo staking", version)]
struct Arguments {
    /// Seed of amounts and times of day; the same seed gives the same story
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Days to simulate, 90 at most, when the emission has been paid out; the story itself ends after 60
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=90))]
    days: u32,
    /// Folder for the report
    #[arg(long, default_value = "target/demo-staking")]
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
    std::fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
    let path = dir.join("report.json");
    std::fs::write(&path, &json).with_context(|| format!("cannot write {}", path.display()))?;
    match output {
        Output::Json => println!("{json}"),
        Output::Text => println!("\n{report}{}", path.display()),
    }
    // After it is printed: a report that is wrong says where.
    report.prove()
}
