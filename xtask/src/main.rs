//! The entry point of this repository: `cargo xtask --help`.

mod anza;
mod bench;
mod fuzz;
mod host;
mod idl;
mod mutants;
mod programs;
mod python;
mod setup;
mod step;
mod suites;
mod web;
mod workspace;

use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::thread;

use anyhow::{Result, bail, ensure};
use clap::{Parser, Subcommand};

use crate::setup::Scope;
use crate::workspace::{HOST, Workspace};

/// Sets up this machine; builds, demonstrates and tests the marketplace.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Install everything that building, the demos and the tests need; other tasks install only what they need themselves
    Setup,
    /// Build the on-chain programs into target/deploy and everything else into target/bin
    Build,
    /// Build only the on-chain programs
    BuildSbf {
        /// Names of the programs; all if omitted
        programs: Vec<String>,
    },
    /// Run one real job on a local chain, from photo to payment; with --web, a market in the browser; or a scenario: dispute, governance,
    /// staking
    #[command(after_help = "`cargo xtask demo -- --help` shows the demo's own options; docs/demos.md explains them.")]
    Demo {
        /// Passed on to the demo
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Run all tests
    Test,
    /// Measure, and write the result to bench/
    Bench {
        #[command(subcommand)]
        what: Bench,
    },
    /// Search at length for differences between implementations
    Fuzz {
        #[command(subcommand)]
        what: Fuzz,
    },
    /// Change each check, statement and comparison of the programs and of `protocol`, one at a time, and list the changes that no test
    /// notices: bench/mutants.md
    Mutants,
    /// Generate idl/*.json from the programs
    Idl {
        /// Write nothing, but fail if the committed files differ
        #[arg(long)]
        check: bool,
    },
    /// Run before handing in a change: formatting, lints, tests
    Ci,
    #[command(hide = true)]
    WriteIdl { program: String, output: PathBuf },
}

#[derive(Subcommand)]
enum Bench {
    /// Compute units and lamports of every instruction: bench/cu.md
    Cu,
    /// The engine's speed and memory compared with onnxruntime: bench/engine.md
    Engine,
    /// The engine on this machine's GPU, with the shipped models and larger networks, compared with PyTorch if the Python in IONET_PYTHON
    /// has it: bench/gpu.md
    Gpu,
    /// How fast the indexer ingests history and answers queries: bench/indexer.md
    Indexer,
    /// Overhead of hashing on the CPU, by how much of a unit the trace commits to: bench/traces.md
    Traces,
}

#[derive(Subcommand)]
enum Fuzz {
    /// Compare referee, definition and engine on random elements of every op kind, and convict over ops of 4,096 to 16,384 terms
    Referee {
        /// Minimum number of elements to compare
        #[arg(long, default_value_t = 1_000_000)]
        elements: u64,
        /// Seed of the first graph [default: random]
        #[arg(long)]
        seed: Option<u64>,
    },
}

fn main() -> ExitCode {
    match Workspace::locate().and_then(|workspace| run(&workspace, Arguments::parse().task)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(workspace: &Workspace, task: Task) -> Result<()> {
    if let Task::WriteIdl { program, output } = task {
        return idl::write(workspace, &program, &output);
    }
    let builder = setup::ensure(workspace, task.scope())?;
    match task {
        Task::Setup => {
            setup::fetch_tools(workspace)?;
            println!("everything needed is installed");
        }
        Task::Build => {
            programs::build(workspace, &builder, &[])?;
            host::build(workspace)?;
            web::build(workspace, &builder)?;
        }
        Task::BuildSbf { programs } => {
            programs::build(workspace, &builder, &programs)?;
            programs::show_hashes(workspace, &builder, &programs)?;
        }
        Task::Demo { arguments } => {
            programs::build(workspace, &builder, &[])?;
            host::build(workspace)?;
            if wants_web(&arguments) {
                web::build(workspace, &builder)?;
            }
            host::demo(workspace, &arguments)?;
        }
        Task::Test => test(workspace, &builder)?,
        Task::Mutants => mutants::run(workspace, &builder)?,
        Task::Bench { what: Bench::Cu } => {
            programs::build(workspace, &builder, &[])?;
            bench::compute_units(workspace)?;
        }
        Task::Bench { what: Bench::Engine } => bench::engine(workspace)?,
        Task::Bench { what: Bench::Gpu } => bench::gpu(workspace)?,
        Task::Bench { what: Bench::Indexer } => bench::indexer(workspace)?,
        Task::Bench { what: Bench::Traces } => bench::traces(workspace)?,
        Task::Fuzz {
            what: Fuzz::Referee { elements, seed },
        } => {
            programs::build(workspace, &builder, &[])?;
            fuzz::referee(workspace, elements, seed)?;
        }
        Task::Idl { check } => idl::run(workspace, check)?,
        Task::Ci => {
            for component in ["fmt", "clippy"] {
                let present = setup::succeeds(Command::new("cargo").args([component, "--version"]));
                ensure!(
                    present,
                    "this Rust installation has no cargo {component}: run `rustup component add rustfmt clippy`"
                );
            }
            let mut format = workspace.cargo("fmt");
            format.args(["--all", "--check"]);
            step::run(&workspace.root, "fmt", "checking formatting", format)?;
            lint(workspace)?;
            test(workspace, &builder)?;
        }
        Task::WriteIdl { .. } => {}
    }
    Ok(())
}

impl Task {
    fn scope(&self) -> Scope {
        match self {
            Self::Setup | Self::Test | Self::Ci => Scope::Tests,
            Self::Build => Scope::Web,
            Self::Demo { arguments } if wants_web(arguments) => Scope::Web,
            _ => Scope::Programs,
        }
    }
}

fn wants_web(arguments: &[String]) -> bool {
    arguments.iter().any(|argument| argument == "--web")
}

fn lint(workspace: &Workspace) -> Result<()> {
    let _target = workspace.take(HOST)?;
    let mut lint = workspace.cargo("clippy");
    lint.args(["--workspace", "--all-targets", "--", "-D", "warnings"]);
    step::run(&workspace.root, "clippy", "checking lints", lint)
}

fn test(workspace: &Workspace, builder: &setup::Builder) -> Result<()> {
    programs::build(workspace, builder, &[])?;
    idl::run(workspace, true)?;
    let postgres = setup::fetch_tools(workspace)?;
    // The end-to-end tests run the same binaries as people do, except that these contain fail points.
    host::build_with_tests(workspace)?;
    web::build(workspace, builder)?;
    let chromium = setup::chromium()?;
    // Both mostly wait, and they share only the build outputs.
    let (suites, web) = thread::scope(|scope| {
        let web = scope.spawn(|| web::test(workspace, &chromium));
        (suites::run(workspace, postgres.as_deref()), web.join())
    });
    let web = web.unwrap_or_else(|_| bail!("the tests of the web app panicked"));
    match (suites, web) {
        (Err(suites), Err(web)) => bail!("{suites:#}\n\n{web:#}"),
        (suites, web) => suites.and(web),
    }
}
