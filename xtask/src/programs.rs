//! Builds the on-chain programs into `target/deploy/*.so`.

use std::ffi::OsString;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::anza;
use crate::setup::Builder;
use crate::step;
use crate::workspace::{Program, Workspace, name_libraries_by_hash};

/// The compiler for the programs: Debian's, with the sources of its standard library installed.
pub const RUSTC: &str = "/usr/bin/rustc";
/// The cargo that goes with [`RUSTC`].
pub const CARGO: &str = "/usr/bin/cargo";
/// The C++ compiler, under the name by which build scripts of dependencies call it as well.
pub const CXX: &str = "c++";
/// The LLVM that [`RUSTC`] is built on; the linker and the pass must be built on the same.
pub const LLVM: &str = "/usr/lib/llvm-22";
/// Its version.
pub const LLVM_MAJOR: u32 = 22;
/// Version of `sbpf-linker`, which links LLVM bitcode into sBPF.
pub const LINKER_VERSION: &str = "0.2.6";

// In `toolchain/`.
const PASS: &str = "sbpf_prepare.cpp";
const LINK: &str = "link-program";
const TARGET: &str = "sbpf.json";
/// What [`PASS`] compiles to.
const PLUGIN: &str = "libsbpf_prepare.so";

/// The named programs, or all if none is named.
fn named(workspace: &Workspace, names: &[String]) -> Result<Vec<Program>> {
    let mut programs = workspace.programs();
    if let Some(unknown) = names.iter().find(|name| programs.iter().all(|program| program.name != **name)) {
        let known: Vec<_> = programs.iter().map(|program| program.name.as_str()).collect();
        bail!("there is no program {unknown}; choose from {}", known.join(", "));
    }
    programs.retain(|program| names.is_empty() || names.contains(&program.name));
    Ok(programs)
}

/// Builds the named programs, or all if none is named.
pub fn build(workspace: &Workspace, builder: &Builder, names: &[String]) -> Result<()> {
    fs::create_dir_all(workspace.deploy_dir())?;
    for program in &named(workspace, names)? {
        let place = workspace.deploy_dir().join(format!("{}.so", program.name));
        match builder {
            Builder::Anza(path) => {
                step::run(
                    &workspace.root,
                    &log_name(program),
                    &title(program),
                    anza::command(workspace, path, program),
                )?;
                check_elf(&fs::read(&place)?).with_context(|| format!("{} is not a loadable program", place.display()))?;
            }
            Builder::Llvm => build_with_llvm(workspace, program, &place)?,
        }
    }
    Ok(())
}

/// Prints the hashes of the named programs, or of all, and the versions of the tools. Only builds with the same tools can be expected to be
/// identical.
pub fn show_hashes(workspace: &Workspace, builder: &Builder, names: &[String]) -> Result<()> {
    let version = |tool: &Path| anyhow::Ok(step::printed(Command::new(tool).arg("--version"))?.trim().to_owned());
    let versions = match builder {
        Builder::Anza(path) => vec![version(path)?],
        Builder::Llvm => vec![
            version(Path::new(RUSTC))?,
            format!("LLVM {}", version(&Path::new(LLVM).join("bin/llvm-config"))?),
            format!("sbpf-linker {LINKER_VERSION}"),
        ],
    };
    println!("built with {}", versions.join(", "));
    let files = named(workspace, names)?.into_iter().map(|program| format!("{}.so", program.name));
    let hashes = step::printed(Command::new("sha256sum").current_dir(workspace.deploy_dir()).args(files))?;
    print!("SHA-256:\n{hashes}");
    Ok(())
}

fn log_name(program: &Program) -> String {
    format!("build-{}", program.name)
}

fn title(program: &Program) -> String {
    format!("building program {}", program.name)
}

/// Folder of the installed linker. The name contains the version, so that another version does not replace it.
pub fn linker_dir(workspace: &Workspace) -> PathBuf {
    workspace.cache.join(format!("tools/sbpf-linker-{LINKER_VERSION}"))
}

/// Copies the files of `toolchain/` that the compiler uses, with the compiled LLVM pass, to a folder named by a hash of their content:
/// checkouts with the same files share compiled dependencies, and cargo rebuilds them when a file changes.
fn prepare_tools(workspace: &Workspace) -> Result<PathBuf> {
    let source = workspace.root.join("toolchain");
    let files = [PASS, LINK, TARGET].map(|name| source.join(name));
    let mut hasher = DefaultHasher::new();
    for file in &files {
        fs::read(file)
            .with_context(|| format!("cannot read {}", file.display()))?
            .hash(&mut hasher);
    }
    let tools = workspace.cache.join(format!("tools/sbpf-prepare-{:016x}", hasher.finish()));
    if tools.exists() {
        return Ok(tools);
    }
    // Another checkout may do the same at this time, so the folder gets its name only when it is complete.
    let unfinished = tools.with_extension(format!("unfinished-{}", std::process::id()));
    fs::create_dir_all(&unfinished)?;
    for (name, file) in [PASS, LINK, TARGET].iter().zip(&files) {
        fs::copy(file, unfinished.join(name))?;
    }
    let mut compile = Command::new(CXX);
    compile
        .current_dir(&unfinished)
        .args(["-O2", "-std=c++17", "-fPIC", "-shared", "-fno-rtti"]);
    compile.arg(format!("-I{LLVM}/include")).args([PASS, "-o", PLUGIN]);
    step::run(&workspace.root, "sbpf-prepare", "compiling the LLVM pass", compile)?;
    if fs::rename(&unfinished, &tools).is_err() {
        fs::remove_dir_all(&unfinished)?;
    }
    Ok(tools)
}

/// [`CARGO`] with [`RUSTC`], able to rebuild the standard library for another target.
pub fn rebuilding_cargo() -> Command {
    let mut cargo = Command::new(CARGO);
    // An outer rustup or cargo must not choose the compiler or its flags.
    for variable in [
        "CARGO",
        "RUSTUP_TOOLCHAIN",
        "RUSTC_WRAPPER",
        "RUSTC_WORKSPACE_WRAPPER",
        "RUSTFLAGS",
        "LD_LIBRARY_PATH",
    ] {
        cargo.env_remove(variable);
    }
    cargo.env("RUSTC", RUSTC).env("RUSTC_BOOTSTRAP", "1");
    cargo
}

fn build_with_llvm(workspace: &Workspace, program: &Program, place: &Path) -> Result<()> {
    let tools = prepare_tools(workspace)?;
    let _lock = workspace.take("sbf")?;
    let target_dir = workspace.cache.join("sbf");
    let mut cargo = rebuilding_cargo();
    cargo.current_dir(&workspace.root);
    cargo
        .env("RUSTC_BOOTSTRAP_SYNTHETIC_TARGET", "1")
        .env("CARGO_TARGET_DIR", &target_dir)
        .env("CARGO_ENCODED_RUSTFLAGS", rust_flags(&tools));
    cargo
        .env("PROGRAM", &program.name)
        .env("SBPF_LINKER", linker_dir(workspace).join("bin/sbpf-linker"));
    name_libraries_by_hash(&mut cargo);
    cargo.args(["rustc", "--release", "--lib", "--ignore-rust-version", "--package", &program.name]);
    cargo.args([
        "-Zbuild-std=std,panic_abort",
        "-Zbuild-std-features=compiler-builtins-mem",
        "-Zjson-target-spec",
        "-Zpanic-immediate-abort",
    ]);
    cargo.arg("--target").arg(tools.join(TARGET));
    cargo.args([
        "--config",
        "profile.release.panic='immediate-abort'",
        "--config",
        "profile.release.package.'*'.overflow-checks=false",
    ]);
    if let Some(threshold) = program.inline_threshold {
        cargo.args(["--", "-C", &format!("link-arg=--llvm-args=--inline-threshold={threshold}")]);
    }
    step::run(
        &workspace.root,
        &format!("build-{}", program.name),
        &format!("building program {}", program.name),
        cargo,
    )?;
    let built = target_dir.join(format!("sbpf/release/lib{}.so", program.name));
    install(&built, place)
}

/// Flags for all code of a program; `toolchain/README.md` explains each.
fn rust_flags(tools: &Path) -> OsString {
    let flags = [
        format!("-Clinker={}", tools.join(LINK).display()),
        "-Ctarget-cpu=v2".into(),
        "-Ctarget-feature=+allows-misaligned-mem-access".into(),
        "-Clink-arg=--arch=v3".into(),
        "-Clink-arg=--llvm-args=--bpf-stack-size=4096".into(),
        "-Clink-arg=--llvm-args=--disable-movsx".into(),
        "-Clink-arg=--llvm-args=--disable-ldsx".into(),
        "-Clink-arg=--deploy=false".into(),
        "-Clink-arg=--disable-math-builtins".into(),
        format!("-Zllvm-plugins={}", tools.join(PLUGIN).display()),
        "-Cpasses=sbpf-prepare,function(lower-atomic)".into(),
        "-Zunstable-options".into(),
        "-Cpanic=immediate-abort".into(),
        "-Aexplicit_builtin_cfgs_in_flags".into(),
        "--cfg=target_os=\"solana\"".into(),
        "--cfg=target_arch=\"csky\"".into(),
    ];
    flags.join("\x1f").into()
}

/// Copies a built program into place, if the chain can load it.
fn install(built: &Path, place: &Path) -> Result<()> {
    let bytes = fs::read(built).with_context(|| format!("the build left no {}", built.display()))?;
    check_elf(&bytes).with_context(|| format!("{} is not a loadable program", built.display()))?;
    if fs::read(place).is_ok_and(|present| present == bytes) {
        return Ok(());
    }
    fs::write(place, &bytes).with_context(|| format!("cannot write {}", place.display()))?;
    println!("  {} ({} KB)", place.display(), bytes.len().div_ceil(1000));
    Ok(())
}

/// Checks that this is a shared ELF object with an entry point: a link that fails half-way leaves an object without one.
fn check_elf(bytes: &[u8]) -> Result<()> {
    ensure!(bytes.starts_with(b"\x7fELF"), "it is not an ELF file");
    let Some((kind, entry)) = bytes.get(16..18).zip(bytes.get(24..32)) else {
        bail!("it is truncated")
    };
    ensure!(kind == 3u16.to_le_bytes(), "it is an intermediate object: the link did not finish");
    ensure!(entry != 0u64.to_le_bytes(), "it has no entry point");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::check_elf;

    fn elf(kind: u8, entry: u8) -> Vec<u8> {
        let mut bytes = vec![0; 64];
        for (place, value) in [(0, 0x7f), (1, b'E'), (2, b'L'), (3, b'F'), (16, kind), (28, entry)] {
            bytes.splice(place..=place, [value]);
        }
        bytes
    }

    #[test]
    fn accepts_a_program() {
        assert!(check_elf(&elf(3, 1)).is_ok());
    }

    #[test]
    fn refuses_the_output_of_a_failed_link() {
        let said = |bytes: &[u8]| check_elf(bytes).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(said(b"").contains("not an ELF"));
        assert!(said(b"\x7fELF").contains("truncated"));
        assert!(said(&elf(1, 0)).contains("intermediate object"));
        assert!(said(&elf(3, 0)).contains("no entry point"));
    }
}
