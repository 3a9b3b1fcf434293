//! Installs tools that come as Python packages into the cache.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::setup::{PYTHON, succeeds, supply};
use crate::step;
use crate::workspace::Workspace;

/// Name of the lock that keeps other checkouts from installing at the same time.
const LOCK: &str = "python";

/// Returns the interpreter of a Python environment in `folder` with the packages of a requirements file, which pins them by version and
/// hash as `pip-compile --generate-hashes` does. Installs them if they are missing or the file has changed.
pub fn environment(workspace: &Workspace, folder: &Path, requirements: &Path, title: &str) -> Result<PathBuf> {
    let wanted = fs::read_to_string(requirements).with_context(|| format!("cannot read {}", requirements.display()))?;
    let (python, installed) = (folder.join("bin/python"), folder.join("requirements.txt"));
    let complete = || fs::read_to_string(&installed).is_ok_and(|present| present == wanted) && has_pip(&python);
    if complete() {
        return Ok(python);
    }
    let _lock = workspace.lock(LOCK)?;
    if !complete() {
        let install = install(&ready(workspace, folder)?, requirements);
        // Removed first, so that what a killed pip leaves counts as incomplete.
        if installed.exists() {
            fs::remove_file(&installed).with_context(|| format!("cannot remove {}", installed.display()))?;
        }
        step::run(&workspace.root, "pip", title, install)?;
        fs::write(&installed, wanted).with_context(|| format!("cannot write {}", installed.display()))?;
    }
    Ok(python)
}

/// Returns the interpreter of a Python environment in `folder`, which is created if it is missing or incomplete. The caller holds the lock.
fn ready(workspace: &Workspace, folder: &Path) -> Result<PathBuf> {
    let python = folder.join("bin/python");
    if has_pip(&python) {
        return Ok(python);
    }
    supply(workspace, &[&PYTHON])?;
    let mut create = Command::new("python3");
    create.args(["-m", "venv", "--clear"]).arg(folder);
    step::run(&workspace.root, "venv", "creating a Python environment", create)?;
    Ok(python)
}

/// Whether an interpreter is there and has pip, which it lacks if the environment is incomplete or of an older Python.
fn has_pip(python: &Path) -> bool {
    succeeds(Command::new(python).args(["-m", "pip", "--version"]))
}

/// A requirements file in `xtask/python`.
pub fn pinned(workspace: &Workspace, name: &str) -> PathBuf {
    workspace.root.join("xtask/python").join(format!("{name}.txt"))
}

/// A `pip` command that installs the packages of a requirements file and refuses any whose hash is missing or differs.
fn install(python: &Path, requirements: &Path) -> Command {
    let mut install = Command::new(python);
    install.args(["-m", "pip", "install", "--disable-pip-version-check", "--require-hashes", "-r"]);
    install.arg(requirements);
    install
}

/// Installs the package that a file in `xtask/python` pins into `folder`, unless it is installed. Replaces an incomplete installation, and
/// one of another version.
pub fn package(workspace: &Workspace, name: &str, folder: &Path, title: &str) -> Result<()> {
    let requirements = pinned(workspace, name);
    let text = fs::read_to_string(&requirements).with_context(|| format!("cannot read {}", requirements.display()))?;
    let package = text.split_whitespace().next().unwrap_or_default();
    if holds(folder, package) {
        return Ok(());
    }
    let _lock = workspace.lock(LOCK)?;
    if holds(folder, package) {
        return Ok(());
    }
    let python = ready(workspace, &workspace.cache.join("pip"))?;
    let unfinished = folder.with_extension(format!("unfinished-{}", std::process::id()));
    let mut install = install(&python, &requirements);
    install.arg("--no-deps").arg("--target").arg(&unfinished);
    step::run(&workspace.root, "pip", title, install)?;
    ensure!(
        holds(&unfinished, package),
        "pip did not install {package} into {}",
        unfinished.display()
    );
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    fs::rename(&unfinished, folder).with_context(|| format!("cannot write {}", folder.display()))
}

/// Whether pip has installed `package`, given as `name==version`, into `folder`.
fn holds(folder: &Path, package: &str) -> bool {
    let (name, version) = package.split_once("==").unwrap_or((package, ""));
    folder
        .join(format!("{}-{version}.dist-info/RECORD", name.replace('-', "_")))
        .exists()
}

#[cfg(test)]
mod tests {
    use super::{environment, has_pip, holds, ready};
    use crate::workspace::Workspace;
    use std::fs;
    use std::path::PathBuf;

    /// A workspace with a cache of its own.
    fn workspace(name: &str) -> anyhow::Result<(Workspace, PathBuf)> {
        let cache = std::env::temp_dir().join(format!("ionet-{name}-{}", std::process::id()));
        let mut workspace = Workspace::locate()?;
        workspace.cache = cache.clone();
        Ok((workspace, cache))
    }

    #[test]
    fn packages_are_installed_when_the_requirements_change() -> anyhow::Result<()> {
        let (workspace, cache) = workspace("requirements")?;
        let (folder, requirements) = (cache.join("venv"), cache.join("wanted.txt"));
        let mark = folder.join("requirements.txt");
        let install = |text: &str| {
            fs::write(&requirements, text)?;
            environment(&workspace, &folder, &requirements, "installing nothing")
        };
        fs::create_dir_all(&cache)?;
        // Only comments, and a line that pip cannot parse, so that the test needs no network.
        assert!(has_pip(&install("# first\n")?));
        assert_eq!(fs::read_to_string(&mark)?, "# first\n");
        install("# second\n")?;
        assert_eq!(fs::read_to_string(&mark)?, "# second\n");
        assert!(install("not a requirement\n").is_err());
        assert!(!mark.exists(), "pip may have changed some packages");
        install("# second\n")?;
        assert_eq!(fs::read_to_string(&mark)?, "# second\n");
        fs::remove_dir_all(cache)?;
        Ok(())
    }

    #[test]
    fn an_incomplete_environment_is_created_again() -> anyhow::Result<()> {
        let (workspace, cache) = workspace("python")?;
        let folder = cache.join("pip");
        fs::create_dir_all(folder.join("bin"))?;
        // As venv leaves it before it installs pip.
        fs::write(folder.join("bin/python"), "")?;
        assert!(has_pip(&ready(&workspace, &folder)?));
        fs::remove_dir_all(cache)?;
        Ok(())
    }

    #[test]
    fn a_package_is_recognised_by_its_version() -> anyhow::Result<()> {
        let folder = std::env::temp_dir().join(format!("ionet-packages-{}", std::process::id()));
        fs::create_dir_all(folder.join("two_words-1.2.3.dist-info"))?;
        assert!(!holds(&folder, "two-words==1.2.3"));
        fs::write(folder.join("two_words-1.2.3.dist-info/RECORD"), "")?;
        assert!(holds(&folder, "two-words==1.2.3") && !holds(&folder, "two-words==1.2.4"));
        fs::remove_dir_all(folder)?;
        Ok(())
    }
}
