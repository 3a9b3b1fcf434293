//! Builds what runs on this machine, and the demo.

use std::collections::HashSet;
use std::env::consts::EXE_SUFFIX;
use std::fs::{self, File};
use std::io;
use std::os::unix::{fs::MetadataExt, process::CommandExt};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::step;
use crate::workspace::{HOST, Workspace};

/// What every build selects, as cargo compiles a crate once for each set of features a selection leads to: all but xtask,
/// whose dependency on Anchor's IDL builder would compile Anchor again.
pub const EVERYTHING: [&str; 3] = ["--workspace", "--exclude", "xtask"];

/// Outputs for dependencies and code that no longer exist pile up: above this the shared target directory is started afresh.
const LARGEST_TARGET: u64 = 25_000_000_000;

/// Builds the host binaries and copies them to `target/bin`: the target directory is shared, so another checkout may replace them.
pub fn build(workspace: &Workspace) -> Result<()> {
    compile(workspace, "workers and tools", &["--bins"])
}

/// Builds tests and, for those that start them, the host binaries, with the tests' features: in one go, so that no crate of the
/// workspace is compiled both with and without what tests add to it.
pub fn build_with_tests(workspace: &Workspace) -> Result<()> {
    prune(workspace)?;
    compile(workspace, "workers, tools and tests", &["--bins", "--tests", "--examples"])
}

fn compile(workspace: &Workspace, what: &str, targets: &[&str]) -> Result<()> {
    let _lock = workspace.take(HOST)?;
    let mut cargo = workspace.cargo("build");
    cargo.args(EVERYTHING).args(targets);
    step::run(
        &workspace.root,
        "build-host",
        &format!("building {what} (the first time takes up to twenty minutes)"),
        cargo,
    )?;
    let folder = workspace.bin_dir();
    fs::create_dir_all(&folder)?;
    for name in workspace.binaries() {
        let file = format!("{name}{EXE_SUFFIX}");
        replace(&workspace.host_target().join("debug").join(&file), &folder.join(&file))?;
    }
    Ok(())
}

fn prune(workspace: &Workspace) -> Result<()> {
    let target = workspace.host_target();
    let _lock = workspace.take(HOST)?;
    if size(&target, &mut HashSet::new())? > LARGEST_TARGET {
        eprintln!(
            "{} has grown above {} GB: starting it afresh",
            target.display(),
            LARGEST_TARGET / 1_000_000_000
        );
        fs::remove_dir_all(&target)?;
    }
    Ok(())
}

/// Bytes of the files under `folder`; cargo links many of them twice.
fn size(folder: &Path, seen: &mut HashSet<u64>) -> Result<u64> {
    let mut total = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        // A build of another checkout may remove files meanwhile.
        let Ok(metadata) = entry.metadata() else { continue };
        if metadata.is_dir() {
            total += size(&entry.path(), seen).unwrap_or(0);
        } else if seen.insert(metadata.ino()) {
            total += metadata.len();
        }
    }
    Ok(total)
}

/// Copies `from` over `to` in one move, also while `to` runs. The copy has the original's time, which tells whether it is still one.
fn replace(from: &Path, to: &Path) -> Result<()> {
    let unchanged = || -> io::Result<bool> {
        let (new, old) = (fs::metadata(from)?, fs::metadata(to)?);
        Ok(new.len() == old.len() && new.modified()? == old.modified()?)
    };
    if unchanged().unwrap_or(false) {
        return Ok(());
    }
    let unfinished = to.with_extension("unfinished");
    let copy = || -> io::Result<()> {
        fs::copy(from, &unfinished)?;
        File::options()
            .write(true)
            .open(&unfinished)?
            .set_modified(fs::metadata(from)?.modified()?)
    };
    copy().with_context(|| format!("cannot copy {}", from.display()))?;
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
