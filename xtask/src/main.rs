//! The one entry point of this repository: `cargo xtask --help`.

mod programs;
mod step;
mod workspace;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::workspace::Workspace;

/// Builds, tests and demonstrates the marketplace.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Build the on-chain programs into target/deploy and the host binaries into target/bin
    Build,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let workspace = Workspace::locate()?;
    match arguments.command {
        Task::Build => programs::build(&workspace),
    }
}
