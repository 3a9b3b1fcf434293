//! Mutation testing of the programs. A mutant is a program in which one check, statement or comparison is switched off or turned around.
//! One that survives all tests shows what no test notices.
//!
//! Not mutated are constraints of accounts, `ok_or` and what is checked arithmetic, and nothing outside of the programs' own functions.
//!
//! Building a program takes seconds, and there are thousands of mutants. Therefore all of them are in one build: at each place the program
//! asks whether the mutant of that number is on, and the number lies in a constant that is overwritten in the built file.
//! `cargo xtask mutants` copies the sources, mutates and builds them, and runs the tests.

mod mutate;
mod run;
mod switch;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use serde::{Deserialize, Serialize};

/// Mutates programs and runs tests against their mutants.
#[derive(Parser)]
enum Command {
    /// Put all mutants into the programs of a copy of the workspace, in place
    Mutate {
        /// The copy
        workspace: PathBuf,
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

/// A place at which a program can be mutated.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Mutant {
    /// From 1; 0 stands for the program as it is.
    number: u16,
    /// Name of the program.
    program: String,
    /// Path of the source within the workspace.
    file: String,
    line: usize,
    change: Change,
    /// What is changed, as tokens.
    code: String,
}

/// How a mutant differs from the program.
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

fn main() -> ExitCode {
    let result: Result<()> = match Command::parse() {
        Command::Mutate { workspace, list } => mutate::all(&workspace, &list),
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
