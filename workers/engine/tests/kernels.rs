//! Every kernel compiles for the GPUs that are in use, to machine code and without a GPU.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use engine::cuda::{Compiler, DeviceError, kernels_of};
use rayon::prelude::*;
use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Pascal, which has no tensor cores, Turing, both kinds of Ampere, Ada, Hopper and both kinds of Blackwell.
const ARCHS: [u32; 8] = [61, 75, 80, 86, 89, 90, 100, 120];

/// Registers of a multiprocessor.
const REGISTERS: u32 = 1 << 16;

/// Whether an NVRTC compiles for them: CUDA 13 has left Pascal behind, and Blackwell came with 12.8.
fn knows(compiler: &Compiler, arch: u32) -> bool {
    match arch {
        ..75 => compiler.version().0 < 13,
        100.. => compiler.version() >= (12, 8),
        _ => true,
    }
}

/// NVRTC, unless this machine has none: then the test says that it is skipped, past the capture of its output.
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

/// Registers that a thread of each kernel takes, by what the compiler said; blocks get them by eight.
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

#[test]
fn every_kernel_compiles_for_every_architecture() {
    let Some(compiler) = compiler() else { return };
    ARCHS
        .into_par_iter()
        .filter(|arch| knows(&compiler, *arch))
        .for_each(|arch| every_kernel_compiles(&compiler, arch));
}

fn every_kernel_compiles(compiler: &Compiler, arch: u32) {
    let (image, log) = compiler
        .compile(&Compiler::source(), arch)
        .unwrap_or_else(|error| panic!("{error}"));
    let image = String::from_utf8_lossy(&image);
    for kernel in kernels_of(compiler.cores(arch)) {
        assert!(image.contains(&format!(".text.{kernel}\0")), "sm_{arch} has no {kernel}");
    }
    // CUDA 12 says that it will.
    let foretold = |line: &str| arch < 75 && line.contains("deprecated");
    let warned = log.lines().any(|line| line.contains("warning") && !foretold(line));
    assert!(!warned, "sm_{arch}: {log}");
    // Of products on Hopper, that they wait for each other.
    assert!(!log.contains("serialized"), "sm_{arch}: {log}");
    // Registers that do not suffice end up in slow memory.
    let spilled: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("spill") && !line.contains(" 0 bytes spill"))
        .collect();
    assert!(spilled.is_empty(), "sm_{arch}: {spilled:?}");
    // Of the registers of a multiprocessor, two square tiles have half each, and three blocks of hashes what Hopper's large ones leave.
    let registers = registers(&log);
    let of = |kernel: &str| registers.get(kernel).copied().unwrap_or(0);
    for kernel in kernels_of(compiler.cores(arch)) {
        let most = match kernel {
            _ if kernel.contains("_128x128") => REGISTERS / 2 / 256,
            _ if kernel.contains("128x256") || kernel.contains("256x128") => (REGISTERS - 3 * 128 * of("hash_chunks")) / 256,
            "hash_branches" if arch >= 80 => of("hash_chunks"),
            _ => 255,
        };
        assert!((1..=most).contains(&of(kernel)), "sm_{arch}: {} registers of {kernel}", of(kernel));
    }
    println!("sm_{arch}: {} bytes by NVRTC {:?}", image.len(), compiler.version());
}

/// Builds a C library; `name` is what others that look for it call it, too.
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

/// Whatever other library of the same functions is loaded by then.
#[test]
fn the_library_that_is_asked_for_is_used() {
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
    // Of several the newest that goes with the driver.
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

/// As CUDA 13's comes in a Python package: what it needs lies beside it, and it looks for that where the system keeps its own.
#[test]
fn what_lies_beside_the_compiler_is_found() {
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
    assert!(compiled().unwrap_err().contains("NVRTC ends with error 7"));
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
fn what_was_compiled_before_is_taken_from_the_cache() {
    let Some(compiler) = compiler() else { return };
    let (image, _) = compiler.compile(&Compiler::source(), 86).unwrap();
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
    // What the front end lets pass, the assembler may not.
    let broken = source.replacen("mma.sync.aligned.m16n8k32", "mma.sync.aligned.m16n8k33", 1);
    assert_ne!(source, broken);
    assert!(compiler.compile(&broken, 80).is_err());
}
