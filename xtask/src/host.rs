//! Builds the host binaries and tests, and starts the demo.

use std::collections::HashSet;
use std::env::consts::EXE_SUFFIX;
use std::fs::{self, File};
use std::io;
use std::os::unix::{fs::MetadataExt, process::CommandExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::step;
use crate::workspace::{HOST, Workspace};

/// The packages that every build selects: all but xtask, whose dependency on Anchor's IDL builder would compile Anchor again. The selection
/// must always be the same, as cargo compiles a crate again for each set of features that a selection leads to.
pub const EVERYTHING: [&str; 3] = ["--workspace", "--exclude", "xtask"];

/// Size in bytes above which the shared target directory is deleted: cargo never removes outputs of old dependencies and code.
const LARGEST_TARGET: u64 = 25_000_000_000;

/// Builds the host binaries and copies them to `target/bin`, because another checkout may replace those in the shared target directory.
pub fn build(workspace: &Workspace) -> Result<()> {
    compile(workspace, "workers and tools", &["--bins"], workspace.binaries())
}

/// Builds one host binary and copies it to `target/bin`; returns its path.
pub fn build_one(workspace: &Workspace, name: &str) -> Result<PathBuf> {
    compile(workspace, name, &["--bin", name], vec![name.to_owned()])?;
    Ok(workspace.bin_dir().join(format!("{name}{EXE_SUFFIX}")))
}

/// Builds the tests and the host binaries that they start, with the features that tests enable. Both in one build, so that no crate of the
/// workspace is compiled both with and without those features.
pub fn build_with_tests(workspace: &Workspace) -> Result<()> {
    prune(workspace)?;
    let targets = ["--bins", "--tests", "--examples"];
    compile(workspace, "workers, tools and tests", &targets, workspace.binaries())
}

fn compile(workspace: &Workspace, what: &str, targets: &[&str], binaries: Vec<String>) -> Result<()> {
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
    for name in binaries {
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
            "{} is larger than {} GB: deleting it",
            target.display(),
            LARGEST_TARGET / 1_000_000_000
        );
        fs::remove_dir_all(&target)?;
    }
    Ok(())
}

/// Size of the files under `folder`. Counts hard links once: cargo links many files twice.
fn size(folder: &Path, seen: &mut HashSet<u64>) -> Result<u64> {
    let mut total = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        // A build of another checkout may remove files at the same time.
        let Ok(metadata) = entry.metadata() else { continue };
        if metadata.is_dir() {
            total += size(&entry.path(), seen).unwrap_or(0);
        } else if seen.insert(metadata.ino()) {
            total += metadata.len();
        }
    }
    Ok(total)
}

/// Replaces `to` by a copy of `from` atomically, even while `to` is running. The copy keeps the modification time, by which the next call
/// knows that it is up to date.
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

/// Replaces this process by the demo, with the user's arguments, so that signals reach it; returns only if it cannot be started.
pub fn demo(workspace: &Workspace, arguments: &[String]) -> Result<()> {
    let demo = workspace.bin_dir().join(format!("demo{EXE_SUFFIX}"));
    ensure!(
        demo.exists(),
        "this checkout has no demo binary: the crate `demo` is missing from the workspace"
    );
    let error = Command::new(&demo)
        .current_dir(&workspace.root)
        // The staking demo runs the programs in its own process; the folder compiled in may be another checkout's.
        .env("IONET_DEPLOY_DIR", workspace.root.join("target/deploy"))
        .args(arguments)
        .exec();
    Err(error).context("cannot start the demo")
}
