//! Times a model package, a network made up to be timed, or the work of a call on this machine's CPU or GPU.

mod work;

use clap::{Parser, ValueEnum};
use engine::bench::{self, Network, Times};
use engine::cuda::Cuda;
use engine::{Backend, Engine, Error, Package};
use protocol::work::Size;
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

/// Times a model package on this machine.
#[derive(Parser)]
struct Args {
    /// Folder of the model package.
    #[arg(long, required_unless_present_any = ["synthetic", "work"])]
    model: Option<PathBuf>,
    /// A network made up to be timed, instead of a package.
    #[arg(long, value_enum, conflicts_with = "model")]
    synthetic: Option<Network>,
    /// The work of a call, once on all cores or the GPU, instead of a package: logarithms to base 2 of a line's elements, a tensor's bytes and the layers.
    #[arg(long, value_name = "WIDTH,BYTES,LAYERS", value_parser = work::size, conflicts_with_all = ["model", "synthetic", "threads", "runs", "backend"])]
    work: Option<Size>,
    /// Number of the GPU to run on.
    #[arg(long)]
    gpu: Option<usize>,
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
    /// One unit from input to output.
    unit_p95_ms: f64,
    unit_p99_ms: f64,
    /// Of the fastest runs, because hashing doubles what a busy neighbour can disturb.
    trace_overhead_percent: f64,
    macs_per_unit: u64,
    gmacs_per_second: f64,
    /// Of this process, where the system tells.
    peak_memory_mib: Option<f64>,
    gpu: Option<GpuReport>,
}

/// Passes of a GPU over as many units as it takes at once, without copies.
#[derive(Serialize)]
struct GpuReport {
    name: String,
    units: u32,
    memory_mib: f64,
    pass_p50_ms: f64,
    pass_p95_ms: f64,
    pass_p99_ms: f64,
    units_per_second: f64,
    /// Two operations per multiply-accumulate.
    tera_ops_per_second: f64,
    /// Every op's output hashed, of the medians.
    trace_overhead_percent: f64,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let done = match args.work {
        Some(size) => work::measure(size, args.gpu).map(|report| work::print(&report, args.output)),
        None => measure(&args).map(|report| print(&report, args.output)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(args: &Args) -> Result<Report, Box<dyn std::error::Error>> {
    let package = match (&args.model, args.synthetic) {
        (Some(folder), _) => Package::load(folder)?,
        (None, network) => network.unwrap_or(Network::Gemm).package()?,
    };
    let package = Arc::new(package);
    let threads = match args.threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        threads => threads,
    };
    let engine = Engine::with_backend(package.clone(), threads, args.backend.unwrap_or_else(Backend::best))?;
    if let Some(ordinal) = args.gpu {
        engine.attach(Arc::new(Cuda::new(ordinal)?))?;
    }
    let inputs = bench::unit(&package);
    let inputs: Vec<&[u8]> = inputs.iter().map(Vec::as_slice).collect();
    // A GPU that fails would leave the CPU to be timed.
    let on = |outcome: Result<(), Error>| match engine.losses().pop() {
        Some(loss) => Err(loss.error.into()),
        None => outcome,
    };
    let unit = Times::of(args.runs, || on(engine.run(&inputs).map(drop)))?;
    let traced = Times::of(args.runs, || on(engine.run_traced(&inputs).map(drop)))?;
    Ok(Report {
        model: format!("{} {}", package.name, package.version),
        backend: engine.backend().to_string(),
        threads,
        runs: args.runs,
        fastest_unit_ms: unit.percentile(0) * 1e3,
        unit_ms: unit.percentile(50) * 1e3,
        traced_unit_ms: traced.percentile(50) * 1e3,
        unit_p95_ms: unit.percentile(95) * 1e3,
        unit_p99_ms: unit.percentile(99) * 1e3,
        trace_overhead_percent: (traced.percentile(0) / unit.percentile(0) - 1.0) * 100.0,
        macs_per_unit: package.facts.macs,
        gmacs_per_second: package.facts.macs as f64 / unit.percentile(50) / 1e9,
        peak_memory_mib: peak_memory_kib().map(|kib| kib / 1024.0),
        gpu: measure_gpu(&engine, args.runs)?,
    })
}

fn measure_gpu(engine: &Engine, runs: u32) -> Result<Option<GpuReport>, Error> {
    let Some(resident) = engine.residents().pop() else {
        return Ok(None);
    };
    let pass = |traced| -> Result<Times, Error> {
        engine.time_passes(None, traced, runs.div_ceil(10))?;
        let times = engine.time_passes(None, traced, runs)?;
        Ok(Times::new(times.map_or_else(Vec::new, |times| times.seconds)))
    };
    let (plain, traced) = (pass(false)?, pass(true)?);
    let units_per_second = f64::from(resident.units) / plain.percentile(50);
    Ok(Some(GpuReport {
        name: resident.device,
        units: resident.units,
        memory_mib: resident.bytes as f64 / 1_048_576.0,
        pass_p50_ms: plain.percentile(50) * 1e3,
        pass_p95_ms: plain.percentile(95) * 1e3,
        pass_p99_ms: plain.percentile(99) * 1e3,
        units_per_second,
        tera_ops_per_second: 2.0 * engine.package().facts.macs as f64 * units_per_second / 1e12,
        trace_overhead_percent: (traced.percentile(50) / plain.percentile(50) - 1.0) * 100.0,
    }))
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
                report.model,
                report.gpu.as_ref().map_or(&report.backend, |gpu| &gpu.name),
                report.threads,
                report.runs
            );
            println!(
                "  median unit      {:.3} ms, {:.1} GMAC/s (fastest {:.3} ms, p95 {:.3} ms, p99 {:.3} ms)",
                report.unit_ms, report.gmacs_per_second, report.fastest_unit_ms, report.unit_p95_ms, report.unit_p99_ms
            );
            println!(
                "  with its trace   {:.3} ms, {:+.1} %",
                report.traced_unit_ms, report.trace_overhead_percent
            );
            if let Some(memory) = report.peak_memory_mib {
                println!("  peak memory      {memory:.1} MiB");
            }
            if let Some(gpu) = &report.gpu {
                println!(
                    "  pass of {:>3}      {:.3} ms (p95 {:.3} ms, p99 {:.3} ms), {:.1} units/s, {:.1} TOPS",
                    gpu.units, gpu.pass_p50_ms, gpu.pass_p95_ms, gpu.pass_p99_ms, gpu.units_per_second, gpu.tera_ops_per_second
                );
                println!("  hashing a pass   {:+.1} %", gpu.trace_overhead_percent);
                println!("  GPU memory       {:.1} MiB", gpu.memory_mib);
            }
        }
    }
}
