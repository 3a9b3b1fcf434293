//! Runs all tests and adds up the results.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, mpsc};
use std::thread;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::host::EVERYTHING;
use crate::step;
use crate::workspace::{HOST, Workspace};

/// Variable that tells the test runner how many tests to run in parallel.
const THREADS: &str = "RUST_TEST_THREADS";
/// More than one, as the longest tests mostly wait for a chain.
const TESTS_PER_CORE: usize = 2;
/// Executables that run at the same time: while the last tests of one wait, the other has work for the cores.
const AT_ONCE: usize = 2;

#[derive(Default)]
struct Tally {
    passed: u64,
    failed: u64,
    ignored: u64,
    /// Tests that passed without checking something, because this machine lacks what they need.
    skipped: u64,
}

/// A command that runs tests.
pub struct Suite {
    name: String,
    pub command: Command,
}

/// What a suite printed, and how it ended.
struct Outcome {
    name: String,
    lines: Vec<String>,
    /// Path of the log, if a test failed.
    failed: Option<PathBuf>,
}

/// Runs the tests of the workspace, where every library has `doctest = false`; tests and programs must have been built. `postgres` is the
/// folder of PostgreSQL's programs, if they are not to be taken from the PATH.
pub fn run(workspace: &Workspace, postgres: Option<&Path>) -> Result<()> {
    let _target = workspace.take(HOST)?;
    let cores = thread::available_parallelism().map_or(1, usize::from);
    // Built by cargo, but not run by it: cargo runs one executable after the other.
    let mut suites = executables(workspace, &[])?;
    suites.push(own(workspace));
    for Suite { command, .. } in &mut suites {
        if let Some(programs) = postgres {
            command.env("IONET_POSTGRES", programs);
        }
        if env::var_os(THREADS).is_none() {
            command.env(THREADS, (TESTS_PER_CORE * cores).to_string());
        }
    }
    let (mut tally, mut failed) = (Tally::default(), Vec::new());
    let suites = Mutex::new(suites.into_iter());
    let next = || suites.lock().ok()?.next();
    let (sender, outcomes) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            let sender = sender.clone();
            scope.spawn(move || while next().is_some_and(|suite| sender.send(suite.run(workspace)).is_ok()) {});
        }
        drop(sender);
        for outcome in outcomes {
            let outcome = outcome?;
            println!("\n{}:", outcome.name);
            for line in &outcome.lines {
                println!("{line}");
                tally.read(line);
            }
            failed.extend(outcome.failed);
        }
        anyhow::Ok(())
    })?;
    let few = [
        (tally.ignored, "ignored"),
        (tally.skipped, "skipped in part: see above for what this machine lacks"),
    ];
    let few = few.iter().filter(|(count, _)| *count > 0);
    let few: String = few.map(|(count, what)| format!(", {count} {what}")).collect();
    println!("{} passed, {} failed{few}", tally.passed, tally.failed);
    let logs: Vec<String> = failed.iter().map(|log| log.display().to_string()).collect();
    ensure!(logs.is_empty(), "not all tests passed; the logs are {}", logs.join(", "));
    Ok(())
}

/// The named integration tests of the workspace, or all tests if none is named. They are built if they are not up to date.
pub fn executables(workspace: &Workspace, names: &[&str]) -> Result<Vec<Suite>> {
    let mut tests = workspace.cargo("test");
    tests.args(EVERYTHING).args(names.iter().flat_map(|name| ["--test", name]));
    build(workspace, tests)
}

/// The tests that this `cargo test` would run. They are built if they are not up to date.
pub fn build(workspace: &Workspace, mut tests: Command) -> Result<Vec<Suite>> {
    tests.args(["--no-run", "--message-format", "json-render-diagnostics"]);
    let mut suites = Vec::new();
    let (status, log) = step::stream(&workspace.root, "build-tests", tests, |line| suites.extend(Suite::built(line)))?;
    ensure!(
        status.success() && !suites.is_empty(),
        "the tests cannot be built; the log is {}",
        log.display()
    );
    Ok(suites)
}

/// The tests of xtask, with the profile and target directory of the running one, so that its dependencies are not compiled again.
fn own(workspace: &Workspace) -> Suite {
    let mut command = workspace.cargo("test");
    command
        .env_remove("CARGO_TARGET_DIR")
        .args(["--profile", "xtask", "--package", "xtask"]);
    Suite {
        name: "xtask".to_owned(),
        command,
    }
}

impl Suite {
    /// The test executable that this line of cargo's JSON announces, if it does. Like cargo, runs it in the folder of its package.
    fn built(line: &str) -> Option<Self> {
        let message: Value = serde_json::from_str(line).ok()?;
        message.pointer("/profile/test")?.as_bool().filter(|is_test| *is_test)?;
        let mut command = Command::new(message.get("executable")?.as_str()?);
        let folder = Path::new(message.get("manifest_path")?.as_str()?).parent()?;
        command.current_dir(folder);
        let [kind, target] = ["/target/kind/0", "/target/name"].map(|pointer| message.pointer(pointer).and_then(Value::as_str));
        let package = package(message.get("package_id")?.as_str()?)?;
        Some(Self {
            name: format!("{package} {} {}", kind?, target?),
            command,
        })
    }

    fn run(self, workspace: &Workspace) -> Result<Outcome> {
        eprintln!("… testing {}", self.name);
        let mut lines = Vec::new();
        let log = format!("test-{}", self.name.replace(' ', "-"));
        let (status, log) = step::stream(&workspace.root, &log, self.command, |line| lines.push(line.to_owned()))
            .with_context(|| format!("cannot run the tests of {}", self.name))?;
        Ok(Outcome {
            name: self.name,
            lines,
            failed: (!status.success()).then_some(log),
        })
    }
}

/// The name in a package's id, such as `path+file:///w/tests#0.1.0`, or `path+file:///w/app/web/engine#web-engine@0.1.0` if it is not that
/// of the folder.
fn package(id: &str) -> Option<&str> {
    let (folder, version) = id.rsplit_once('#')?;
    match version.split_once('@') {
        Some((name, _)) => Some(name),
        None => folder.rsplit('/').next(),
    }
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
    use super::{Suite, Tally};

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

    #[test]
    fn a_suite_is_read_from_cargos_json() {
        let line = |id: &str, test: bool, kind: &str| {
            format!(
                r#"{{"reason":"compiler-artifact","package_id":"path+file:///w/{id}","manifest_path":"/w/tests/Cargo.toml",
                    "target":{{"kind":["{kind}"],"name":"cu"}},"profile":{{"test":{test}}},"executable":"/t/cu-0"}}"#
            )
        };
        let suite = Suite::built(&line("tests#0.1.0", true, "test"));
        assert!(suite.is_some_and(|suite| suite.name == "tests test cu" && suite.command.get_program() == "/t/cu-0"));
        let named = Suite::built(&line("web/engine#web-engine@0.1.0", true, "test"));
        assert!(named.is_some_and(|suite| suite.name == "web-engine test cu"));
        assert!(
            Suite::built(&line("tests#0.1.0", false, "bin")).is_none(),
            "a binary that tests start"
        );
        assert!(Suite::built("   Compiling tests").is_none());
    }
}
