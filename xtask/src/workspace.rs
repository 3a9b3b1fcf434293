//! Where things are, and cargo commands that agree on it.

use std::env;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// This checkout and the cache it shares with other checkouts of the same user.
pub struct Workspace {
    /// Folder of the workspace's `Cargo.toml`.
    pub root: PathBuf,
    /// Compiled dependencies and tools: expensive to make, the same for every checkout.
    pub cache: PathBuf,
    members: Vec<Value>,
}

/// A program crate of the workspace.
pub struct Program {
    /// Package and library name.
    pub name: String,
    /// Its `Cargo.toml`.
    pub manifest: PathBuf,
    /// `[package.metadata.sbf] inline-threshold`: above LLVM's default a program grows and gets cheaper to run.
    pub inline_threshold: Option<u64>,
}

impl Workspace {
    /// Finds the checkout this xtask was compiled in and reads its manifests.
    pub fn locate() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .context("xtask lies outside of a workspace")?
            .to_path_buf();
        let cache = match env::var_os("IONET_CACHE") {
            Some(path) => std::path::absolute(path).context("IONET_CACHE is not a usable path")?,
            None => env::home_dir()
                .context("no home directory: set IONET_CACHE to a folder for compiled dependencies")?
                .join(".cache/ionet"),
        };
        let output = Command::new(cargo_program())
            .args(["metadata", "--no-deps", "--format-version=1", "--manifest-path"])
            .arg(root.join("Cargo.toml"))
            .output()
            .context("cannot start cargo: install Rust from https://rustup.rs")?;
        ensure!(
            output.status.success(),
            "cargo cannot read the workspace: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
        let metadata: Value = serde_json::from_slice(&output.stdout).context("cargo metadata printed something that is not JSON")?;
        let members = metadata.get("packages").and_then(Value::as_array).cloned().unwrap_or_default();
        Ok(Self { root, cache, members })
    }

    /// Target directory of everything that runs on this machine.
    pub fn host_target(&self) -> PathBuf {
        self.cache.join("target")
    }

    /// Keeps other checkouts out of a shared target directory until its outputs are copied: cargo's own lock ends with the build.
    pub fn lock(&self, name: &str) -> Result<File> {
        fs::create_dir_all(&self.cache).with_context(|| format!("cannot create {}", self.cache.display()))?;
        let path = self.cache.join(format!("{name}.lock"));
        let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
        if matches!(file.try_lock(), Err(TryLockError::WouldBlock)) {
            eprintln!("… waiting for another build that holds {}", path.display());
            file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
        }
        Ok(file)
    }

    /// Locks the host's target directory and makes sure that cargo takes nothing in it for ours that is another checkout's:
    /// it names the library of a crate that also builds a `cdylib` without a hash, so the checkouts overwrite each other's
    /// program crates unnoticed. Whoever comes next starts these few afresh.
    pub fn take_host_target(&self) -> Result<File> {
        let lock = self.lock("host")?;
        let (owner, ours) = (self.host_target().join("checkout"), self.root.to_string_lossy());
        if !fs::read_to_string(&owner).is_ok_and(|present| present == ours) {
            let mut clean = self.cargo("clean");
            clean.arg("--quiet").args(
                self.programs()
                    .into_iter()
                    .flat_map(|program| ["--package".to_owned(), program.name]),
            );
            ensure!(clean.status()?.success(), "cargo cannot clean {}", self.host_target().display());
            fs::create_dir_all(self.host_target())?;
            fs::write(&owner, ours.as_bytes()).with_context(|| format!("cannot write {}", owner.display()))?;
        }
        Ok(lock)
    }

    /// Built programs, where Anchor's and Solana's tools look for them too.
    pub fn deploy_dir(&self) -> PathBuf {
        self.root.join("target/deploy")
    }

    /// Built host binaries of this checkout.
    pub fn bin_dir(&self) -> PathBuf {
        self.root.join("target/bin")
    }

    /// The program crates: those that build a `cdylib`.
    pub fn programs(&self) -> Vec<Program> {
        self.members
            .iter()
            .filter(|package| !targets(package, "cdylib").is_empty())
            .filter_map(|package| {
                Some(Program {
                    name: package.get("name")?.as_str()?.to_owned(),
                    manifest: package.get("manifest_path")?.as_str()?.into(),
                    inline_threshold: package.pointer("/metadata/sbf/inline-threshold").and_then(Value::as_u64),
                })
            })
            .collect()
    }

    /// Names of the host binaries.
    pub fn binaries(&self) -> Vec<String> {
        self.members
            .iter()
            .filter(|package| package.get("name").and_then(Value::as_str) != Some("xtask"))
            .flat_map(|package| targets(package, "bin"))
            .collect()
    }

    /// `cargo SUBCOMMAND` for crates that run on this machine.
    pub fn cargo(&self, subcommand: &str) -> Command {
        let mut command = Command::new(cargo_program());
        command.current_dir(&self.root).arg(subcommand);
        if !matches!(subcommand, "fmt" | "clean") {
            // Some dependencies state a newer Rust than they need.
            command.arg("--ignore-rust-version");
        }
        command.env("CARGO_TARGET_DIR", self.host_target());
        command
    }
}

/// Cargo names the library of a path crate that also builds a `cdylib` without a hash, so the variants of a program crate
/// (as program, as dependency, for the IDL) overwrite each other in a shared target directory
/// and a later build believes the wrong file to be its own. With this set, every variant has its own file.
pub fn name_libraries_by_hash(command: &mut Command) {
    command.env("__CARGO_DEFAULT_LIB_METADATA", "ionet");
}

fn targets(package: &Value, kind: &str) -> Vec<String> {
    let all = package
        .get("targets")
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default();
    all.iter()
        .filter(|target| {
            target
                .get("kind")
                .and_then(Value::as_array)
                .is_some_and(|kinds| kinds.iter().any(|k| k == kind))
        })
        .filter_map(|target| target.get("name")?.as_str().map(str::to_owned))
        .collect()
}

fn cargo_program() -> std::ffi::OsString {
    env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}
