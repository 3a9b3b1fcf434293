//! Times a model package on this machine: `engine-bench --model DIR [--threads N] [--runs R] [--backend NAME] [--output json]`.

use clap::{Parser, ValueEnum};
use engine::{Backend, Engine, Error, Package};
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

/// Times a model package on this machine.
#[derive(Parser)]
struct Args {
    /// Folder of the model package.
    #[arg(long)]
    model: PathBuf,
    /// Threads to use; 0 means one per core.
    #[arg(long, default_value_t = 0)]
    threads: usize,
    /// Timed runs of one unit.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// Backend to use instead of the best one, by its name in the output.
    #[arg(long)]
    backend: Option<Backend>,
    /// Form of the report.
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Clone, Copy, ValueEnum)]
enum Output {
    Text,
    Json,
}

#[derive(Serialize)]
struct Report {
    model: String,
    backend: String,
    threads: usize,
    runs: u32,
    /// Fastest run of one unit: what the code costs on an idle core.
    fastest_unit_ms: f64,
    /// Medians of one unit.
    unit_ms: f64,
    traced_unit_ms: f64,
    /// Of the fastest runs, because hashing doubles what a busy neighbour can disturb.
    trace_overhead_percent: f64,
    macs_per_unit: u64,
    gmacs_per_second: f64,
    /// Of this process, where the system tells.
    peak_memory_mib: Option<f64>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    match measure(&args) {
        Ok(report) => {
            print(&report, args.output);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(args: &Args) -> Result<Report, Error> {
    let package = Arc::new(Package::load(&args.model)?);
    let threads = match args.threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        threads => threads,
    };
    let engine = Engine::with_backend(package.clone(), threads, args.backend.unwrap_or_else(Backend::best))?;
    // Any input costs the same; a pattern shows that nothing is skipped.
    let inputs: Vec<Vec<u8>> = package
        .input_shapes()
        .iter()
        .map(|shape| {
            (0..shape.elements().unwrap_or(0))
                .map(|index| (index.wrapping_mul(2_654_435_761) >> 24) as u8)
                .collect()
        })
        .collect();
    let inputs: Vec<&[u8]> = inputs.iter().map(Vec::as_slice).collect();
    let (fastest, unit) = time(args.runs, || engine.run(&inputs).map(drop))?;
    let (fastest_traced, traced) = time(args.runs, || engine.run_traced(&inputs).map(drop))?;
    Ok(Report {
        model: format!("{} {}", package.name, package.version),
        backend: engine.backend().to_string(),
        threads,
        runs: args.runs,
        fastest_unit_ms: fastest * 1e3,
        unit_ms: unit * 1e3,
        traced_unit_ms: traced * 1e3,
        trace_overhead_percent: (fastest_traced / fastest - 1.0) * 100.0,
        macs_per_unit: package.facts.macs,
        gmacs_per_second: package.facts.macs as f64 / unit / 1e9,
        peak_memory_mib: peak_memory_kib().map(|kib| kib / 1024.0),
    })
}

/// Fastest and median seconds of a run, after a tenth as many to warm up.
fn time(runs: u32, run: impl Fn() -> Result<(), Error>) -> Result<(f64, f64), Error> {
    for _ in 0..runs.div_ceil(10) {
        run()?;
    }
    let mut times = Vec::new();
    for _ in 0..runs {
        let start = Instant::now();
        run()?;
        times.push(start.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    let at = |index: usize| times.get(index).copied().unwrap_or(0.0);
    Ok((at(0), at(times.len() / 2)))
}

/// Largest resident size so far, from Linux's `/proc`.
fn peak_memory_kib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?
        .trim()
        .strip_suffix("kB")?
        .trim()
        .parse()
        .ok()
}

fn print(report: &Report, output: Output) {
    match output {
        Output::Json => println!("{}", serde_json::json!(report)),
        Output::Text => {
            println!(
                "{} on {}, {} threads, {} runs",
                report.model, report.backend, report.threads, report.runs
            );
            println!(
                "  median unit      {:.3} ms, {:.1} GMAC/s (fastest {:.3} ms)",
                report.unit_ms, report.gmacs_per_second, report.fastest_unit_ms
            );
            println!(
                "  with its trace   {:.3} ms, {:+.1} %",
                report.traced_unit_ms, report.trace_overhead_percent
            );
            if let Some(memory) = report.peak_memory_mib {
                println!("  peak memory      {memory:.1} MiB");
            }
        }
    }
}
