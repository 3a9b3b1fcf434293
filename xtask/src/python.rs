//! Tools that come as Python packages, in the cache.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::setup::{PYTHON, succeeds, supply};
use crate::step;
use crate::workspace::Workspace;

/// The lock that keeps other checkouts from installing the same.
const LOCK: &str = "python";

/// A Python environment in `folder`, made when it is not there or was left half-made; returns its interpreter.
pub fn environment(workspace: &Workspace, folder: &Path) -> Result<PathBuf> {
    let _lock = workspace.lock(LOCK)?;
    let python = folder.join("bin/python");
    if succeeds(Command::new(&python).args(["-m", "pip", "--version"])) {
        return Ok(python);
    }
    supply(workspace, &[&PYTHON])?;
    let mut create = Command::new("python3");
    create.args(["-m", "venv", "--clear"]).arg(folder);
    step::run(&workspace.root, "venv", "creating a Python environment", create)?;
    Ok(python)
}

/// A file of `xtask/python`, which pins packages by version and hash, as `pip-compile --generate-hashes` finds them.
pub fn pinned(workspace: &Workspace, name: &str) -> PathBuf {
    workspace.root.join("xtask/python").join(format!("{name}.txt"))
}

/// `pip` installing what a file of requirements pins: a package of another hash, or one without, is refused.
pub fn install(python: &Path, requirements: &Path) -> Command {
    let mut install = Command::new(python);
    install.args(["-m", "pip", "install", "--disable-pip-version-check", "--require-hashes", "-r"]);
    install.arg(requirements);
    install
}

/// Unpacks the package that a file of `xtask/python` pins into `folder`, unless it is there. What an interrupted installation leaves,
/// or one of another version, is not taken for it.
pub fn package(workspace: &Workspace, name: &str, folder: &Path, title: &str) -> Result<()> {
    let requirements = pinned(workspace, name);
    let text = fs::read_to_string(&requirements).with_context(|| format!("cannot read {}", requirements.display()))?;
    let package = text.split_whitespace().next().unwrap_or_default();
    if holds(folder, package) {
        return Ok(());
    }
    let python = environment(workspace, &workspace.cache.join("pip"))?;
    let _lock = workspace.lock(LOCK)?;
    if holds(folder, package) {
        return Ok(());
    }
    let unfinished = folder.with_extension(format!("unfinished-{}", std::process::id()));
    let mut install = install(&python, &requirements);
    install.arg("--no-deps").arg("--target").arg(&unfinished);
    step::run(&workspace.root, "pip", title, install)?;
    ensure!(holds(&unfinished, package), "pip has left no {package} in {}", unfinished.display());
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    fs::rename(&unfinished, folder).with_context(|| format!("cannot write {}", folder.display()))
}

/// Whether pip has recorded this version of a package, `name==version`, there.
fn holds(folder: &Path, package: &str) -> bool {
    let (name, version) = package.split_once("==").unwrap_or((package, ""));
    folder
        .join(format!("{}-{version}.dist-info/RECORD", name.replace('-', "_")))
        .exists()
}

#[cfg(test)]
mod tests {
    use super::{environment, holds};
    use crate::setup::succeeds;
    use crate::workspace::Workspace;
    use std::fs;
    use std::process::Command;

    #[test]
    fn what_was_left_half_made_is_made_again() -> anyhow::Result<()> {
        let cache = std::env::temp_dir().join(format!("ionet-python-{}", std::process::id()));
        let mut workspace = Workspace::locate()?;
        workspace.cache = cache.clone();
        let folder = cache.join("pip");
        fs::create_dir_all(folder.join("bin"))?;
        // As venv leaves it before it has put pip there.
        fs::write(folder.join("bin/python"), "")?;
        let python = environment(&workspace, &folder)?;
        assert!(succeeds(Command::new(python).args(["-m", "pip", "--version"])));
        fs::remove_dir_all(cache)?;
        Ok(())
    }

    #[test]
    fn a_package_is_of_its_version() -> anyhow::Result<()> {
        let folder = std::env::temp_dir().join(format!("ionet-packages-{}", std::process::id()));
        fs::create_dir_all(folder.join("two_words-1.2.3.dist-info"))?;
        assert!(!holds(&folder, "two-words==1.2.3"));
        fs::write(folder.join("two_words-1.2.3.dist-info/RECORD"), "")?;
        assert!(holds(&folder, "two-words==1.2.3") && !holds(&folder, "two-words==1.2.4"));
        fs::remove_dir_all(folder)?;
        Ok(())
    }
}
