//! `ionet-worker`: runs a supplier's worker.

use chain::{Chain, market};
use clap::{Parser, Subcommand};
use std::{io::Write, process::ExitCode, time::Duration};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;
use worker::settings::{LogFormat, Options};
use worker::{Models, Result, Worker, doctor};

/// Claims jobs of the GPU market, computes them, commits, reveals and is paid
///
/// Every setting is a flag, an environment variable or a line of the config file, in this order of precedence.
/// Exit codes: 0 stopped in order, 1 failed, 2 wrong settings, 3 chain out of reach or the wrong one.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    options: Options,
}

#[derive(Clone, Copy, Subcommand)]
enum Command {
    /// Serve jobs until stopped (the default)
    Run,
    /// Check the setup and say what to do about each problem
    Doctor,
    /// Check that this machine reproduces the golden vectors of every model
    Selftest,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    log_to_stderr(cli.options.log_format());
    #[cfg(feature = "failpoints")]
    let _points = fail::FailScenario::setup();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&format!("the system gives no threads: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let done = runtime.block_on(act(cli));
    // A unit that is being computed is not waited for: it is computed again after the next start.
    runtime.shutdown_timeout(Duration::ZERO);
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error.to_string());
            ExitCode::from(error.exit_code())
        }
    }
}

async fn act(cli: Cli) -> Result<()> {
    let settings = cli.options.resolve()?;
    let print = |line: String| {
        // Nobody reads any more: the exit code still tells.
        let _ = writeln!(std::io::stdout(), "{line}");
    };
    match cli.command.unwrap_or(Command::Run) {
        Command::Run => {
            let stop = stop_on_signals();
            let chain = Chain::connect(&settings.cluster, market::errors());
            let worker = Worker::start(settings, chain, stop).await?;
            worker.run().await
        }
        Command::Doctor => {
            let chain = Chain::connect(&settings.cluster, market::errors());
            doctor::examine(&settings, &chain, print).await
        }
        Command::Selftest => worker::selftest(&Models::load(&settings.models, settings.threads)?, print),
    }
}

/// The first signal asks for an orderly stop, the second one ends the process; either way nothing is lost.
fn stop_on_signals() -> CancellationToken {
    let stop = CancellationToken::new();
    let asked = stop.clone();
    tokio::spawn(async move {
        loop {
            tokio::select! {
                () = terminated() => {}
                caught = tokio::signal::ctrl_c() => {
                    if let Err(error) = caught {
                        return tracing::warn!(%error, "signals cannot be caught; killing the worker is safe too");
                    }
                }
            }
            if asked.is_cancelled() {
                std::process::exit(130);
            }
            asked.cancel();
        }
    });
    stop
}

/// Completes when the system asks the process to end; never where there is no such signal.
async fn terminated() {
    #[cfg(unix)]
    if let Ok(mut terminate) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        terminate.recv().await;
        return;
    }
    std::future::pending::<()>().await;
}

fn log_to_stderr(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn,worker=info,ionet_worker=info"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Human => log.with_target(false).init(),
        LogFormat::Json => log.json().flatten_event(true).with_current_span(false).init(),
    }
}

fn complain(text: &str) {
    let _ = writeln!(std::io::stderr(), "error: {text}");
}
