//! Anza's tools for building programs, used where they work.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::step;
use crate::workspace::{Program, Workspace};

/// Anchor v2 needs this compiler (1.x) in Anza's platform-tools.
const MINIMUM_RUSTC_MINOR: u32 = 89;

/// Path of Anza's `cargo-build-sbf`, if it is installed and its platform-tools run and are recent enough.
pub fn find(workspace: &Workspace) -> Option<PathBuf> {
    let shim = workspace.root.join("toolchain/bin");
    let builder = env::split_paths(&env::var_os("PATH")?)
        .filter(|folder| folder.canonicalize().is_ok_and(|folder| folder != shim))
        .map(|folder| folder.join("cargo-build-sbf"))
        .find(|file| file.is_file())?;
    if tools_work(&builder) {
        return Some(builder);
    }
    // The platform-tools are downloaded on first use, which may not have happened yet, or may be impossible here.
    let mut install = Command::new(&builder);
    install.arg("--install-only");
    let installed = step::run(&workspace.root, "platform-tools", "installing Anza's platform-tools", install).is_ok();
    (installed && tools_work(&builder)).then_some(builder)
}

/// The command that builds a program.
pub fn command(workspace: &Workspace, builder: &Path, program: &Program) -> Command {
    let mut build = Command::new(builder);
    build.current_dir(&workspace.root);
    build.args(["--arch", "v3", "--manifest-path"]).arg(&program.manifest);
    build.arg("--sbf-out-dir").arg(workspace.deploy_dir());
    build.args(["--", "--ignore-rust-version"]);
    build
}

/// Whether the compiler of the platform-tools that `cargo-build-sbf --version` names runs and is recent enough.
fn tools_work(builder: &Path) -> bool {
    let Ok(described) = step::printed(Command::new(builder).arg("--version")) else {
        return false;
    };
    let Some(version) = described.lines().find_map(|line| line.strip_prefix("platform-tools ")) else {
        return false;
    };
    let Some(home) = env::home_dir() else { return false };
    let compiler = home
        .join(".cache/solana")
        .join(version.trim())
        .join("platform-tools/rust/bin/rustc");
    let said = step::printed(Command::new(compiler).arg("--version")).unwrap_or_default();
    let minor = said.split('.').nth(1).and_then(|minor| minor.parse::<u32>().ok());
    minor.is_some_and(|minor| minor >= MINIMUM_RUSTC_MINOR)
}
