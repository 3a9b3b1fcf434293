//! The `ionet` command line: one file or folder per command below `command`, parsing apart from running, answers as text or JSON from one
//! value.
//!
//! A command resolves its [`Options`] into [`Settings`](settings::Settings), works through a [`Context`](context::Context) and returns an
//! [`Answer`](output::Answer). Nothing is sent before the simulated effect is confirmed, or with `--yes` ([`send`]).

pub mod amount;
pub mod command;
pub mod config;
pub mod context;
mod effect;
pub mod error;
mod file;
pub mod output;
mod photo;
mod progress;
mod record;
mod send;
pub mod settings;
mod story;
#[cfg(test)]
mod testing;
mod week;

pub use command::Options;

use clap::error::ErrorKind;
use futures_util::future::{FutureExt, LocalBoxFuture};
use output::Format;
use solana_address::error::ParseAddressError;
use std::{error::Error as _, io::Write};

/// What one run prints, and its exit code.
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
            code: answer.code(),
            ..Outcome::default()
        },
        Ok(None) => Outcome::default(),
        Err(error) => Outcome {
            stderr: match format {
                Format::Text => format!("error: {error}"),
                Format::Json => failure(&error.to_string(), error.code(), Some(&error)),
            },
            code: error.code(),
            ..Outcome::default()
        },
    }
}

/// An error as JSON: its sentence and exit code, and the job and transaction it is about.
fn failure(sentence: &str, code: u8, error: Option<&error::Error>) -> String {
    let (job, signature) = error.and_then(error::Error::job).unzip();
    let value = serde_json::json!({
        "error": sentence,
        "code": code,
        "program_error": error.and_then(error::Error::program_error),
        "job": job.map(ToString::to_string),
        "signature": signature,
    });
    format!("{value:#}")
}

/// The outcome of a command line that cannot be parsed; `None` where clap's own output is best: help, and most errors in text.
pub fn misread(error: &clap::Error) -> Option<Outcome> {
    let cause = error.source().filter(|cause| cause.is::<ParseAddressError>());
    let format = typed_format();
    if !error.use_stderr() || (cause.is_none() && format == Format::Text) {
        return None;
    }
    let mut text = error.to_string();
    if let Some(cause) = cause {
        const SAID: &str =
            "this is not a valid address, which has 32 to 44 letters and digits; the `show` and `list` commands print addresses";
        text = text.replace(&cause.to_string(), SAID);
    }
    // Usage and hints follow after an empty line.
    let sentence = match error.kind() {
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => "no command was given; --help lists them",
        _ => text.split("\n\n").next().unwrap_or_default(),
    };
    let sentence: Vec<&str> = sentence.trim_start_matches("error: ").split_whitespace().collect();
    Some(Outcome {
        stderr: match format {
            Format::Text => text.trim_end().to_owned(),
            Format::Json => failure(&sentence.join(" "), error::code::USAGE, None),
        },
        code: error::code::USAGE,
        ..Outcome::default()
    })
}

/// What to print on standard error when the answer could not be written: the answer too, as what it tells of may have been paid for.
pub fn unwritten(error: &std::io::Error, answer: &str, code: u8) -> String {
    let sentence = format!("the answer could not be written: {error}");
    match typed_format() {
        Format::Text => format!("error: {sentence}\n{answer}"),
        Format::Json => {
            let answer = serde_json::from_str(answer).unwrap_or(serde_json::Value::Null);
            let value = serde_json::json!({ "error": sentence, "code": code, "job": answer.get("job"), "answer": answer });
            format!("{value:#}")
        }
    }
}

/// The format asked for by the command line, the environment or the config file.
fn typed_format() -> Format {
    Format::typed(std::env::args_os().map(|argument| argument.to_string_lossy().into_owned()))
}

/// Writes text and a line break; nothing for no text.
pub fn write(mut to: impl Write, text: &str) -> std::io::Result<()> {
    if text.is_empty() {
        return Ok(());
    }
    writeln!(to, "{text}")
}
