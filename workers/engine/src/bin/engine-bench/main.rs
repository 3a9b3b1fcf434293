//! Times a model package, a synthetic network, or the work of a call on this machine's CPU or GPU.

mod work;

use clap::{Parser, ValueEnum};
use engine::bench::{self, GpuReport, Network, Times, on_gpu};
use engine::cuda::{Compiler, Cuda, Device};
use engine::{Backend, Engine, Package};
use protocol::work::Size;
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

/// Time a model package, a synthetic network, or the work of a call on this machine
#[derive(Parser)]
struct Args {
    /// Folder of the model package
    #[arg(long, required_unless_present_any = ["synthetic", "work", "compile"])]
    model: Option<PathBuf>,
    /// Synthetic network to time instead of a package
    #[arg(long, value_enum, conflicts_with = "model")]
    synthetic: Option<Network>,
    /// Number of columns of the gemm, instead of 4,096; at most 16,384, the longest sum
    #[arg(long, requires = "synthetic", conflicts_with_all = ["model", "work"], value_parser = clap::value_parser!(u16).range(1..=16_384))]
    width: Option<u16>,
    /// Do the work of a call once, on all cores or the GPU, instead of timing a package. Takes the base-2 logarithms of the elements per
    /// line, of the bytes per tensor and of the number of layers
    #[arg(long, value_name = "WIDTH,BYTES,LAYERS", value_parser = work::size, conflicts_with_all = ["model", "synthetic", "threads", "runs", "backend"])]
    work: Option<Size>,
    /// Compile the GPU kernels for a compute capability, such as 90, into the cache. Its folder `kernels` can then be copied to a machine
    /// without NVRTC
    #[arg(long, value_name = "ARCH", exclusive = true)]
    compile: Option<u32>,
    /// Number of ops from one checkpoint of a trace to the next, instead of the package's own. If there are fewer ops, only the output is a
    /// checkpoint
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..), conflicts_with = "work")]
    checkpoint_interval: Option<u32>,
    /// Number of the GPU to run on
    #[arg(long)]
    gpu: Option<usize>,
    /// Units per pass on the GPU, a power of two, instead of as many as it has room for
    #[arg(long, requires = "gpu")]
    units: Option<u32>,
    /// Number of CPU threads; 0 means one per core
    #[arg(long, default_value_t = 0)]
    threads: usize,
    /// Number of timed runs of one unit
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// Number of timed whole batches on the GPU, if not as many as runs. They spend much time on copies
    #[arg(long, requires = "gpu", conflicts_with = "work", value_parser = clap::value_parser!(u32).range(1..))]
    batches: Option<u32>,
    /// CPU backend to use instead of the best one
    #[arg(long, value_enum)]
    backend: Option<Backend>,
    /// Format of the report
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
    /// Fastest run of one unit: the time on an otherwise idle machine.
    fastest_unit_ms: f64,
    /// Median times of one unit, without and with its trace.
    unit_ms: f64,
    traced_unit_ms: f64,
    /// Percentiles of one unit; `null` if there were fewer than 20 or 100 runs.
    unit_p95_ms: Option<f64>,
    unit_p99_ms: Option<f64>,
    /// Computed from the fastest runs, because traced runs take longer and are disturbed more often by other load.
    trace_overhead_percent: f64,
    /// Number of op outputs that a trace commits to, and their size in bytes.
    checkpoints: u32,
    checkpoint_bytes: u64,
    macs_per_unit: u64,
    gmacs_per_second: f64,
    /// Peak memory of this process, if the system reports it.
    peak_memory_mib: Option<f64>,
    kernels: Option<Kernels>,
    gpu: Option<GpuReport>,
}

/// The kernels in use on the GPU.
#[derive(Serialize)]
struct Kernels {
    /// Compute capability, such as 89 for sm_89.
    arch: u32,
    /// The tensor cores that the kernels use.
    cores: String,
    /// Version of the NVRTC that compiled them.
    compiler: String,
}

impl Kernels {
    fn of(gpu: &Cuda) -> Self {
        let (traits, (major, minor)) = (gpu.traits(), gpu.compiler());
        Self {
            arch: traits.arch,
            cores: format!("{:?}", traits.cores),
            compiler: format!("{major}.{minor}"),
        }
    }
}

fn main() -> ExitCode {
    let args = Args::parse();
    let done = match (args.work, args.compile) {
        (Some(size), _) => work::measure(size, args.gpu).map(|report| work::print(&report, args.output)),
        (None, Some(arch)) => compile(arch),
        (None, None) => measure(&args).map(|report| print(&report, args.output)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn compile(arch: u32) -> Result<(), Box<dyn std::error::Error>> {
    let compiler = Compiler::find()?;
    let (bytes, (major, minor)) = (compiler.kernels(arch)?.len(), compiler.version());
    println!("the kernels for sm_{arch} are in the cache: {bytes} bytes, compiled by NVRTC {major}.{minor}");
    Ok(())
}

fn measure(args: &Args) -> Result<Report, Box<dyn std::error::Error>> {
    let mut package = match (&args.model, args.synthetic.unwrap_or(Network::Gemm), args.width) {
        (Some(folder), ..) => Package::load(folder)?,
        (None, Network::Gemm, Some(width)) => bench::gemm(width)?,
        (None, network, None) => network.package()?,
        (None, ..) => return Err("--width applies only to --synthetic gemm; leave it out".into()),
    };
    if let Some(interval) = args.checkpoint_interval {
        package.facts.interval = interval.min(package.facts.n_ops);
    }
    let package = Arc::new(package);
    let threads = match args.threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        threads => threads,
    };
    let engine = Engine::with_backend(package.clone(), threads, args.backend.unwrap_or_else(Backend::best))?;
    let gpu = args.gpu.map(Cuda::new).transpose()?;
    let kernels = gpu.as_ref().map(Kernels::of);
    if let Some(gpu) = gpu.map(Arc::new) {
        match args.units {
            Some(units) => engine.attach_sized(gpu, units)?,
            None => engine.attach(gpu)?,
        }
    }
    let inputs = bench::unit(&package);
    let inputs: Vec<&[u8]> = inputs.iter().map(Vec::as_slice).collect();
    let unit = Times::of(args.runs, || on_gpu(&engine, 1, || engine.run(&inputs)).map(drop))?;
    let traced = Times::of(args.runs, || on_gpu(&engine, 1, || engine.run_traced(&inputs)).map(drop))?;
    Ok(Report {
        model: format!("{} {}", package.name, package.version),
        backend: engine.backend().to_string(),
        threads,
        runs: args.runs,
        fastest_unit_ms: unit.percentile(0) * 1e3,
        unit_ms: unit.percentile(50) * 1e3,
        traced_unit_ms: traced.percentile(50) * 1e3,
        unit_p95_ms: unit.tail(95).map(|seconds| seconds * 1e3),
        unit_p99_ms: unit.tail(99).map(|seconds| seconds * 1e3),
        trace_overhead_percent: (traced.percentile(0) / unit.percentile(0) - 1.0) * 100.0,
        checkpoints: package.checkpoints().count(),
        checkpoint_bytes: checkpoint_bytes(&package),
        macs_per_unit: package.facts.macs,
        gmacs_per_second: package.facts.macs as f64 / unit.percentile(50) / 1e9,
        peak_memory_mib: peak_memory_mib(),
        kernels,
        gpu: bench::gpu(&engine, args.runs, args.batches.unwrap_or(args.runs))?,
    })
}

/// Size in bytes of the op outputs that a trace commits to.
fn checkpoint_bytes(package: &Package) -> u64 {
    let numbered = (0u32..).zip(&package.ops);
    numbered
        .filter(|(op, _)| package.checkpoints().contains(*op))
        .filter_map(|(_, op)| op.descriptor.output.elements())
        .map(u64::from)
        .sum()
}

/// The process's largest resident size so far, from Linux's `/proc`.
fn peak_memory_mib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let kibibytes = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.strip_suffix("kB"))?;
    Some(kibibytes.trim().parse::<f64>().ok()? / 1024.0)
}

/// Formats those of two percentiles that are known.
fn tails(p95: Option<f64>, p99: Option<f64>) -> String {
    let known = [("p95", p95), ("p99", p99)].into_iter().filter_map(|(name, ms)| Some((name, ms?)));
    known.map(|(name, ms)| format!(", {name} {ms:.3} ms")).collect()
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
                "  median unit      {:.3} ms, {:.1} GMAC/s (fastest {:.3} ms{})",
                report.unit_ms,
                report.gmacs_per_second,
                report.fastest_unit_ms,
                tails(report.unit_p95_ms, report.unit_p99_ms)
            );
            println!(
                "  with its trace   {:.3} ms, {:+.1} %, of {} outputs, {:.2} MiB",
                report.traced_unit_ms,
                report.trace_overhead_percent,
                report.checkpoints,
                report.checkpoint_bytes as f64 / 1_048_576.0
            );
            if let Some(memory) = report.peak_memory_mib {
                println!("  peak memory      {memory:.1} MiB");
            }
            if let Some(gpu) = &report.gpu {
                println!(
                    "  pass of {:>3}      {:.3} ms{}, {:.1} units/s, {:.1} TOPS",
                    gpu.units,
                    gpu.pass_p50_ms,
                    tails(gpu.pass_p95_ms, gpu.pass_p99_ms),
                    gpu.units_per_second,
                    gpu.tera_ops_per_second
                );
                println!("  hashing a pass   {:+.1} %", gpu.trace_overhead_percent);
                println!(
                    "  whole batch      {:.3} ms{}, hashed and copied",
                    gpu.batch_p50_ms,
                    tails(gpu.batch_p95_ms, gpu.batch_p99_ms)
                );
                println!("  GPU memory       {:.1} MiB", gpu.memory_mib);
                println!("  compared         {} units with the CPU's", gpu.checked);
            }
            if let Some(kernels) = &report.kernels {
                println!(
                    "  kernels          sm_{}, cores {}, by NVRTC {}",
                    kernels.arch, kernels.cores, kernels.compiler
                );
            }
        }
    }
}
