//! Fuzzing that takes hours, for nightly runs and after changes of arithmetic. Shorter runs are ordinary tests.

use std::env::consts::EXE_SUFFIX;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::host::EVERYTHING;
use crate::step;
use crate::workspace::{HOST, Workspace};

/// Number of convictions over wide ops, for each kind of op.
const CASES: &str = "200";

/// Compares referee, definition and engine on random elements, then has the program convict over the widest ops. The programs must have
/// been built.
pub fn referee(workspace: &Workspace, elements: u64, seed: Option<u64>) -> Result<()> {
    let mut compare = Command::new(build(workspace)?);
    compare.args(["--elements", &elements.to_string()]);
    if let Some(seed) = seed {
        compare.args(["--seed", &seed.to_string()]);
    }
    let status = compare.status().context("cannot start fuzz-referee")?;
    ensure!(
        status.success(),
        "referee, definition and engine do not agree; the difference is above"
    );

    let _lock = workspace.take(HOST)?;
    let mut convict = workspace.cargo("test");
    convict.args(EVERYTHING).args(["--test", "widest", "--", "--nocapture"]);
    convict.env("FUZZ_CASES", CASES);
    if let Some(seed) = seed {
        convict.env("FUZZ_SEED", seed.to_string());
    }
    let (status, log) = step::stream(&workspace.root, "fuzz-referee", convict, |line| println!("{line}"))?;
    ensure!(status.success(), "a verdict failed; the whole log is in {}", log.display());
    Ok(())
}

fn build(workspace: &Workspace) -> Result<PathBuf> {
    let _lock = workspace.take(HOST)?;
    let mut build = workspace.cargo("build");
    build.args(["--release", "--package", "engine", "--example", "fuzz-referee"]);
    step::run(&workspace.root, "build-fuzz", "building the fuzzer with all optimisations", build)?;
    let file = format!("fuzz-referee{EXE_SUFFIX}");
    fs::create_dir_all(workspace.bin_dir())?;
    fs::copy(
        workspace.host_target().join("release/examples").join(&file),
        workspace.bin_dir().join(&file),
    )
    .context("the build left no fuzz-referee")?;
    Ok(workspace.bin_dir().join(file))
}
