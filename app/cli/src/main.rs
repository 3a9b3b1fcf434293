//! `ionet`: the market from a terminal.

use clap::Parser;
use cli::{Options, Outcome};
use daemon::LogFormat;
use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    daemon::log_to_stderr(LogFormat::Human, "error");
    let Outcome { stdout, stderr, code } = match Options::try_parse() {
        Ok(options) => cli::run(options).await,
        Err(error) => cli::misread(&error).unwrap_or_else(|| error.exit()),
    };
    // A reader that closed the pipe has read what it wanted.
    let _ = cli::write(std::io::stdout(), &stdout);
    let _ = cli::write(std::io::stderr(), &stderr);
    ExitCode::from(code)
}
