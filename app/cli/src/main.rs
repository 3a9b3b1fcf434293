//! `ionet`: the market from a terminal.

use clap::Parser;
use cli::{Options, Outcome};
use daemon::LogFormat;
use std::io::ErrorKind;
use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    daemon::log_to_stderr(LogFormat::Human, "error");
    daemon::end_with_parent();
    let Outcome { stdout, stderr, mut code } = match Options::try_parse() {
        Ok(options) => cli::run(options).await,
        Err(error) => cli::misread(&error).unwrap_or_else(|| error.exit()),
    };
    let written = cli::write(std::io::stdout(), &stdout);
    let _ = cli::write(std::io::stderr(), &stderr);
    // A reader that closed the pipe has read what it wanted.
    if let Err(error) = written
        && error.kind() != ErrorKind::BrokenPipe
    {
        code = code.max(1);
        let _ = cli::write(std::io::stderr(), &cli::unwritten(&error, &stdout, code));
    }
    ExitCode::from(code)
}
