//! Builds what runs on this machine, and the demo.

use std::env::consts::EXE_SUFFIX;
use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::step;
use crate::workspace::Workspace;

/// What every build selects, as cargo compiles a crate once for each set of features a selection leads to: all but xtask,
/// whose dependency on Anchor's IDL builder would compile Anchor again.
pub const EVERYTHING: [&str; 3] = ["--workspace", "--exclude", "xtask"];

/// Builds the host binaries and copies them to `target/bin`: the target directory is shared, so another checkout may replace them.
pub fn build(workspace: &Workspace) -> Result<()> {
    let names = workspace.binaries();
    if names.is_empty() {
        return Ok(());
    }
    let _lock = workspace.take_host_target()?;
    let mut cargo = workspace.cargo("build");
    cargo.args(EVERYTHING).arg("--bins");
    step::run(
        &workspace.root,
        "build-host",
        "building workers and tools (the first time takes a quarter of an hour)",
        cargo,
    )?;
    let folder = workspace.bin_dir();
    fs::create_dir_all(&folder)?;
    for name in names {
        let file = format!("{name}{EXE_SUFFIX}");
        replace(&workspace.host_target().join("debug").join(&file), &folder.join(&file))?;
    }
    Ok(())
}

/// Copies `from` over `to` in one move, also while `to` runs.
fn replace(from: &Path, to: &Path) -> Result<()> {
    let unchanged = || -> io::Result<bool> {
        let (new, old) = (fs::metadata(from)?, fs::metadata(to)?);
        Ok(new.len() == old.len() && new.modified()? <= old.modified()?)
    };
    if unchanged().unwrap_or(false) {
        return Ok(());
    }
    let unfinished = to.with_extension("unfinished");
    fs::copy(from, &unfinished).with_context(|| format!("cannot copy {}", from.display()))?;
    fs::rename(&unfinished, to).with_context(|| format!("cannot write {}", to.display()))
}

/// Becomes the built demo, with the user's arguments, so that signals reach it; returns only when it cannot be started.
pub fn demo(workspace: &Workspace, arguments: &[String]) -> Result<()> {
    let demo = workspace.bin_dir().join(format!("demo{EXE_SUFFIX}"));
    ensure!(
        demo.exists(),
        "this checkout has no demo binary: the crate `demo` is missing from the workspace"
    );
    let error = Command::new(&demo).current_dir(&workspace.root).args(arguments).exec();
    Err(error).context("cannot start the demo")
}
