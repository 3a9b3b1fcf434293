//! Runs tests against mutants.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::io::{BufRead, BufReader};
use std::iter;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, available_parallelism};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};

use crate::{Mutant, switch};

/// Tests that take longer fail: the mutant keeps one from ending. Without a mutant each executable takes some seconds.
const PATIENCE: Duration = Duration::from_secs(100);
/// How many of the tests that killed mutants of a file are tried first on its next one.
const FAVOURITES: usize = 8;
/// How many mutants pass between two lines of progress, where no bar can be drawn.
const HEARTBEAT: u64 = 100;
/// Tests that count what the programs cost, which is more with mutants.
const COSTS: [&str; 1] = ["staking::check_in::the_largest_work_is_judged_in_one_instruction"];

/// What all mutants have in common.
struct Campaign<'a> {
    /// Built programs by file name.
    programs: BTreeMap<String, Vec<u8>>,
    /// Where the tests run.
    folder: &'a Path,
    /// Executables of tests by name.
    tests: BTreeMap<String, PathBuf>,
}

/// A mutant, or none, that tests run against.
struct Trial<'a> {
    campaign: &'a Campaign<'a>,
    /// Which mutant is on.
    number: u16,
    /// Where the programs are.
    programs: Scratch,
}

/// Tests of an executable.
enum Tests<'a> {
    Named(Vec<&'a str>),
    /// Those of a module.
    Of(&'a str),
    All,
}

/// What killed a mutant.
#[derive(Clone, PartialEq)]
enum Killer {
    /// A test: its executable and its name there.
    Test(String, String),
    /// The tests did not end, or crashed.
    Unnamed,
}

/// What is known so far.
#[derive(Default)]
struct Results {
    /// By file, the tests that killed its mutants, the last one first.
    killers: BTreeMap<String, Vec<Killer>>,
    survivors: Vec<Mutant>,
    /// Number of mutants that no test of a name killed.
    unnamed: usize,
}

/// Runs the tests against each mutant and writes the page.
pub fn all(list: &Path, programs: &Path, folder: &Path, tests: &[PathBuf], page: &Path) -> Result<()> {
    let mutants: Vec<Mutant> = serde_json::from_slice(&fs::read(list)?)?;
    let campaign = Campaign {
        programs: read_programs(programs)?,
        folder,
        tests: tests.iter().map(|path| (name(path), path.clone())).collect(),
    };
    let none = Trial::new(&campaign, 0)?;
    for executable in campaign.tests.keys() {
        if none.first_failure(executable, &Tests::All)?.is_some() {
            bail!("{executable} fails without a mutant");
        }
    }
    let bar = ProgressStyle::with_template("{wide_bar} {pos} of {len} mutants, {eta} left")?;
    let progress = ProgressBar::new(mutants.len() as u64).with_style(bar);
    let (queue, results) = (Mutex::new(mutants.iter()), Mutex::new(Results::default()));
    let work = || -> Result<()> {
        loop {
            let next = lock(&queue).next();
            let Some(mutant) = next else { return Ok(()) };
            let favourites = lock(&results).killers.get(&mutant.file).cloned().unwrap_or_default();
            let killer = Trial::new(&campaign, mutant.number)?.killer(mutant, &favourites)?;
            if killer.is_none() {
                let Mutant {
                    number,
                    file,
                    line,
                    change,
                    ..
                } = mutant;
                progress.suspend(|| eprintln!("{number} survived: {file}:{line}, {change}"));
            }
            lock(&results).add(mutant, killer);
            progress.inc(1);
            if progress.is_hidden() && u64::from(mutant.number) % HEARTBEAT == 0 {
                eprintln!("… {} of {} mutants", mutant.number, mutants.len());
            }
        }
    };
    thread::scope(|scope| {
        let workers = available_parallelism().map_or(1, usize::from);
        // Without one, the others need not go on.
        let workers: Vec<_> = (0..workers)
            .map(|_| scope.spawn(|| work().inspect_err(|_| lock(&queue).by_ref().for_each(drop))))
            .collect();
        let mut ends = workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or_else(|_| bail!("a worker panicked")));
        ends.try_for_each(|end| end)
    })?;
    progress.finish();
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.survivors.sort_by_key(|mutant| mutant.number);
    fs::write(page, write_page(&mutants, &results)).with_context(|| format!("cannot write {}", page.display()))?;
    let killed = mutants.len() - results.survivors.len();
    println!(
        "{killed} of {} mutants were killed; the survivors are in {}",
        mutants.len(),
        page.display()
    );
    Ok(())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Name of a test target: cargo appends a hash to that of its executable.
fn name(executable: &Path) -> String {
    let stem = executable.file_stem().unwrap_or_default().to_string_lossy();
    stem.rsplit_once('-').map_or(stem.as_ref(), |(name, _)| name).to_owned()
}

fn read_programs(folder: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut programs = BTreeMap::new();
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "so") {
            let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            programs.insert(file, fs::read(&path)?);
        }
    }
    Ok(programs)
}

impl Results {
    fn add(&mut self, mutant: &Mutant, killer: Option<Killer>) {
        match killer {
            None => self.survivors.push(mutant.clone()),
            Some(Killer::Unnamed) => self.unnamed += 1,
            Some(killer) => {
                let killers = self.killers.entry(mutant.file.clone()).or_default();
                killers.retain(|known| *known != killer);
                killers.insert(0, killer);
                killers.truncate(FAVOURITES);
            }
        }
    }
}

impl<'a> Trial<'a> {
    fn new(campaign: &'a Campaign<'a>, number: u16) -> Result<Self> {
        let programs = Scratch::new(number)?;
        for (file, code) in &campaign.programs {
            let mut code = code.clone();
            switch::set(&mut code, number).with_context(|| format!("in {file}"))?;
            fs::write(programs.0.join(file), code)?;
        }
        Ok(Self {
            campaign,
            number,
            programs,
        })
    }

    /// What kills the mutant. The favourites are tried first, then the tests named like the file, those of the crate, and all others.
    fn killer(&self, mutant: &Mutant, favourites: &[Killer]) -> Result<Option<Killer>> {
        let mut by_executable: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for favourite in favourites {
            if let Killer::Test(executable, test) = favourite {
                by_executable.entry(executable).or_default().push(test);
            }
        }
        let favourites = by_executable
            .into_iter()
            .map(|(executable, tests)| (executable, Tests::Named(tests)));
        // The tests of an instruction are in a module of its name.
        let module = Path::new(&mutant.file).file_stem().unwrap_or_default().to_string_lossy();
        let package = mutant.package.as_str();
        let of_module = (package, Tests::Of(&module));
        let others = self.campaign.tests.keys().map(String::as_str);
        // The tests of `protocol` know no programs, and its mutants are off in programs.
        let others = others.filter(|name| package != switch::CRATE && ![package, switch::CRATE].contains(name));
        let whole = iter::once(package).chain(others).map(|executable| (executable, Tests::All));
        for (executable, tests) in favourites.chain([of_module]).chain(whole) {
            let killer = self.first_failure(executable, &tests)?;
            if killer.is_some() {
                return Ok(killer);
            }
        }
        Ok(None)
    }

    /// The first of these tests that fails. The rest is stopped then.
    fn first_failure(&self, executable: &str, tests: &Tests) -> Result<Option<Killer>> {
        let path = (self.campaign.tests.get(executable)).with_context(|| format!("no tests are called {executable}"))?;
        let mut command = Command::new(path);
        match tests {
            Tests::Named(names) => command.arg("--exact").args(names),
            Tests::Of(module) => command.arg(format!("{module}::")),
            Tests::All => &mut command,
        };
        command.args(COSTS.iter().flat_map(|test| ["--skip", test]));
        command
            .current_dir(self.campaign.folder)
            .env("IONET_DEPLOY_DIR", &self.programs.0)
            .env(switch::VARIABLE, self.number.to_string())
            .env("RUST_BACKTRACE", "0")
            // A failure is enough: neither the smallest nor one to be tried again.
            .env("PROPTEST_MAX_SHRINK_ITERS", "0")
            .env("PROPTEST_DISABLE_FAILURE_PERSISTENCE", "true")
            // Mutants run side by side, not tests.
            .env("RUST_TEST_THREADS", "1")
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .stdout(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("cannot start {executable}"))?;
        let started = Instant::now();
        let output = child.stdout.take().context("the output is piped")?;
        let (sender, lines) = mpsc::channel();
        let reader = thread::spawn(move || {
            let lines = BufReader::new(output).lines().map_while(Result::ok);
            lines.map(|line| sender.send(line)).take_while(Result::is_ok).for_each(drop);
        });
        let found = loop {
            match lines.recv_timeout(PATIENCE.saturating_sub(started.elapsed())) {
                Ok(line) => {
                    if let Some(test) = failed(&line) {
                        break Some(Killer::Test(executable.to_owned(), test.to_owned()));
                    }
                }
                Err(RecvTimeoutError::Timeout) => break Some(Killer::Unnamed),
                Err(RecvTimeoutError::Disconnected) => break None,
            }
        };
        if found.is_some() {
            // It may have ended by itself.
            let _ = child.kill();
        }
        let status = child.wait()?;
        drop(lines);
        let _ = reader.join();
        Ok(found.or_else(|| (!status.success()).then_some(Killer::Unnamed)))
    }
}

/// The test that a line of a test executable reports as failed.
fn failed(line: &str) -> Option<&str> {
    let (_, test) = line.strip_suffix(" ... FAILED")?.rsplit_once("test ")?;
    Some(test.trim_end_matches(" - should panic"))
}

/// A folder that is removed in the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(number: u16) -> Result<Self> {
        let path = std::env::temp_dir().join(format!("ionet-mutant-{}-{number}", std::process::id()));
        fs::create_dir_all(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn write_page(mutants: &[Mutant], results: &Results) -> String {
    let mut page = String::from(
        "# Mutants\n\n\
         Written by `cargo xtask mutants`. Each `require!`, statement and comparison in the functions of the programs and of `protocol` was\n\
         switched off or turned around, one at a time, and tests were run against the result: those of the programs, or those of `protocol`. A\n\
         mutant is killed if one of them fails. Constraints of accounts are not mutated (tests substitute each account), nor are `ok_or`,\n\
         checked arithmetic, what is evaluated when compiled, and `invariant()`, a second fence.\n\n\
         | crate | mutants | killed |\n|---|--:|--:|\n",
    );
    let mut packages: Vec<&str> = mutants.iter().map(|mutant| mutant.package.as_str()).collect();
    packages.dedup();
    for package in packages {
        let of_package = |mutant: &&Mutant| mutant.package == package;
        let all = mutants.iter().filter(of_package).count();
        let left = results.survivors.iter().filter(of_package).count();
        let _ = writeln!(page, "| {package} | {all} | {} |", all - left);
    }
    let _ = write!(
        page,
        "\n{} of those killed kept tests from ending or crashed them. Not run, as programs with mutants cost more compute: `{}`.\n\n\
         ## Survivors\n\n\
         Most are checked twice, or make no difference: `>` for `>=` before a transfer of zero, say.\n\n\
         | where | what | code |\n|---|---|---|\n",
        results.unnamed,
        COSTS.join("`, `")
    );
    for Mutant {
        file, line, change, code, ..
    } in &results.survivors
    {
        let code: String = code.chars().take(120).collect();
        let _ = writeln!(page, "| {file}:{line} | {change} | `{}` |", code.replace('|', "\\|"));
    }
    page
}

#[cfg(test)]
mod tests {
    use super::{failed, name};
    use std::path::Path;

    #[test]
    fn failures_are_found_in_the_output_of_tests() {
        assert_eq!(failed("test jobs::award::pays ... FAILED"), Some("jobs::award::pays"));
        assert_eq!(failed("test jobs::award::pays ... ok"), None);
        assert_eq!(
            failed("test jobs::award::pays - should panic ... FAILED"),
            Some("jobs::award::pays")
        );
        assert_eq!(name(Path::new("/t/deps/co_stakers-6bb8abd74f3350f8")), "co_stakers");
    }
}
