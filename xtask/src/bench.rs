//! Benchmarks: the cost of instructions on chain, the speed of the engine and the indexer, and the overhead of traces.

use std::env;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::available_parallelism;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::host::EVERYTHING;
use crate::python;
use crate::setup;
use crate::step;
use crate::workspace::{HOST, Workspace};

/// Turns that the compared programs take, so that other load on the machine affects all of them alike.
const ROUNDS: usize = 3;
/// Timed runs in each turn.
const RUNS: &str = "30";
/// The synthetic networks with more than one op.
const NETWORKS: [&str; 2] = ["transformer", "unet"];
/// Checkpoint intervals in ops; with the last one, only the output is hashed.
const INTERVALS: [&str; 3] = ["1", "8", "1024"];
/// Numbers of threads to measure, up to the number of cores.
const THREADS: [usize; 2] = [1, 2];

/// Measures every instruction, verdict and step of a dispute, and writes `bench/{cu,verdicts,dispute,crowd,sharing}.md`.
pub fn compute_units(workspace: &Workspace) -> Result<()> {
    let _lock = workspace.take(HOST)?;
    // The second test computes its figures from the table that the first ones write.
    let measured = ["--test", "cu", "--test", "verdicts", "--test", "dispute"];
    for (tests, what) in [
        (measured.as_slice(), "measuring compute units of every instruction"),
        (&["--test", "crowd"], "computing the cost of an hour of many devices"),
    ] {
        let mut measure = workspace.cargo("test");
        measure.args(EVERYTHING).args(tests).env("GOLDEN_WRITE", "1");
        step::run(&workspace.root, "bench-cu", what, measure)?;
    }
    show(&workspace.root.join("bench/cu.md"))
}

/// Times every shipped model in the engine and in onnxruntime, and writes `bench/engine.md`.
pub fn engine(workspace: &Workspace) -> Result<()> {
    let python = python(workspace)?;
    let engine = build_engine(workspace)?;
    let cores = available_parallelism().map_or(1, usize::from);
    let mut table = String::from(
        "| model | threads | engine | onnxruntime | engine is faster by | peak memory, engine | peak memory, onnxruntime (Python alone) |\n\
         |---|--:|--:|--:|--:|--:|--:|\n",
    );
    let (mut backend, mut version) = (String::new(), String::new());
    for model in models(workspace)? {
        for threads in THREADS.into_iter().filter(|threads| *threads <= cores) {
            let count = threads.to_string();
            let (mut ours, mut theirs) = (Vec::new(), Vec::new());
            for _ in 0..ROUNDS {
                let mut run = Command::new(&engine);
                run.arg("--model")
                    .arg(&model)
                    .args(["--threads", &count, "--runs", RUNS, "--output", "json"]);
                ours.push(report(run)?);
                let mut run = Command::new(&python);
                run.arg(workspace.root.join("bench/onnx_reference.py"))
                    .arg(&model)
                    .args(["--threads", &count, "--runs", RUNS]);
                theirs.push(report(run)?);
            }
            let name = model.file_name().unwrap_or_default().to_string_lossy();
            let (engine_ms, onnx_ms) = (median(&ours, "/unit_ms")?, median(&theirs, "/median_ms")?);
            let engine_mib = median(&ours, "/peak_memory_mib")?;
            let [onnx_mib, python_mib] =
                [median(&theirs, "/peak_rss_bytes")?, median(&theirs, "/python_rss_bytes")?].map(|bytes| bytes / 1_048_576.0);
            writeln!(
                table,
                "| {name} | {threads} | {engine_ms:.2} ms | {onnx_ms:.2} ms | {:.2}× | {engine_mib:.0} MiB | {onnx_mib:.0} MiB ({python_mib:.0} MiB) |",
                onnx_ms / engine_ms
            )?;
            backend = text(&ours, "/backend");
            version = text(&theirs, "/onnxruntime");
            eprintln!("✓ {name} with threads = {threads}: engine {engine_ms:.2} ms, onnxruntime {onnx_ms:.2} ms");
        }
    }
    let path = workspace.root.join("bench/engine.md");
    let page = format!(
        "# The engine compared with onnxruntime\n\nWritten by `cargo xtask bench engine`. One unit of each shipped model, with the same \
         graph at int8 and the same number of threads: medians of {ROUNDS} turns of {RUNS} runs each. The engine ({backend}) is exact; \
         onnxruntime {version} scales in float32.\n\nMachine: {}.\n\n{table}",
        processor()
    );
    fs::write(&path, page).with_context(|| format!("cannot write {}", path.display()))?;
    show(&path)
}

/// Times units with and without traces, at several checkpoint intervals, and writes `bench/traces.md`.
pub fn traces(workspace: &Workspace) -> Result<()> {
    let engine = build_engine(workspace)?;
    let shipped = models(workspace)?
        .into_iter()
        .map(|folder| ["--model".into(), folder.into_os_string()]);
    let made_up = NETWORKS.map(|name| ["--synthetic".into(), name.into()]);
    let mut table = String::from("| network | a unit | every op hashed | every 8th and the last | the last |\n|---|--:|--:|--:|--:|\n");
    for network in shipped.chain(made_up) {
        let mut all: Vec<Vec<Value>> = INTERVALS.iter().map(|_| Vec::new()).collect();
        for _ in 0..ROUNDS {
            for (interval, reports) in INTERVALS.iter().zip(&mut all) {
                let mut run = Command::new(&engine);
                run.args(&network)
                    .args(["--checkpoint-interval", interval, "--runs", RUNS, "--output", "json"]);
                reports.push(report(run)?);
            }
        }
        let plain = median(&all.concat(), "/fastest_unit_ms")?;
        let mut row = format!("| {} | {plain:.2} ms |", text(&all.concat(), "/model"));
        for reports in &all {
            let mib = median(reports, "/checkpoint_bytes")? / 1_048_576.0;
            let (count, added) = (median(reports, "/checkpoints")?, median(reports, "/trace_overhead_percent")?);
            write!(row, " {added:+.1} % ({count} outputs, {mib:.2} MiB) |")?;
        }
        eprintln!("✓ {row}");
        writeln!(table, "{row}")?;
    }
    let path = workspace.root.join("bench/traces.md");
    let page = format!(
        "# Overhead of traces\n\nWritten by `cargo xtask bench traces`. Time that hashing adds to a unit on the CPU, by how much of the unit \
         the trace commits to: medians of {ROUNDS} turns, each of which compares the fastest of {RUNS} runs with and without. All cores work \
         on one unit.\n\nMachine: {}.\n\n{table}",
        processor()
    );
    fs::write(&path, page).with_context(|| format!("cannot write {}", path.display()))?;
    show(&path)
}

/// Measures the engine on this machine's GPU, compared with PyTorch if the Python in IONET_PYTHON has it, and writes `bench/gpu.md`.
pub fn gpu(workspace: &Workspace) -> Result<()> {
    setup::ensure_nvrtc(workspace)?;
    let engine = build_engine(workspace)?;
    let tests = build_test(workspace, "engine", "gpus")?;
    let worker = build_release(workspace, "worker", "ionet-worker")?;
    let mut measure = Command::new(env::var_os("IONET_PYTHON").unwrap_or_else(|| "python3".into()));
    measure
        .arg(workspace.root.join("bench/gpu.py"))
        .arg("--engine")
        .arg(engine)
        .arg("--tests")
        .arg(tests)
        .arg("--worker")
        .arg(worker);
    let status = measure
        .status()
        .context("cannot start Python: set IONET_PYTHON to an interpreter")?;
    ensure!(status.success(), "bench/gpu.py failed; its message is above");
    Ok(())
}

fn build_engine(workspace: &Workspace) -> Result<PathBuf> {
    build_release(workspace, "engine", "engine-bench")
}

/// Builds a binary with all optimisations; returns its path.
fn build_release(workspace: &Workspace, package: &str, name: &str) -> Result<PathBuf> {
    let _lock = workspace.take(HOST)?;
    let mut build = workspace.cargo("build");
    build.args(["--release", "--package", package, "--bin", name]);
    let what = format!("building {name} with all optimisations");
    step::run(&workspace.root, "build-release", &what, build)?;
    keep(workspace, &workspace.host_target().join("release").join(name), name)
}

/// Builds an integration test with all optimisations; returns the path of its executable.
fn build_test(workspace: &Workspace, package: &str, name: &str) -> Result<PathBuf> {
    let _lock = workspace.take(HOST)?;
    let mut build = workspace.cargo("test");
    build.args([
        "--release",
        "--package",
        package,
        "--test",
        name,
        "--no-run",
        "--message-format",
        "json-render-diagnostics",
    ]);
    let mut built = None;
    eprintln!("… building the test {name} with all optimisations");
    let (_, log) = step::stream(&workspace.root, "build-release-test", build, |line| {
        if let Some(path) = executable(line, name) {
            built = Some(path);
        }
    })?;
    let built = built.with_context(|| format!("the test {name} cannot be built; the log is {}", log.display()))?;
    keep(workspace, &built, name)
}

/// The path of the executable `name`, if this line of cargo's JSON contains it.
fn executable(line: &str, name: &str) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(line).ok()?;
    let ours = message.pointer("/target/name")?.as_str()? == name;
    message.get("executable")?.as_str().filter(|_| ours).map(PathBuf::from)
}

/// Copies an executable to where later builds do not replace it.
fn keep(workspace: &Workspace, built: &Path, name: &str) -> Result<PathBuf> {
    let kept = workspace.bin_dir().join(format!("{name}-release"));
    fs::create_dir_all(workspace.bin_dir())?;
    fs::copy(built, &kept).with_context(|| format!("the build left no {name}"))?;
    Ok(kept)
}

/// Times how the indexer ingests history and answers queries, and writes `bench/indexer.md`.
pub fn indexer(workspace: &Workspace) -> Result<()> {
    let bench = build_release(workspace, "indexer", "indexer-bench")?;
    let mut run = Command::new(bench);
    run.current_dir(&workspace.root);
    let rows = step::printed(&mut run)?;
    let cores = available_parallelism().map_or(1, usize::from);
    let text = format!(
        "# The indexer\n\nOn {cores} cores of a shared machine, with SQLite in a file. Written by `cargo xtask bench indexer`. Latencies count \
         from when each request was due, at a steady rate over eight loopback connections. The requests are, a seventh each: newest jobs, jobs \
         by status, a page in the middle, jobs of a device, a job with its events, events of a device, figures of the market.\n\n\
         | what | measured |\n|---|---|\n{rows}"
    );
    let path = workspace.root.join("bench/indexer.md");
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    show(&path)
}

/// The interpreter of an environment with the packages of `bench/requirements.txt`, which is generated from `bench/requirements.in`.
fn python(workspace: &Workspace) -> Result<PathBuf> {
    let requirements = workspace.root.join("bench/requirements.txt");
    python::environment(workspace, &workspace.cache.join("venv"), &requirements, "installing onnxruntime")
}

/// Folders of the shipped model packages.
fn models(workspace: &Workspace) -> Result<Vec<PathBuf>> {
    let folder = workspace.root.join("models");
    let mut found: Vec<PathBuf> = fs::read_dir(&folder)
        .with_context(|| format!("cannot read {}", folder.display()))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.join("model.json").exists())
        .collect();
    found.sort();
    ensure!(!found.is_empty(), "there is no model package under {}", folder.display());
    Ok(found)
}

/// Runs a benchmark and parses the last line of its output as JSON.
fn report(mut command: Command) -> Result<Value> {
    let name = Path::new(command.get_program()).display().to_string();
    let said = step::printed(&mut command)?;
    serde_json::from_str(said.lines().last().unwrap_or_default()).with_context(|| format!("{name} printed no JSON report"))
}

fn median(reports: &[Value], field: &str) -> Result<f64> {
    let mut values: Vec<f64> = reports.iter().filter_map(|report| report.pointer(field)?.as_f64()).collect();
    values.sort_by(f64::total_cmp);
    values
        .get(values.len() / 2)
        .copied()
        .with_context(|| format!("a report lacks {field}"))
}

fn text(reports: &[Value], field: &str) -> String {
    reports
        .last()
        .and_then(|report| report.pointer(field)?.as_str())
        .unwrap_or("unknown")
        .to_owned()
}

fn processor() -> String {
    let cores = available_parallelism().map_or(1, usize::from);
    let described = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = described
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("unknown processor", |(_, name)| name);
    format!("{name}, {cores} cores")
}

fn show(path: &Path) -> Result<()> {
    let page = fs::read_to_string(path).with_context(|| format!("the benchmark wrote no {}", path.display()))?;
    println!("{page}\nwritten to {}", path.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::executable;
    use std::path::{Path, PathBuf};
    use std::process::Command;

    #[test]
    fn the_executable_is_read_from_cargos_json() {
        let line = r#"{"reason":"compiler-artifact","target":{"name":"gpus"},"executable":"/t/gpus-0"}"#;
        assert_eq!(executable(line, "gpus"), Some(PathBuf::from("/t/gpus-0")));
        // Cargo also reports the package's other executables.
        assert_eq!(executable(line, "engine-bench"), None);
        assert_eq!(executable(r#"{"target":{"name":"gpus"},"executable":null}"#, "gpus"), None);
        assert_eq!(executable("   Compiling engine", "gpus"), None);
    }

    #[test]
    fn the_gpu_page_is_made_from_reports() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../bench");
        let mut tests = Command::new("python3");
        let done = tests.args(["-m", "unittest", "test_gpu"]).current_dir(folder).output();
        assert!(
            done.as_ref().is_ok_and(|done| done.status.success()),
            "install Python 3 if it is missing: {done:?}"
        );
    }
}
