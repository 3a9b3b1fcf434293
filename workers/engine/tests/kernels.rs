//! Every kernel compiles to machine code for all supported GPUs. This needs NVRTC, but no GPU.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use engine::cuda::{Compiler, DeviceError, HASHES_BESIDE, kernels_of};
use rayon::prelude::*;
use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Pascal (without tensor cores), Turing, both kinds of Ampere, Ada, Hopper and both kinds of Blackwell.
const ARCHS: [u32; 8] = [61, 75, 80, 86, 89, 90, 100, 120];

/// Registers per multiprocessor.
const REGISTERS: u32 = 1 << 16;

/// Whether an NVRTC can compile for an architecture: CUDA 13 dropped Pascal, and CUDA 12.8 added Blackwell.
fn knows(compiler: &Compiler, arch: u32) -> bool {
    match arch {
        ..75 => compiler.version().0 < 13,
        100.. => compiler.version() >= (12, 8),
        _ => true,
    }
}

/// NVRTC. `None` if this machine has none; the test is then reported as skipped, bypassing the capture of its output.
#[allow(clippy::explicit_write, reason = "eprintln! is captured")]
fn compiler() -> Option<Compiler> {
    match Compiler::find() {
        Ok(compiler) => Some(compiler),
        Err(error @ DeviceError::NoCompiler) => {
            writeln!(std::io::stderr(), "skipped: the GPU kernels are not compiled; {error}").unwrap();
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// Registers per thread of each kernel, from the compiler's log, rounded up to the hardware's multiples of eight.
fn registers(log: &str) -> HashMap<&str, u32> {
    let mut kernel = "";
    let mut found = HashMap::new();
    for line in log.lines() {
        if let Some((_, name)) = line.split_once("Compiling entry function '") {
            kernel = name.split('\'').next().unwrap();
        } else if let Some((_, used)) = line.split_once("Used ") {
            let used: u32 = used.split(' ').next().unwrap().parse().unwrap();
            found.insert(kernel, used.next_multiple_of(8));
        }
    }
    found
}

/// The compiled kernels and the compiler's log. They are kept between runs, as compiling takes ten seconds for each architecture.
fn compiled(compiler: &Compiler, arch: u32) -> (Vec<u8>, String) {
    let (cores, (major, minor)) = (compiler.cores(arch), compiler.version());
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let name = format!("{}-sm_{arch}-{cores:?}-{major}.{minor}", Compiler::digest());
    let [image, log] = ["cubin", "log"].map(|kind| folder.join(format!("{name}.{kind}")));
    if let (Ok(image), Ok(log)) = (std::fs::read(&image), std::fs::read_to_string(&log)) {
        return (image, log);
    }
    let made = compiler
        .compile(&Compiler::source(), arch)
        .unwrap_or_else(|error| panic!("{error}"));
    for (path, bytes) in [(image, made.0.as_slice()), (log, made.1.as_bytes())] {
        // Another test may be reading the file, so rename it only when it is complete.
        let unfinished = tempfile::NamedTempFile::new_in(folder).unwrap();
        std::fs::write(unfinished.path(), bytes).unwrap();
        unfinished.persist(path).unwrap();
    }
    made
}

#[test]
fn every_kernel_compiles_for_every_architecture() {
    let Some(compiler) = compiler() else { return };
    ARCHS
        .into_par_iter()
        .filter(|arch| knows(&compiler, *arch))
        .for_each(|arch| every_kernel_compiles(&compiler, arch));
}

fn every_kernel_compiles(compiler: &Compiler, arch: u32) {
    let (image, log) = compiled(compiler, arch);
    let image = String::from_utf8_lossy(&image);
    for kernel in kernels_of(compiler.cores(arch)) {
        assert!(image.contains(&format!(".text.{kernel}\0")), "sm_{arch} has no {kernel}");
    }
    // CUDA 12 warns that it will drop old architectures.
    let foretold = |line: &str| arch < 75 && line.contains("deprecated");
    let warned = log.lines().any(|line| line.contains("warning") && !foretold(line));
    assert!(!warned, "sm_{arch}: {log}");
    // The compiler reports when it has to serialise Hopper's products.
    assert!(!log.contains("serialized"), "sm_{arch}: {log}");
    // Spilled registers are in local memory, which is slow.
    let spilled: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("spill") && !line.contains(" 0 bytes spill"))
        .collect();
    assert!(spilled.is_empty(), "sm_{arch}: {spilled:?}");
    // A multiprocessor's registers suffice for two square tiles, and on Hopper for all lanes' hashing blocks next to a large tile.
    let registers = registers(&log);
    let of = |kernel: &str| registers.get(kernel).copied().unwrap_or(0);
    let beside = HASHES_BESIDE as u32 * 128 * of("hash_chunks");
    for kernel in kernels_of(compiler.cores(arch)) {
        let most = match kernel {
            _ if kernel.contains("_128x128") => REGISTERS / 2 / 256,
            _ if kernel.contains("128x256") || kernel.contains("256x128") => (REGISTERS - beside) / 256,
            "hash_branches" if arch >= 80 => of("hash_chunks"),
            _ => 255,
        };
        assert!((1..=most).contains(&of(kernel)), "sm_{arch}: {} registers of {kernel}", of(kernel));
    }
    println!("sm_{arch}: {} bytes by NVRTC {:?}", image.len(), compiler.version());
}

/// Builds a C library. `name` is also its soname, by which others find it.
fn library(folder: &Path, name: &str, text: &str) -> PathBuf {
    let (source, library) = (folder.join(format!("{name}.c")), folder.join(name));
    std::fs::write(&source, text).unwrap();
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", &format!("-Wl,-soname,{name}"), "-o"])
        .args([&library, &source])
        .status();
    assert!(built.unwrap().success());
    library
}

/// The requested library is used, even if another one with the same functions is loaded.
#[test]
fn the_requested_library_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let build = |name: &str, text: &str| library(folder.path(), &format!("{name}.so"), text);
    let rest = [
        "CreateProgram",
        "CompileProgram",
        "GetProgramLogSize",
        "GetProgramLog",
        "GetCUBINSize",
        "GetCUBIN",
        "DestroyProgram",
    ]
    .map(|name| format!("int nvrtc{name}(void) {{ return 1; }}\n"))
    .concat();
    let of_version = |version: i32| {
        let text = format!("int nvrtcVersion(int *major, int *minor) {{ return *major = {version}, *minor = 7, 0; }}\n{rest}");
        build(&format!("v{version}"), &text)
    };
    let libraries = [98, 99, 97].map(of_version);
    for (library, version) in libraries.iter().zip([98, 99, 97]) {
        let other = Compiler::load(library).map_err(|error| error.to_string());
        assert_eq!(other.map(|other| other.version()), Ok((version, 7)));
    }
    // Of several libraries, the newest one that the driver supports is used.
    for (driver, version) in [(99, 99), (98, 98), (100, 99), (96, 99)] {
        let paths = libraries.iter().map(PathBuf::as_path).chain([Path::new("/nowhere/libnvrtc.so")]);
        let found = Compiler::newest(paths, driver).map(|compiler| compiler.version().0);
        assert_eq!(found, Some(version), "a driver for CUDA {driver}");
    }
    for path in [&build("none", "int nothing;"), Path::new("/nowhere/libnvrtc.so.12")] {
        let error = Compiler::load(path).err().unwrap().to_string();
        assert!(
            error.contains("is not an NVRTC library") && error.contains("IONET_NVRTC"),
            "{error}"
        );
    }
}

/// In a Python package, CUDA 13's builtins are next to NVRTC, but NVRTC looks for them in the system's library folders.
#[test]
fn builtins_next_to_the_compiler_are_found() {
    const FUNCTIONS: &str = r#"
        #include <dlfcn.h>
        int nvrtcVersion(int *major, int *minor) { return *major = 96, *minor = 5, 0; }
        int nvrtcCreateProgram(void) { return 0; }
        int nvrtcCompileProgram(void) { return dlopen("libnvrtc-builtins.so.96.5", RTLD_NOW) ? 0 : 7; }
        int nvrtcGetProgramLogSize(void *program, unsigned long *bytes) { return *bytes = 0, 0; }
        int nvrtcGetProgramLog(void) { return 0; }
        int nvrtcGetCUBINSize(void *program, unsigned long *bytes) { return *bytes = 0, 0; }
        int nvrtcGetCUBIN(void) { return 0; }
        int nvrtcDestroyProgram(void) { return 0; }
    "#;
    let folder = tempfile::tempdir().unwrap();
    let compiler = library(folder.path(), "libnvrtc.so.96", FUNCTIONS);
    let compiled = || {
        Compiler::load(&compiler)
            .unwrap()
            .compile("", 80)
            .map_err(|error| error.to_string())
    };
    assert!(compiled().unwrap_err().contains("NVRTC failed with error 7"));
    library(folder.path(), "libnvrtc-builtins.so.96.5", "int nothing;");
    assert_eq!(compiled(), Ok((Vec::new(), String::new())));
}

#[test]
fn a_compiler_that_does_not_know_the_gpu_says_what_to_install() {
    let Some(compiler) = compiler() else { return };
    let error = compiler.compile(&Compiler::source(), 199).unwrap_err();
    assert!(matches!(error, DeviceError::CompilerForOthers { arch: 199, .. }), "{error}");
    assert!(error.to_string().contains("install a newer NVRTC"), "{error}");
}

#[test]
fn compiled_kernels_are_cached() {
    let Some(compiler) = compiler() else { return };
    let (image, _) = compiled(&compiler, 86);
    for _ in 0..2 {
        assert!(
            compiler.kernels(86).unwrap() == image,
            "the cache holds another image than the sources make"
        );
    }
}

#[test]
fn a_broken_kernel_is_refused_with_its_line() {
    let Some(compiler) = compiler() else { return };
    let source = Compiler::source();
    let broken = source.replacen("sums[c] += codes.at[c] * weights[c];", "sums[c] += codes.at[c] * weight[c];", 1);
    assert_ne!(source, broken);
    let error = compiler.compile(&broken, 80).unwrap_err().to_string();
    assert!(error.contains("windows.cu") && error.contains("\"weight\" is undefined"), "{error}");
    // The assembler may reject what the front end accepts.
    let broken = source.replacen("mma.sync.aligned.m16n8k32", "mma.sync.aligned.m16n8k33", 1);
    assert_ne!(source, broken);
    assert!(compiler.compile(&broken, 80).is_err());
}
