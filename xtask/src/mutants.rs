//! Mutation testing; `tests/mutants` explains it.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::host;
use crate::programs;
use crate::setup::Builder;
use crate::step;
use crate::suites;
use crate::workspace::{HOST, Workspace};

/// Crates that are mutated.
const CRATES: [&str; 6] = [
    "programs/jobs",
    "programs/staking",
    "programs/costaking",
    "programs/governance",
    "programs/referee",
    "protocol",
];
/// Quick tests of what the programs do; those of what they cost, and those that repeat one thing many times, are left out.
const TESTS: [&str; 6] = ["jobs", "staking", "costaking", "governance", "referee", "scenarios"];

/// Mutates a copy of the crates, builds it, runs tests against each mutant and writes `bench/mutants.md`.
pub fn run(workspace: &Workspace, builder: &Builder) -> Result<()> {
    let tool = host::build_one(workspace, "mutants")?;
    let copy = workspace.root.join("target/mutants");
    copy_sources(workspace, &copy)?;
    let list = copy.join("mutants.json");
    let mut mutate = Command::new(&tool);
    mutate.arg("mutate").arg("--list").arg(&list).arg(&copy).args(CRATES);
    step::run(&workspace.root, "mutate", "mutating the sources", mutate)?;
    let mutated = Workspace::at(copy)?;
    programs::build(&mutated, builder, &[])?;
    let mut of_protocol = mutated.cargo("test");
    // Not where the workspace's crates are, which would be compiled again afterwards.
    of_protocol.env("CARGO_TARGET_DIR", mutated.root.join("target/tests"));
    of_protocol.args(["--package", "protocol", "--lib"]);
    let mut tests = suites::build(&mutated, of_protocol)?;

    let _target = workspace.take(HOST)?;
    tests.extend(suites::executables(workspace, &TESTS)?);
    let status = Command::new(&tool)
        .arg("run")
        .arg("--list")
        .arg(&list)
        .arg("--programs")
        .arg(mutated.deploy_dir())
        .arg("--folder")
        .arg(workspace.root.join("tests"))
        .arg("--page")
        .arg(workspace.root.join("bench/mutants.md"))
        .args(tests.iter().map(|suite| suite.command.get_program()))
        .status()
        .context("cannot start mutants")?;
    ensure!(status.success(), "not all mutants were tried; the reason is above");
    Ok(())
}

/// Copies what is tracked, or would be: cargo needs all members of the workspace.
fn copy_sources(workspace: &Workspace, copy: &Path) -> Result<()> {
    if copy.exists() {
        fs::remove_dir_all(copy).with_context(|| format!("cannot remove {}", copy.display()))?;
    }
    let mut list = Command::new("git");
    list.current_dir(&workspace.root)
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let list = step::printed(&mut list)?;
    for file in list.split_terminator('\0').map(Path::new) {
        let (from, to) = (workspace.root.join(file), copy.join(file));
        fs::create_dir_all(to.parent().context("a file in no folder")?)?;
        fs::copy(&from, &to).with_context(|| format!("cannot copy {}", from.display()))?;
    }
    Ok(())
}
