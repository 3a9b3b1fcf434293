//! `ionet localnet`: starts the program that runs a market on this machine.

use crate::{
    error::{Result, refuse},
    output::{Answer, Format},
};
use clap::Args;
use std::{ffi::OsString, process::Command};

const PROGRAM: &str = "ionet-localnet";

#[derive(Args, Debug)]
#[command(disable_help_flag = true)]
pub struct Arguments {
    /// Options of the local network; `ionet localnet --help` lists them
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTIONS")]
    passed: Vec<OsString>,
}

impl Arguments {
    /// The program's options, which print in this format unless they name another.
    fn options(self, format: Format) -> Vec<OsString> {
        let named = self.passed.iter().any(|option| option.to_string_lossy().starts_with("--output"));
        let output = ["--output", "json"].iter().filter(|_| format == Format::Json && !named);
        output.map(Into::into).chain(self.passed).collect()
    }

    pub fn run(self, format: Format) -> Result<Option<Answer>> {
        let name = format!("{PROGRAM}{}", std::env::consts::EXE_SUFFIX);
        let sibling = std::env::current_exe()
            .ok()
            .map(|ionet| ionet.with_file_name(&name))
            .filter(|path| path.exists());
        let mut command = Command::new(sibling.unwrap_or_else(|| name.into()));
        command.args(self.options(format));
        let error = replace(command);
        refuse(format!(
            "{PROGRAM} cannot be started ({error}); build it with `cargo build -p localnet` next to this program, or put it on the PATH"
        ))
    }
}

/// Becomes the other program, so that signals reach it; returns only when that fails.
#[cfg(unix)]
fn replace(mut command: Command) -> std::io::Error {
    std::os::unix::process::CommandExt::exec(&mut command)
}

/// Waits for the other program and ends with its exit code.
#[cfg(not(unix))]
fn replace(mut command: Command) -> std::io::Error {
    match command.status() {
        Ok(status) => std::process::exit(status.code().unwrap_or(1)),
        Err(error) => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_own_format_wins() {
        let options = |format, passed: &[&str]| {
            let passed = passed.iter().map(Into::into).collect();
            Arguments { passed }.options(format)
        };
        assert_eq!(options(Format::Json, &["--web"]), ["--output", "json", "--web"]);
        assert_eq!(options(Format::Text, &["--web"]), ["--web"]);
        assert_eq!(options(Format::Json, &["--output=text"]), ["--output=text"]);
    }
}
