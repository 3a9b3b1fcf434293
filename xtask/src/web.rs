//! The web app: its tools, its build into `app/web/dist` and its tests.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::programs::rebuilding_cargo;
use crate::python;
use crate::setup::Builder;
use crate::step;
use crate::workspace::Workspace;

/// The oldest Node.js that Vite runs on.
const NODE: (u32, u32) = (20, 19);
/// Debian's linker for WebAssembly, from the LLVM that the programs' compiler is built on.
pub const LINKER: &str = "wasm-ld-22";
const TARGET: &str = "wasm32-unknown-unknown";

/// Node.js and npm, of the system or in the cache.
struct Node {
    /// Folder of the programs, if they are not on the PATH.
    folder: Option<PathBuf>,
}

impl Node {
    /// Finds Node.js, or installs it into the cache from a PyPI package.
    fn ensure(workspace: &Workspace) -> Result<Self> {
        if has_node() {
            return Ok(Self { folder: None });
        }
        let folder = workspace.cache.join("tools/node");
        let title = "installing Node.js, which builds the web app";
        python::environment(workspace, &folder, &python::pinned(workspace, "node"), title)?;
        Ok(Self {
            folder: Some(folder.join("bin")),
        })
    }

    fn is_new_enough(&self) -> bool {
        let Ok(output) = self.command("node").arg("--version").output() else {
            return false;
        };
        let said = String::from_utf8_lossy(&output.stdout);
        let mut parts = said.trim().trim_start_matches('v').split('.').map(|part| part.parse().unwrap_or(0));
        (parts.next().unwrap_or(0), parts.next().unwrap_or(0)) >= NODE && self.command("npm").arg("--version").output().is_ok()
    }

    /// A command of Node.js.
    fn command(&self, name: &str) -> Command {
        let mut command = match &self.folder {
            Some(folder) => Command::new(folder.join(name)),
            None => Command::new(name),
        };
        if let Some(folder) = &self.folder {
            let present = env::var_os("PATH").unwrap_or_default();
            let paths = std::iter::once(folder.clone()).chain(env::split_paths(&present));
            command.env("PATH", env::join_paths(paths).unwrap_or(present));
        }
        command
    }

    /// `npm` in the app's folder.
    fn npm(&self, workspace: &Workspace, arguments: &[&str]) -> Command {
        let mut npm = self.command("npm");
        npm.current_dir(folder(workspace)).args(arguments);
        npm
    }
}

fn folder(workspace: &Workspace) -> PathBuf {
    workspace.root.join("app/web")
}

/// Whether the system has a recent enough Node.js.
pub fn has_node() -> bool {
    Node { folder: None }.is_new_enough()
}

/// Installs the tools that do not come from the system.
pub fn ensure_tools(workspace: &Workspace) -> Result<()> {
    Node::ensure(workspace)?;
    bindgen(workspace).map(drop)
}

/// Builds the app into `app/web/dist`: generates clients from the IDLs, compiles the engine to WebAssembly, then builds the pages.
pub fn build(workspace: &Workspace, builder: &Builder) -> Result<()> {
    let node = Node::ensure(workspace)?;
    install(workspace, &node)?;
    let generate = node.npm(workspace, &["run", "--silent", "generate"]);
    step::run(&workspace.root, "web-clients", "generating clients of the programs", generate)?;
    engine(workspace, builder)?;
    let build = node.npm(workspace, &["run", "build"]);
    step::run(&workspace.root, "web", "building the web app", build)
}

/// Runs the unit tests of the app, then end-to-end tests in a browser against a local market. Runs in parallel with other tests.
pub fn test(workspace: &Workspace, chromium: &Path) -> Result<()> {
    let node = Node::ensure(workspace)?;
    let unit = node.npm(workspace, &["test"]);
    step::run_beside(&workspace.root, "web-unit", "testing the web app", unit)?;
    let mut browser = node.npm(workspace, &["run", "e2e"]);
    browser.env("IONET_CHROMIUM", chromium);
    step::run_beside(&workspace.root, "web-browser", "testing the web app in a browser", browser)
}

/// Installs the packages of the lock file, unless they are installed.
fn install(workspace: &Workspace, node: &Node) -> Result<()> {
    let wanted = fs::read_to_string(folder(workspace).join("package-lock.json")).context("app/web has no package-lock.json")?;
    let mark = folder(workspace).join("node_modules/.installed");
    if fs::read_to_string(&mark).is_ok_and(|present| present == wanted) {
        return Ok(());
    }
    let ci = node.npm(workspace, &["ci", "--no-audit", "--no-fund"]);
    step::run(&workspace.root, "npm", "installing packages of the web app", ci)?;
    fs::write(&mark, wanted).with_context(|| format!("cannot write {}", mark.display()))
}

/// Compiles the engine to WebAssembly and writes it, with its JavaScript bindings, to `app/web/src/generated/engine`.
fn engine(workspace: &Workspace, builder: &Builder) -> Result<()> {
    let bindgen = bindgen(workspace)?;
    let target = workspace.cache.join("wasm");
    let mut cargo = match builder {
        Builder::Llvm => {
            let mut cargo = rebuilding_cargo();
            cargo
                .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", LINKER)
                .args(["rustc", "-Zbuild-std=std,panic_abort"]);
            cargo
        }
        Builder::Anza(_) => {
            let mut add = Command::new("rustup");
            add.args(["target", "add", TARGET]);
            step::run(&workspace.root, "rustup", "adding WebAssembly to the Rust compiler", add)?;
            let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
            cargo.arg("rustc");
            cargo
        }
    };
    let _lock = workspace.take("wasm")?;
    cargo
        .current_dir(&workspace.root)
        .env("CARGO_TARGET_DIR", &target)
        .env("CARGO_ENCODED_RUSTFLAGS", "-Ctarget-feature=+simd128")
        .args(["--release", "--ignore-rust-version", "--target", TARGET])
        .args(["--package", "web-engine", "--lib", "--crate-type", "cdylib"]);
    step::run(&workspace.root, "web-engine", "compiling the engine for browsers", cargo)?;
    let mut bind = Command::new(bindgen);
    bind.args(["--target", "web", "--out-dir"])
        .arg(folder(workspace).join("src/generated/engine"))
        .arg(target.join(TARGET).join("release/web_engine.wasm"));
    step::run(&workspace.root, "wasm-bindgen", "writing JavaScript for the engine", bind)
}

/// The `wasm-bindgen` program in the version of the locked library, compiled into the cache if it is missing.
fn bindgen(workspace: &Workspace) -> Result<PathBuf> {
    let version = locked(&workspace.root.join("Cargo.lock"), "wasm-bindgen")?;
    let root = workspace.cache.join(format!("tools/wasm-bindgen-{version}"));
    let program = root.join("bin/wasm-bindgen");
    if !program.exists() {
        eprintln!("missing: wasm-bindgen {version} — it writes the JavaScript bindings of the engine");
        let mut install = workspace.cargo("install");
        // The version pins the program's source: crates.io never replaces a published version, and cargo checks the download against the
        // checksum in the index. Dependencies are the newest compatible ones. `--locked` would pin them too, but the lock file in package
        // 0.2.130 names a version of webpki-roots that the index does not have.
        install
            .env_remove("CARGO_TARGET_DIR")
            .args(["wasm-bindgen-cli", "--version", &version, "--root"])
            .arg(&root);
        step::run(&workspace.root, "wasm-bindgen-cli", "compiling wasm-bindgen", install)?;
    }
    Ok(program)
}

/// The version of a package in a lock file. Fails if there are several.
fn locked(lock: &Path, name: &str) -> Result<String> {
    let text = fs::read_to_string(lock).with_context(|| format!("cannot read {}", lock.display()))?;
    let name = format!("name = \"{name}\"");
    let mut versions = text
        .split("[[package]]")
        .filter(|package| package.lines().any(|line| line == name))
        .filter_map(|package| {
            package
                .lines()
                .find_map(|line| line.strip_prefix("version = \"")?.strip_suffix('"'))
        });
    let Some(version) = versions.next() else {
        bail!("{} has no package with {name}", lock.display())
    };
    ensure!(versions.next().is_none(), "{} has several packages with {name}", lock.display());
    Ok(version.to_owned())
}

#[cfg(test)]
mod tests {
    use super::locked;

    #[test]
    fn a_version_is_read_from_the_lock_file() -> anyhow::Result<()> {
        let lock = std::env::temp_dir().join(format!("ionet-lock-{}", std::process::id()));
        let package = |name: &str, version: &str| format!("[[package]]\nname = \"{name}\"\nversion = \"{version}\"\n\n");
        let said = |name: &str| locked(&lock, name).err().map(|error| error.to_string()).unwrap_or_default();
        std::fs::write(
            &lock,
            [
                package("a", "1.2.3"),
                package("ab", "4.0.0"),
                package("b", "1.0.0"),
                package("b", "2.0.0"),
            ]
            .concat(),
        )?;
        assert_eq!(locked(&lock, "a")?, "1.2.3");
        assert!(said("b").contains("several") && said("c").contains("no package"));
        std::fs::remove_file(&lock)?;
        Ok(())
    }
}
