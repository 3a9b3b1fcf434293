//! Paths of this checkout and its cache, and cargo commands that use them.

use std::env;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// Target directory of host code, within the cache.
pub const HOST: &str = "target";

/// This checkout and the cache it shares with other checkouts of the same user.
pub struct Workspace {
    /// Folder of the workspace's `Cargo.toml`.
    pub root: PathBuf,
    /// Compiled dependencies and tools, which are expensive to build and the same for every checkout.
    pub cache: PathBuf,
    members: Vec<Value>,
}

/// A program crate of the workspace.
pub struct Program {
    /// Package and library name.
    pub name: String,
    /// Its `Cargo.toml`.
    pub manifest: PathBuf,
    /// Packages that it depends on.
    pub dependencies: Vec<String>,
    /// `[package.metadata.sbf] inline-threshold`: above LLVM's default, the program gets larger and cheaper to run.
    pub inline_threshold: Option<u64>,
}

impl Workspace {
    /// Finds the checkout in which this xtask was compiled and reads its manifests.
    pub fn locate() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .context("xtask is outside of a workspace")?;
        Self::at(root.to_path_buf())
    }

    /// Reads the manifests of the checkout in this folder.
    pub fn at(root: PathBuf) -> Result<Self> {
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

    /// Target directory of host code.
    pub fn host_target(&self) -> PathBuf {
        self.cache.join(HOST)
    }

    /// Locks `name` in the cache, so that other checkouts wait until the returned file is dropped.
    pub fn lock(&self, name: &str) -> Result<File> {
        fs::create_dir_all(&self.cache).with_context(|| format!("cannot create {}", self.cache.display()))?;
        let path = self.cache.join(format!("{name}.lock"));
        let lock = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
        if matches!(lock.try_lock(), Err(TryLockError::WouldBlock)) {
            eprintln!("… waiting for another build that holds {}", path.display());
            lock.lock().with_context(|| format!("cannot lock {}", path.display()))?;
        }
        Ok(lock)
    }

    /// Locks a target directory of the cache and makes it this checkout's. The caller holds the lock until it has copied the outputs, as
    /// cargo's own lock ends with the build.
    ///
    /// Cargo identifies crates of the workspace by their paths within it and judges freshness by time, so it would take what another
    /// checkout compiled later than our sources changed for ours. Therefore the workspace's crates are compiled again if another checkout
    /// had the directory last; dependencies are shared.
    pub fn take(&self, target: &str) -> Result<File> {
        let lock = self.lock(target)?;
        let folder = self.cache.join(target);
        let (owner, ours) = (folder.join("checkout"), self.root.to_string_lossy());
        if !fs::read_to_string(&owner).is_ok_and(|present| present == ours) {
            fs::create_dir_all(&folder)?;
            forget(&folder, &self.names()).with_context(|| format!("cannot clean {}", folder.display()))?;
            fs::write(&owner, ours.as_bytes()).with_context(|| format!("cannot write {}", owner.display()))?;
        }
        Ok(lock)
    }

    /// Names of the workspace's packages.
    fn names(&self) -> Vec<&str> {
        names(&self.members)
    }

    /// Folder of the built programs, where Anchor's and Solana's tools look for them as well.
    pub fn deploy_dir(&self) -> PathBuf {
        self.root.join("target/deploy")
    }

    /// Folder of the built host binaries.
    pub fn bin_dir(&self) -> PathBuf {
        self.root.join("target/bin")
    }

    /// The on-chain programs: the crates that build a `cdylib`.
    pub fn programs(&self) -> Vec<Program> {
        self.members
            .iter()
            .filter(|package| !targets(package, "cdylib").is_empty())
            .filter_map(|package| {
                Some(Program {
                    name: package.get("name")?.as_str()?.to_owned(),
                    manifest: package.get("manifest_path")?.as_str()?.into(),
                    dependencies: names(package.get("dependencies")?.as_array()?)
                        .into_iter()
                        .map(str::to_owned)
                        .collect(),
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

    /// `cargo SUBCOMMAND` for host code.
    pub fn cargo(&self, subcommand: &str) -> Command {
        let mut command = Command::new(cargo_program());
        command.current_dir(&self.root).arg(subcommand);
        if !matches!(subcommand, "fmt" | "clean") {
            // Some dependencies declare a newer Rust than they need.
            command.arg("--ignore-rust-version");
        }
        command.env("CARGO_TARGET_DIR", self.host_target());
        command
    }
}

/// Removes cargo's fingerprints of these packages from a target directory, so that cargo compiles them again.
fn forget(folder: &Path, packages: &[&str]) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if folder.ends_with(".fingerprint") {
            // The names are `PACKAGE-HASH`.
            if name.rsplit_once('-').is_some_and(|(package, _)| packages.contains(&package)) {
                fs::remove_dir_all(&path)?;
            }
        } else if path.is_dir() && !["deps", "build", "incremental", "examples"].contains(&name.as_str()) {
            forget(&path, packages)?;
        }
    }
    Ok(())
}

/// Gives every variant of a library its own file. By default cargo omits the hash from the library of a path crate that also builds a
/// `cdylib`, so that the variants of a program crate (as program, as dependency, for the IDL) overwrite each other in a shared target
/// directory, and a later build uses the wrong one.
pub fn name_libraries_by_hash(command: &mut Command) {
    command.env("__CARGO_DEFAULT_LIB_METADATA", "ionet");
}

fn names(packages: &[Value]) -> Vec<&str> {
    packages.iter().filter_map(|package| package.get("name")?.as_str()).collect()
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

#[cfg(test)]
mod tests {
    use super::forget;
    use std::fs;
    use std::path::Path;

    #[test]
    fn only_the_named_packages_are_compiled_again() -> anyhow::Result<()> {
        let target = std::env::temp_dir().join(format!("ionet-target-{}", std::process::id()));
        let (ours, others) = (
            ["demo-0123456789abcdef", "web-engine-0123456789abcdef"],
            ["demo-faulty-0123456789abcdef", "serde-0123456789abcdef"],
        );
        let folders = ["debug/.fingerprint", "sbpf/release/.fingerprint"];
        for folder in folders {
            for name in ours.iter().chain(&others) {
                fs::create_dir_all(target.join(folder).join(name))?;
            }
        }
        fs::create_dir_all(target.join("debug/deps/demo-0123456789abcdef"))?;
        forget(&target, &["demo", "web-engine"])?;
        let there = |path: &Path| target.join(path).exists();
        for folder in folders.map(Path::new) {
            assert!(ours.iter().all(|name| !there(&folder.join(name))), "{}", folder.display());
            assert!(others.iter().all(|name| there(&folder.join(name))), "{}", folder.display());
        }
        assert!(there(Path::new("debug/deps/demo-0123456789abcdef")));
        fs::remove_dir_all(&target)?;
        Ok(())
    }
}
