//! Times a model package, a network made up to be timed, or the work of a call on this machine's CPU or GPU.

mod work;

use clap::{Parser, ValueEnum};
use engine::bench::{self, Network, Times};
use engine::cuda::{Cuda, PassTimes};
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
    /// Columns of the gemm, instead of 4,096: at most 16,384, the longest sum.
    #[arg(long, requires = "synthetic", conflicts_with_all = ["model", "work"], value_parser = clap::value_parser!(u16).range(1..=16_384))]
    width: Option<u16>,
    /// The work of a call, once on all cores or the GPU, instead of a package: logarithms to base 2 of a line's elements, a tensor's bytes
    /// and the layers.
    #[arg(long, value_name = "WIDTH,BYTES,LAYERS", value_parser = work::size, conflicts_with_all = ["model", "synthetic", "threads", "runs", "backend"])]
    work: Option<Size>,
    /// Ops from one checkpoint of a trace to the next, instead of as many as the package says; more than it has is all of it.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..), conflicts_with = "work")]
    checkpoint_interval: Option<u32>,
    /// Number of the GPU to run on.
    #[arg(long)]
    gpu: Option<usize>,
    /// Units of a pass of the GPU, a power of two, instead of as many as it takes at once.
    #[arg(long, requires = "gpu")]
    units: Option<u32>,
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
    /// Op outputs that a trace commits to, and their bytes.
    checkpoints: u32,
    checkpoint_bytes: u64,
    macs_per_unit: u64,
    gmacs_per_second: f64,
    /// Of this process, where the system tells.
    peak_memory_mib: Option<f64>,
    gpu: Option<GpuReport>,
}

/// Turns that passes with hashes and without take.
const TURNS: u32 = 10;

/// Passes of a GPU over so many units, without copies, and as many under way as it has room for.
#[derive(Serialize)]
struct GpuReport {
    name: String,
    /// Passes under way at once.
    passes: u32,
    units: u32,
    memory_mib: f64,
    /// Without copies.
    pass_p50_ms: f64,
    pass_p95_ms: f64,
    pass_p99_ms: f64,
    units_per_second: f64,
    /// Two operations per multiply-accumulate.
    tera_ops_per_second: f64,
    /// More time with all checkpoints hashed.
    trace_overhead_percent: f64,
    /// From the inputs blob to the outputs blob and all traces, copies included.
    batch_p50_ms: f64,
    batch_p95_ms: f64,
    batch_p99_ms: f64,
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
    let mut package = match (&args.model, args.synthetic.unwrap_or(Network::Gemm), args.width) {
        (Some(folder), ..) => Package::load(folder)?,
        (None, Network::Gemm, Some(width)) => bench::gemm(width)?,
        (None, network, None) => network.package()?,
        (None, ..) => return Err("only the gemm has a width; leave --width out".into()),
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
    if let Some(ordinal) = args.gpu {
        engine.attach(Arc::new(Cuda::new(ordinal)?))?;
    }
    let inputs = bench::unit(&package);
    let inputs: Vec<&[u8]> = inputs.iter().map(Vec::as_slice).collect();
    let unit = Times::of(args.runs, || alive(&engine, engine.run(&inputs).map(drop)))?;
    let traced = Times::of(args.runs, || alive(&engine, engine.run_traced(&inputs).map(drop)))?;
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
        checkpoints: package.checkpoints().count(),
        checkpoint_bytes: checkpoint_bytes(&package),
        macs_per_unit: package.facts.macs,
        gmacs_per_second: package.facts.macs as f64 / unit.percentile(50) / 1e9,
        peak_memory_mib: peak_memory_kib().map(|kib| kib / 1024.0),
        gpu: measure_gpu(&engine, args.units, args.runs)?,
    })
}

/// Bytes of the op outputs that a trace commits to.
fn checkpoint_bytes(package: &Package) -> u64 {
    let numbered = (0u32..).zip(&package.ops);
    numbered
        .filter(|(op, _)| package.checkpoints().contains(*op))
        .filter_map(|(_, op)| op.descriptor.output.elements())
        .map(u64::from)
        .sum()
}

fn measure_gpu(engine: &Engine, units: Option<u32>, runs: u32) -> Result<Option<GpuReport>, Box<dyn std::error::Error>> {
    let Some(resident) = engine.residents().pop() else {
        return Ok(None);
    };
    let most = resident.units;
    let units = units.unwrap_or(most);
    if units > most || !units.is_power_of_two() {
        return Err(format!("the GPU has room for {most} units; give --units a power of two up to that").into());
    }
    // Whole batches come first: passes compute whatever lies in memory, and zeros take less power, so less time.
    let blob = bench::batch(engine.package(), units * resident.passes)?;
    let batch = Times::of(runs, || alive(engine, engine.run_batch(&blob, || ()).map(drop)))?;
    // Plain and traced take turns, each long enough that all passes there is room for are under way most of the time.
    let [mut plain, mut traced] = [(); 2].map(|()| Passes::default());
    for turn in 0..=TURNS {
        for (traced, passes) in [(false, &mut plain), (true, &mut traced)] {
            let Some(times) = engine.time_passes(Some(units), traced, runs.div_ceil(TURNS))? else {
                continue;
            };
            // The first turn warms up.
            if turn > 0 {
                passes.add(times);
            }
        }
    }
    let units_per_second = plain.units_per_second();
    let trace_overhead_percent = (units_per_second / traced.units_per_second() - 1.0) * 100.0;
    let pass = Times::new(plain.seconds);
    Ok(Some(GpuReport {
        name: resident.device,
        units,
        passes: resident.passes,
        memory_mib: resident.bytes as f64 / 1_048_576.0,
        pass_p50_ms: pass.percentile(50) * 1e3,
        pass_p95_ms: pass.percentile(95) * 1e3,
        pass_p99_ms: pass.percentile(99) * 1e3,
        units_per_second,
        tera_ops_per_second: 2.0 * engine.package().facts.macs as f64 * units_per_second / 1e12,
        trace_overhead_percent,
        batch_p50_ms: batch.percentile(50) * 1e3,
        batch_p95_ms: batch.percentile(95) * 1e3,
        batch_p99_ms: batch.percentile(99) * 1e3,
    }))
}

/// Turns of passes of one kind.
#[derive(Default)]
struct Passes {
    units: f64,
    elapsed: f64,
    seconds: Vec<f64>,
}

impl Passes {
    fn add(&mut self, times: PassTimes) {
        self.units += f64::from(times.units) * times.seconds.len() as f64;
        self.elapsed += times.elapsed;
        self.seconds.extend(times.seconds);
    }

    fn units_per_second(&self) -> f64 {
        self.units / self.elapsed
    }
}

/// What a run gave, unless a GPU failed: that would leave the CPU to be timed.
fn alive(engine: &Engine, outcome: Result<(), Error>) -> Result<(), Error> {
    match engine.losses().pop() {
        Some(loss) => Err(loss.error.into()),
        None => outcome,
    }
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
                    "  pass of {:>3}      {:.3} ms (p95 {:.3} ms, p99 {:.3} ms), {:.1} units/s, {:.1} TOPS",
                    gpu.units, gpu.pass_p50_ms, gpu.pass_p95_ms, gpu.pass_p99_ms, gpu.units_per_second, gpu.tera_ops_per_second
                );
                println!("  hashing a pass   {:+.1} %", gpu.trace_overhead_percent);
                println!(
                    "  whole batch      {:.3} ms (p95 {:.3} ms, p99 {:.3} ms), hashed and copied",
                    gpu.batch_p50_ms, gpu.batch_p95_ms, gpu.batch_p99_ms
                );
                println!("  GPU memory       {:.1} MiB", gpu.memory_mib);
            }
        }
    }
}
