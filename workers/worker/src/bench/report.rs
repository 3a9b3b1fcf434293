//! What was found, for people and for programs.

use super::measure::{Latency, Measurement};
use super::price::Price;
use crate::{Error, Result};
use engine::cuda::Traits;
use serde::Serialize;
use std::fmt;

/// All that a run found. Field names are stable.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Of this program.
    pub version: &'static str,
    /// Instructions that the CPU computes with.
    pub backend: String,
    /// Threads that the CPU computes on.
    pub threads: usize,
    /// Seconds given to each network in each place.
    pub seconds: f64,
    /// What an hour at full load is to bring.
    pub income_io_per_hour: f64,
    /// GPUs in use.
    pub gpus: Vec<Gpu>,
    /// Network by network; of each the CPU first, then each GPU, then all together.
    pub measurements: Vec<Measurement>,
    /// A price for each model.
    pub prices: Vec<Price>,
    /// What could not be measured, and why.
    pub skipped: Vec<Skipped>,
}

/// A GPU and the row of the published table that it is.
#[derive(Debug, Serialize)]
pub struct Gpu {
    /// Its number, as the driver counts.
    pub ordinal: usize,
    /// Its name, as the driver gives it.
    pub name: String,
    /// All of its memory.
    pub memory_bytes: u64,
    /// What to register it as.
    pub row: Option<Row>,
    /// Why there is no such row.
    pub no_row: Option<String>,
}

/// A row of the table of GPU models.
#[derive(Debug, Serialize)]
pub struct Row {
    /// Its number.
    pub id: u16,
    /// Its name, as `ionet device register --gpu` takes it.
    pub name: String,
    /// What rewards are multiplied by.
    pub multiplier: f64,
    /// Memory it promises, in GiB.
    pub vram_gb: u16,
}

/// What could not be measured.
#[derive(Debug, Serialize)]
pub struct Skipped {
    /// Where.
    pub place: String,
    /// Which network; `null` for all.
    pub network: Option<String>,
    /// Why.
    pub reason: String,
}

impl Gpu {
    /// What the table says of a GPU.
    pub(super) fn of(traits: &Traits) -> Result<Self> {
        let table = migrations::published_gpu_models().map_err(|error| Error::Settings(error.to_string()))?;
        let (row, no_row) = match migrations::gpu_model_of(&table, &traits.name, traits.memory) {
            Ok((id, spec)) => (
                Some(Row {
                    id: *id,
                    name: migrations::gpu_name(spec),
                    multiplier: f64::from(spec.multiplier_x100) / 100.0,
                    vram_gb: spec.vram_gb,
                }),
                None,
            ),
            Err(reason) => (None, Some(reason.to_string())),
        };
        Ok(Self {
            ordinal: traits.ordinal,
            name: traits.name.clone(),
            memory_bytes: traits.memory,
            row,
            no_row,
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut places: Vec<&str> = Vec::new();
        for measurement in &self.measurements {
            if !places.contains(&measurement.place.as_str()) {
                places.push(&measurement.place);
            }
        }
        for place in places {
            writeln!(f, "{}\n", self.title(place))?;
            let of_place = self.measurements.iter().filter(|of| of.place == place);
            let head = [
                "",
                "unit p50",
                "p95",
                "p99",
                "runs",
                "full batch",
                "p50",
                "p95",
                "p99",
                "runs",
                "units/s",
                "int8 TOPS",
                "hashing",
                "memory",
            ];
            let rows = of_place.map(|of| {
                let latency = |of: &Latency| {
                    let [p50, p95, p99] = [Some(of.p50), of.p95, of.p99].map(|time| time.map_or("–".to_owned(), milliseconds));
                    (p50, p95, p99, of.runs.to_string())
                };
                let figures = &of.figures;
                let (unit, batch) = (latency(&figures.unit_ms), latency(&figures.batch_ms));
                let hashing = figures.trace_overhead_percent.map(|percent| format!("{percent:+.1} %"));
                [
                    of.network.clone(),
                    unit.0,
                    unit.1,
                    unit.2,
                    unit.3,
                    format!("{} units", figures.batch_units),
                    batch.0,
                    batch.1,
                    batch.2,
                    batch.3,
                    figure(figures.units_per_second),
                    figure(figures.tops),
                    hashing.unwrap_or_default(),
                    format!("{:.1} MiB", figures.memory_bytes as f64 / 1_048_576.0),
                ]
            });
            writeln!(f, "{}", table(head, rows.collect()))?;
        }
        writeln!(
            f,
            "Times include hashing and copies, as in a job; units/s and TOPS are of full batches. – stands for percentiles of too few runs: \
             --seconds asks for more."
        )?;
        for Skipped { place, network, reason } in &self.skipped {
            let what = network.as_ref().map_or(String::new(), |network| format!("{network} on "));
            writeln!(f, "Not measured: {what}{place} ({reason}).")?;
        }
        for gpu in &self.gpus {
            let Gpu { ordinal, name, .. } = gpu;
            match (&gpu.row, &gpu.no_row) {
                (Some(row), _) => writeln!(
                    f,
                    "Register GPU {ordinal} ({name}) with `ionet device register --gpu \"{}\"`: row {}, multiplier {}, {} GiB.",
                    row.name, row.id, row.multiplier, row.vram_gb
                )?,
                (None, reason) => writeln!(f, "GPU {ordinal}: {}.", reason.as_deref().unwrap_or_default())?,
            }
        }
        if self.prices.is_empty() {
            return Ok(());
        }
        writeln!(
            f,
            "\nPrices for {} $IO an hour at full load, before the market's fee (--income):\n",
            self.income_io_per_hour
        )?;
        let rows = self.prices.iter().map(|price| {
            [
                price.model.clone(),
                format!("{:.8} $IO a unit", price.io_per_unit),
                format!("io:{}", price.base_units_per_unit),
                format!("at {} units/s on {}", figure(price.units_per_second), price.place),
            ]
        });
        write!(f, "{}", table([""; 4], rows.collect()))?;
        let highest = self.prices.iter().map(|price| price.base_units_per_unit).max().unwrap_or(0);
        write!(
            f,
            "\n`accept` is one floor for all models of a worker, so set accept = [\"io:{highest}\"], or serve fewer models and ask less."
        )
    }
}

impl Report {
    fn title(&self, place: &str) -> String {
        let gpu = self.gpus.iter().find(|gpu| format!("gpu{}", gpu.ordinal) == place);
        match gpu {
            Some(gpu) => format!("GPU {} ({})", gpu.ordinal, gpu.name),
            None if place == "cpu" => format!("CPU ({}, {} threads)", self.backend, self.threads),
            None => "All GPUs".to_owned(),
        }
    }
}

/// Three digits, or all before the point.
fn figure(value: f64) -> String {
    let digits = match value {
        value if value >= 100.0 => 0,
        value if value >= 10.0 => 1,
        value if value >= 1.0 => 2,
        _ => 3,
    };
    format!("{value:.digits$}")
}

fn milliseconds(value: f64) -> String {
    format!("{} ms", figure(value))
}

/// Columns as wide as they need, the first to the left and the others to the right; no head where all of it is empty.
fn table<const N: usize>(head: [&str; N], rows: Vec<[String; N]>) -> String {
    let head = head.map(str::to_owned);
    let lines: Vec<&[String; N]> = std::iter::once(&head)
        .filter(|head| head.iter().any(|cell| !cell.is_empty()))
        .chain(&rows)
        .collect();
    let width = |column: usize| {
        lines
            .iter()
            .filter_map(|line| line.get(column))
            .map(|cell| cell.chars().count())
            .max()
    };
    let widths: Vec<usize> = (0..N).map(|column| width(column).unwrap_or(0)).collect();
    let line = |cells: &[String; N]| {
        let cells = cells.iter().zip(&widths).enumerate().map(|(column, (cell, width))| match column {
            0 => format!("  {cell:<width$}"),
            _ => format!("  {cell:>width$}"),
        });
        cells.collect::<String>() + "\n"
    };
    lines.into_iter().map(line).collect()
}
