//! Runs all tests and adds up the results.

use std::env;
use std::path::Path;
use std::thread;

use anyhow::{Result, ensure};

use crate::host::EVERYTHING;
use crate::step;
use crate::workspace::{HOST, Workspace};

/// Variable that tells the test runner how many tests to run in parallel.
const THREADS: &str = "RUST_TEST_THREADS";
/// More than one, as the longest tests mostly wait for a chain.
const TESTS_PER_CORE: usize = 2;

#[derive(Default)]
struct Tally {
    passed: u64,
    failed: u64,
    ignored: u64,
    /// Tests that passed without checking something, because this machine lacks what they need.
    skipped: u64,
}

/// Runs the tests of the workspace; tests and programs must have been built. `postgres` is the folder of PostgreSQL's programs, if they are
/// not to be taken from the PATH.
pub fn run(workspace: &Workspace, postgres: Option<&Path>) -> Result<()> {
    let mut test = workspace.cargo("test");
    test.args(EVERYTHING).arg("--no-fail-fast");
    if let Some(programs) = postgres {
        test.env("IONET_POSTGRES", programs);
    }
    if env::var_os(THREADS).is_none() {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        test.env(THREADS, (TESTS_PER_CORE * cores).to_string());
    }
    // With the profile and target directory of the running xtask, so that its dependencies are not compiled again.
    let mut test_xtask = workspace.cargo("test");
    test_xtask
        .env_remove("CARGO_TARGET_DIR")
        .args(["--profile", "xtask", "--package", "xtask"]);

    let _target = workspace.take(HOST)?;
    let mut tally = Tally::default();
    let mut failed = Vec::new();
    for (name, command) in [("test", test), ("test-xtask", test_xtask)] {
        let (status, log) = step::stream(&workspace.root, name, command, |line| {
            println!("{line}");
            tally.read(line);
        })?;
        if !status.success() {
            failed.push(log.display().to_string());
        }
    }
    let few = [
        (tally.ignored, "ignored"),
        (tally.skipped, "skipped in part: see above for what this machine lacks"),
    ];
    let few = few.iter().filter(|(count, _)| *count > 0);
    let few: String = few.map(|(count, what)| format!(", {count} {what}")).collect();
    println!("{} passed, {} failed{few}", tally.passed, tally.failed);
    ensure!(
        failed.is_empty(),
        "not all tests passed; the whole log is in {}",
        failed.join(" and ")
    );
    Ok(())
}

impl Tally {
    /// Adds a line like `test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.05s`.
    fn read(&mut self, line: &str) {
        // Written past the capture of output, so it may follow the name of a running test.
        if line.contains("skipped: ") {
            self.skipped += 1;
        }
        let Some((_, counts)) = line.strip_prefix("test result: ").and_then(|rest| rest.split_once(". ")) else {
            return;
        };
        for count in counts.split("; ") {
            let Some((number, what)) = count.split_once(' ') else { continue };
            let Ok(number) = number.parse::<u64>() else { continue };
            match what {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.ignored += number,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Tally;

    #[test]
    fn adds_up_the_suites() {
        let mut tally = Tally::default();
        for line in [
            "running 2 tests",
            "test a_gpu ... skipped: no bits of a GPU are compared; there is no driver",
            "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.05s",
            "test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.20s",
        ] {
            tally.read(line);
        }
        assert_eq!((tally.passed, tally.failed, tally.ignored, tally.skipped), (15, 2, 1, 1));
    }
}
