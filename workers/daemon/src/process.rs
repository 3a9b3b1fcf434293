//! Signals, logs and the last word.

use clap::ValueEnum;
use serde::Deserialize;
use std::{
    io::{IsTerminal, Write},
    process::ExitCode,
    time::Duration,
};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Human,
    /// One JSON object a line.
    Json,
}

/// Runs `act` to its end on a runtime of its own; its error is the last word and `code` of it the exit code.
pub fn run<E: std::fmt::Display>(act: impl Future<Output = Result<(), E>>, code: impl FnOnce(&E) -> u8) -> ExitCode {
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&format!("the system gives no threads: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let done = runtime.block_on(act);
    // A unit that is being computed is not waited for: it is computed again after the next start.
    runtime.shutdown_timeout(Duration::ZERO);
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error.to_string());
            ExitCode::from(code(&error))
        }
    }
}

/// The first signal asks for an orderly stop, the second one ends the process; either way nothing is lost.
pub fn stop_on_signals() -> CancellationToken {
    let stop = CancellationToken::new();
    let asked = stop.clone();
    tokio::spawn(async move {
        loop {
            tokio::select! {
                () = terminated() => {}
                caught = tokio::signal::ctrl_c() => {
                    if let Err(error) = caught {
                        return tracing::warn!(%error, "signals cannot be caught; killing this process is safe too");
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

/// Logs to standard error from now on; `filter` holds unless RUST_LOG says otherwise.
pub fn log_to_stderr(format: LogFormat, filter: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(filter));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // Otherwise NO_COLOR decides.
    let log = if std::io::stderr().is_terminal() {
        log
    } else {
        log.with_ansi(false)
    };
    match format {
        LogFormat::Human => log.with_target(false).init(),
        LogFormat::Json => log.json().flatten_event(true).with_current_span(false).init(),
    }
}

fn complain(text: &str) {
    let _ = writeln!(std::io::stderr(), "error: {text}");
}
