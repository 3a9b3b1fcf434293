//! `ionet-worker`: runs a supplier's worker.

use chain::Chain;
use clap::{Parser, Subcommand};
use daemon::{log_to_stderr, run, stop_on_signals};
use std::{io::Write, process::ExitCode};
use worker::settings::{Compute, Options};
use worker::{Bench, Error, Models, Result, Worker, doctor};

/// Claims jobs on the GPU market, computes them, commits, reveals and gets paid
///
/// Every setting can be a flag, an environment variable or a line in the config file, in this order of precedence.
/// Exit codes: 0 stopped cleanly, 1 failed, 2 wrong settings, 3 chain unreachable or the wrong cluster, 130 ended at once by a second
/// signal.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    options: Options,
}

#[derive(Clone, Subcommand)]
enum Command {
    /// Serve jobs until stopped (the default)
    Run,
    /// Check the setup and say how to fix each problem
    Doctor,
    /// Measure this machine: how fast each model runs on the CPU and on each GPU, and what to charge per unit
    ///
    /// Needs only --models. Every op's output is hashed, as in a job.
    Bench(Bench),
    /// Check that this machine reproduces the golden vectors of every model, on the CPU and on each GPU
    Selftest,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    log_to_stderr(cli.options.log_format(), "warn,chain=info,worker=info,ionet_worker=info");
    #[cfg(feature = "failpoints")]
    let _points = fail::FailScenario::setup();
    run(act(cli), Error::exit_code)
}

async fn act(cli: Cli) -> Result<()> {
    let settings = || cli.options.clone().resolve();
    let print = |line: String| {
        // If standard output is closed, the exit code still says how it went.
        let _ = writeln!(std::io::stdout(), "{line}");
    };
    match cli.command.unwrap_or(Command::Run) {
        Command::Run => {
            let settings = settings()?;
            let stop = stop_on_signals();
            let chain = Chain::connect(&settings.cluster);
            let worker = Worker::start(settings, chain, stop).await?;
            worker.run().await
        }
        Command::Doctor => {
            let settings = settings()?;
            let chain = Chain::connect(&settings.cluster);
            doctor::examine(&settings, &chain, print).await
        }
        Command::Bench(bench) => bench.run(&cli.options.compute()?, print),
        Command::Selftest => {
            let Compute { models, threads, gpu } = cli.options.compute()?;
            worker::selftest(&Models::load(&models, threads)?, &gpu, print)
        }
    }
}
