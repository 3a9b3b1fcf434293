//! The `ionet` command line: one file per command below `command`, parsing apart from running, answers as text or JSON from one value.
//!
//! A command resolves its [`Options`] into [`Settings`](settings::Settings), works through a [`Context`](context::Context) and returns an
//! [`Answer`](output::Answer). Nothing is sent without `--yes` or a yes to the simulated effect ([`send`]).

pub mod amount;
pub mod command;
pub mod config;
pub mod context;
mod effect;
pub mod error;
pub mod output;
mod photo;
mod progress;
mod record;
mod send;
pub mod settings;
mod story;
mod week;

pub use command::Options;

use futures_util::future::{FutureExt, LocalBoxFuture};
use std::io::Write;

/// What a run of the program leaves behind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// For standard output.
    pub stdout: String,
    /// For standard error.
    pub stderr: String,
    /// Exit code.
    pub code: u8,
}

/// Runs one command line.
// Boxed, so that the commands are compiled here, once.
pub fn run(options: Options) -> LocalBoxFuture<'static, Outcome> {
    outcome(options).boxed_local()
}

async fn outcome(options: Options) -> Outcome {
    let format = options.format();
    match command::run(options).await {
        Ok(Some(answer)) => Outcome {
            stdout: answer.show(format),
            ..Outcome::default()
        },
        Ok(None) => Outcome::default(),
        Err(error) => Outcome {
            stderr: match format {
                output::Format::Text => format!("error: {error}"),
                output::Format::Json => {
                    let (code, name) = (error.code(), error.program_error());
                    format!(
                        "{:#}",
                        serde_json::json!({ "error": error.to_string(), "code": code, "program_error": name })
                    )
                }
            },
            code: error.code(),
            ..Outcome::default()
        },
    }
}

/// Writes text and a line break; nothing for no text.
pub fn write(mut to: impl Write, text: &str) -> std::io::Result<()> {
    if text.is_empty() {
        return Ok(());
    }
    writeln!(to, "{text}")
}
