//! Shutdown, logs and exit codes.

use clap::ValueEnum;
use serde::Deserialize;
use std::{
    env::{self, VarError},
    io::{self, IsTerminal, Write},
    process::{Command, ExitCode, Stdio, exit},
    thread,
    time::Duration,
};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

/// Environment variable that makes [`stop_on_signals`] and [`end_with_parent`] treat the end of standard input as the parent's.
const STOP_WITH_PARENT: &str = "IONET_STOP_WITH_PARENT";

/// Format of log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Human,
    /// One JSON object a line.
    Json,
}

/// Runs `act` on a new runtime. An error is printed, and `code` maps it to the exit code.
pub fn run<E: std::fmt::Display>(act: impl Future<Output = Result<(), E>>, code: impl FnOnce(&E) -> u8) -> ExitCode {
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&format!("cannot start the runtime's threads: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let done = runtime.block_on(act);
    // Blocking tasks are not waited for: what they compute can be computed again.
    runtime.shutdown_timeout(Duration::ZERO);
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error.to_string());
            ExitCode::from(code(&error))
        }
    }
}

/// Makes a child stop when this process ends, however it ends. The child, which must call [`stop_on_signals`] or [`end_with_parent`], reads
/// its standard input from a pipe whose other end the child's `stdin` holds, so keep that for as long as the child is to run.
pub fn stop_with_parent(command: &mut Command) {
    command.env(STOP_WITH_PARENT, "1").stdin(Stdio::piped());
}

/// Ends this process at once when its parent is gone, if it was started by way of [`stop_with_parent`].
pub fn end_with_parent() {
    if env::var_os(STOP_WITH_PARENT).is_some() {
        at_end_of_input(|| exit(1));
    }
}

/// Waits for the end of standard input in a thread of its own: a read through Tokio that never ends would keep the runtime from shutting
/// down.
fn at_end_of_input(act: impl FnOnce() + Send + 'static) {
    thread::spawn(move || {
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        act();
    });
}

/// Cancels the token on the first signal and ends the process on the second; either is safe. A daemon that was started by way of
/// [`stop_with_parent`] also stops when its parent is gone.
pub fn stop_on_signals() -> CancellationToken {
    let stop = CancellationToken::new();
    if env::var_os(STOP_WITH_PARENT).is_some() {
        let orphaned = stop.clone();
        at_end_of_input(move || orphaned.cancel());
    }
    let asked = stop.clone();
    tokio::spawn(async move {
        let mut is_second = false;
        loop {
            tokio::select! {
                () = terminated() => {}
                caught = tokio::signal::ctrl_c() => {
                    if let Err(error) = caught {
                        return tracing::warn!(%error, "cannot handle signals; it is safe to kill this process");
                    }
                }
            }
            if is_second {
                std::process::exit(130);
            }
            is_second = true;
            asked.cancel();
        }
    });
    stop
}

/// Completes on SIGTERM; never on systems without it.
async fn terminated() {
    #[cfg(unix)]
    if let Ok(mut terminate) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        terminate.recv().await;
        return;
    }
    std::future::pending::<()>().await;
}

/// Logs to standard error from now on; RUST_LOG overrides `filter`.
pub fn log_to_stderr(format: LogFormat, filter: &str) {
    let (filter, refused) = match env::var(EnvFilter::DEFAULT_ENV).map(EnvFilter::try_new) {
        Ok(Ok(asked)) => (asked, None),
        Ok(Err(error)) => (EnvFilter::new(filter), Some(error.to_string())),
        Err(VarError::NotPresent) => (EnvFilter::new(filter), None),
        Err(error) => (EnvFilter::new(filter), Some(error.to_string())),
    };
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // It would report a failed write on standard error, where that fails again, and panic.
        .log_internal_errors(false);
    // On a terminal NO_COLOR decides.
    let log = if std::io::stderr().is_terminal() {
        log
    } else {
        log.with_ansi(false)
    };
    match format {
        LogFormat::Human => log.with_target(false).init(),
        LogFormat::Json => log.json().flatten_event(true).with_current_span(false).init(),
    }
    if let Some(error) = refused {
        tracing::warn!(error, "RUST_LOG is not a valid log filter; using the default");
    }
}

fn complain(text: &str) {
    let _ = writeln!(std::io::stderr(), "error: {text}");
}
