//! Compares the referee, the protocol's definition and the engine on random elements of random graphs: `cargo xtask fuzz referee`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../tests/common/mod.rs"]
mod common;

use clap::Parser;
use common::elements::{Counts, compare};
use indicatif::{ProgressBar, ProgressStyle};
use std::process::ExitCode;
use std::time::Instant;

/// Compare the referee, the protocol's definition and the engine on random elements of random graphs
#[derive(Parser)]
struct Args {
    /// Least number of elements to compare
    #[arg(long, default_value_t = 1_000_000)]
    elements: u64,
    /// Seed of the first graph, incremented for each further graph; random by default
    #[arg(long)]
    seed: Option<u64>,
}

fn main() -> ExitCode {
    let Args { elements, seed } = Args::parse();
    let first = seed.unwrap_or_else(|| fastrand::u64(..));
    eprintln!("seed {first}");
    let bar = ProgressBar::new(elements).with_style(ProgressStyle::with_template("{bar:40} {pos}/{len} elements, {eta} left").unwrap());
    let started = Instant::now();
    let (mut counts, mut graphs) = (Counts::new(), 0u64);
    while counts.values().sum::<u64>() < elements {
        let seed = first.wrapping_add(graphs);
        if let Err(difference) = compare(seed, &mut counts) {
            bar.finish_and_clear();
            eprintln!("{difference}\nrepeat with: cargo xtask fuzz referee --elements 1 --seed {seed}");
            return ExitCode::FAILURE;
        }
        graphs += 1;
        bar.set_position(counts.values().sum());
    }
    bar.finish_and_clear();
    for (kind, count) in &counts {
        println!("{kind:>14} {count:>9}");
    }
    let total: u64 = counts.values().sum();
    println!(
        "{total} elements of {graphs} graphs from seed {first}: no difference, {:.1} s",
        started.elapsed().as_secs_f32()
    );
    ExitCode::SUCCESS
}
