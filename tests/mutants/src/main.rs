//! Mutation testing of the programs and of the `protocol` crate. In a mutant, one check, statement or comparison is switched off or turned
//! around. One that survives all tests shows what no test notices.
//!
//! Not mutated are constraints of accounts, `ok_or`, what is checked arithmetic, what is evaluated when compiled, and `invariant()`.
//!
//! Building a program takes seconds, and there are thousands of mutants. Therefore all of them are in one build: at each place the code
//! asks whether the mutant of that number is on. The number lies in a constant that is overwritten in the built program, and for the tests
//! of `protocol` in a variable. `cargo xtask mutants` copies the sources, mutates and builds them, and runs the tests.

mod mutate;
mod run;
mod switch;

use std::fmt;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use serde::{Deserialize, Serialize};

/// Mutates crates and runs tests against the mutants.
#[derive(Parser)]
enum Command {
    /// Put mutants into crates of a copy of the workspace, in place
    Mutate {
        /// The copy
        workspace: PathBuf,
        /// Folders of the crates within it
        crates: Vec<PathBuf>,
        /// Where to list the mutants
        #[arg(long)]
        list: PathBuf,
    },
    /// Run tests against each mutant, and write a page about those that survive
    Run {
        /// The list of mutants
        #[arg(long)]
        list: PathBuf,
        /// Folder of the built programs with all mutants
        #[arg(long)]
        programs: PathBuf,
        /// The page to write
        #[arg(long)]
        page: PathBuf,
        /// Folder in which the tests run
        #[arg(long)]
        folder: PathBuf,
        /// Executables of the tests
        tests: Vec<PathBuf>,
    },
}

/// A place at which a crate can be mutated.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Mutant {
    /// From 1; 0 stands for the crates as they are.
    number: u16,
    /// Name of the crate.
    package: String,
    /// Path of the source within the workspace.
    file: String,
    line: usize,
    change: Change,
    /// What is changed, as tokens.
    code: String,
}

/// How a mutant differs from the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Change {
    /// A `require!` that always holds.
    Unchecked,
    /// A statement that is left out.
    LeftOut,
    /// The last call of a function, which may fail, is left out.
    Unfinished,
    /// `<` for `<=`, `>` for `>=`, `==` for `!=`, `+` for `-`, and the other way round.
    Operator,
    /// The left operand of `&&`, `||`, `min` or `max` has no effect.
    Left,
    /// The right operand has no effect.
    Right,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unchecked => "not checked",
            Self::LeftOut => "left out",
            Self::Unfinished => "last call left out",
            Self::Operator => "operator turned around",
            Self::Left => "left operand ignored",
            Self::Right => "right operand ignored",
        })
    }
}

fn main() -> ExitCode {
    let result: Result<()> = match Command::parse() {
        Command::Mutate { workspace, crates, list } => mutate::all(&workspace, &crates, &list),
        Command::Run {
            list,
            programs,
            page,
            folder,
            tests,
        } => run::all(&list, &programs, &folder, &tests, &page),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
