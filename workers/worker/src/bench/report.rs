//! The report of a benchmark, as text and as JSON.

use super::measure::{Latency, Measurement};
use super::price::Price;
use crate::Result;
use daemon::settings::SettingsError;
use engine::cuda::Traits;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;

/// Everything that a benchmark found. Field names are stable.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Version of this program.
    pub version: &'static str,
    /// Instruction set that the CPU computes with.
    pub backend: String,
    /// Threads that the CPU computes on.
    pub threads: usize,
    /// Seconds spent on each network in each place.
    pub seconds: f64,
    /// Target income per hour at full load.
    pub income_io_per_hour: f64,
    /// GPUs in use.
    pub gpus: Vec<Gpu>,
    /// Network by network: first the CPU, then each GPU, then all GPUs together.
    pub measurements: Vec<Measurement>,
    /// A price for each model.
    pub prices: Vec<Price>,
    /// What could not be measured, and why.
    pub skipped: Vec<Skipped>,
}

/// A GPU, and its row in the published table.
#[derive(Debug, Serialize)]
pub struct Gpu {
    /// Its number, as the driver counts from 0.
    pub ordinal: usize,
    /// Its name, as the driver gives it.
    pub name: String,
    /// Its total memory.
    pub memory_bytes: u64,
    /// The row to register it as.
    pub row: Option<Row>,
    /// Why there is no such row.
    pub no_row: Option<String>,
    /// Seconds that the work of a call took, for that row; `null` without a row, or if the work failed.
    pub call_seconds: Option<f64>,
}

/// A row of the table of GPU models.
#[derive(Debug, Serialize)]
pub struct Row {
    /// Its number.
    pub id: u16,
    /// Its name, as `ionet device register --gpu` takes it.
    pub name: String,
    /// Reward multiplier.
    pub multiplier: f64,
    /// Memory that the row promises, in GiB.
    pub vram_gb: u16,
    /// Size of the work of a call: base-2 logarithms of the elements per line, the bytes per tensor and the number of layers.
    pub work: [u8; 3],
}

/// A measurement that failed.
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
    /// Looks a GPU up in the table.
    pub(super) fn of(traits: &Traits) -> Result<Self> {
        let table = migrations::published_gpu_models().map_err(|error| SettingsError(error.to_string()))?;
        let (row, no_row) = match migrations::gpu_model_of(&table, &traits.name, traits.memory) {
            Ok((id, spec)) => (
                Some(Row {
                    id: *id,
                    name: migrations::gpu_name(spec),
                    multiplier: f64::from(spec.multiplier_x100) / 100.0,
                    vram_gb: spec.vram_gb,
                    work: [spec.work_width, spec.work_bytes, spec.work_layers],
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
            call_seconds: None,
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
            self.write_place(place, f)?;
        }
        writeln!(
            f,
            "Times are of one unit and of a full batch, and include hashing and copies, as in a job; units/s and TOPS are of full batches. \
             – means too few runs for this percentile: raise --seconds to get it."
        )?;
        for Skipped { place, network, reason } in &self.skipped {
            let what = network.as_ref().map_or(String::new(), |network| format!("{network} on "));
            writeln!(f, "Not measured: {what}{place} ({reason}).")?;
        }
        self.write_gpus(f)?;
        self.write_prices(f)
    }
}

impl Report {
    /// Times and rates of every network in one place.
    fn write_place(&self, place: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n", self.title(place))?;
        let of_place = || self.measurements.iter().filter(|of| of.place == place);
        let times = of_place().flat_map(|Measurement { network, figures, .. }| {
            let row = |name: &str, units: u32, of: &Latency| {
                let [p50, p95, p99] = [Some(of.p50), of.p95, of.p99].map(|time| time.map_or("–".to_owned(), milliseconds));
                [name.to_owned(), units.to_string(), p50, p95, p99, of.runs.to_string()]
            };
            [row(network, 1, &figures.unit_ms), row("", figures.batch_units, &figures.batch_ms)]
        });
        writeln!(f, "{}", table(["", "units", "p50", "p95", "p99", "runs"], times.collect()))?;
        let rates = of_place().map(|Measurement { network, figures, .. }| {
            let hashing = figures.trace_overhead_percent.map(|percent| format!("{percent:+.1} %"));
            [
                network.clone(),
                figure(figures.units_per_second),
                figure(figures.tops),
                hashing.unwrap_or_default(),
                format!("{:.1} MiB", figures.memory_bytes as f64 / 1_048_576.0),
            ]
        });
        writeln!(f, "{}", table(["", "units/s", "int8 TOPS", "hashing", "memory"], rates.collect()))
    }

    fn title(&self, place: &str) -> String {
        let gpu = self.gpus.iter().find(|gpu| format!("gpu{}", gpu.ordinal) == place);
        match gpu {
            Some(gpu) => format!("GPU {} ({})", gpu.ordinal, gpu.name),
            None if place == "cpu" => format!("CPU ({}, {} threads)", self.backend, self.threads),
            None => "All GPUs".to_owned(),
        }
    }

    /// What to register the GPUs as, and how long the work of a call takes on each.
    fn write_gpus(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rows: BTreeMap<u16, (&Row, Vec<&Gpu>)> = BTreeMap::new();
        for gpu in &self.gpus {
            match (&gpu.row, &gpu.no_row) {
                (Some(row), _) => rows.entry(row.id).or_insert((row, Vec::new())).1.push(gpu),
                (None, reason) => writeln!(f, "GPU {}: {}.", gpu.ordinal, reason.as_deref().unwrap_or_default())?,
            }
        }
        for (row, gpus) in rows.values() {
            let quantity = match gpus.len() {
                1 => String::new(),
                several => format!(" --quantity {several}"),
            };
            writeln!(
                f,
                "Register {} as row {} of the table, multiplier {}: ionet device register --gpu \"{}\"{quantity}",
                gpus.iter()
                    .map(|gpu| format!("GPU {} ({})", gpu.ordinal, gpu.name))
                    .collect::<Vec<_>>()
                    .join(" and "),
                row.id,
                row.multiplier,
                row.name
            )?;
        }
        for gpu in &self.gpus {
            if let Some(seconds) = gpu.call_seconds {
                writeln!(
                    f,
                    "GPU {}: the work of a call took {} s; the time limit is a minute.",
                    gpu.ordinal,
                    figure(seconds)
                )?;
            }
        }
        Ok(())
    }

    fn write_prices(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.prices.is_empty() {
            return Ok(());
        }
        writeln!(
            f,
            "\nPrices for {} $IO per hour at full load, before the market's fee (--income):\n",
            self.income_io_per_hour
        )?;
        let rows = self.prices.iter().map(|price| {
            [
                price.model.clone(),
                format!("{:.8} $IO per unit", price.io_per_unit),
                format!("io:{}", price.base_units_per_unit),
                format!("at {} units/s on {}", figure(price.units_per_second), price.place),
            ]
        });
        write!(f, "{}", table([""; 4], rows.collect()))?;
        let highest = self.prices.iter().map(|price| price.base_units_per_unit).max().unwrap_or(0);
        write!(
            f,
            "\n`accept` is one floor for all models of a worker: set accept = [\"io:{highest}\"], or serve fewer models and charge less."
        )
    }
}

/// A number with three significant digits, or with all digits before the point.
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

/// A table with the first column aligned left and the others right. Without a head if all its cells are empty.
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::measure::Figures;
    use super::*;
    use engine::cuda::Cores;

    fn gpu(ordinal: usize, name: &str, memory: u64) -> Gpu {
        Gpu::of(&Traits {
            ordinal,
            name: name.to_owned(),
            memory,
            arch: 89,
            cores: Cores::Warp,
            processors: 128,
        })
        .unwrap()
    }

    fn measured(place: &str, units_per_second: f64) -> Measurement {
        let latency = |runs, p99| Latency {
            runs,
            p50: 0.1234,
            p95: Some(12.345),
            p99,
        };
        Measurement {
            place: place.to_owned(),
            network: "upscale 1.0.0".to_owned(),
            shipped: true,
            figures: Figures {
                macs_per_unit: 196_055_424,
                unit_ms: latency(99, None),
                batch_units: 64,
                batch_ms: latency(100, Some(1234.5)),
                units_per_second,
                tops: 1.5,
                trace_overhead_percent: (place != "gpus").then_some(-0.04),
                memory_bytes: 3 << 19,
            },
        }
    }

    #[test]
    fn a_report_says_everything_as_text_and_as_json() {
        let places = ["cpu", "gpu0", "gpu2", "gpu3", "gpus"];
        let measurements: Vec<Measurement> = places
            .into_iter()
            .zip([10.0, 100.0, 101.0, 102.0, 299.6])
            .map(|(at, speed)| measured(at, speed))
            .collect();
        let prices = measurements.last().and_then(|last| Price::of(last, "1".parse().unwrap()));
        let report = Report {
            version: "0.1.0",
            backend: "avx2".to_owned(),
            threads: 8,
            seconds: 4.0,
            income_io_per_hour: 1.0,
            gpus: vec![
                Gpu {
                    call_seconds: Some(6.789),
                    ..gpu(0, "NVIDIA GeForce RTX 4090", 24_564 << 20)
                },
                gpu(2, "NVIDIA GeForce RTX 4090", 24_564 << 20),
                gpu(3, "NVIDIA GeForce RTX 5090", 32 << 30),
            ],
            measurements,
            prices: prices.into_iter().collect(),
            skipped: vec![Skipped {
                place: "gpu1".to_owned(),
                network: None,
                reason: "it is too old".to_owned(),
            }],
        };
        let text = report.to_string();
        println!("{text}");
        for part in [
            "CPU (avx2, 8 threads)\n",
            "GPU 2 (NVIDIA GeForce RTX 4090)\n",
            "All GPUs\n",
            "upscale 1.0.0      1  0.123 ms  12.3 ms        –    99\n                    64  0.123 ms  12.3 ms  1234 ms   100\n",
            "upscale 1.0.0     10.0       1.50   -0.0 %  1.5 MiB\n",
            "Not measured: gpu1 (it is too old).",
            "GPU 3: no row of the table is a NVIDIA GeForce RTX 5090, so it cannot be registered",
            "Register GPU 0 (NVIDIA GeForce RTX 4090) and GPU 2 (NVIDIA GeForce RTX 4090) as row 9 of the table, multiplier 1.25: ionet device register --gpu \"RTX 4090\" --quantity 2",
            "GPU 0: the work of a call took 6.79 s; the time limit is a minute.",
            "upscale 1.0.0  0.00000093 $IO per unit  io:93  at 300 units/s on gpus",
            "accept = [\"io:93\"]",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        let json = serde_json::json!(report);
        for (field, value) in [
            ("/gpus/0/row/id", serde_json::json!(9)),
            ("/gpus/0/row/work", serde_json::json!([12, 32, 6])),
            ("/gpus/0/call_seconds", serde_json::json!(6.789)),
            ("/gpus/2/row", serde_json::Value::Null),
            ("/measurements/4/place", serde_json::json!("gpus")),
            ("/measurements/4/trace_overhead_percent", serde_json::Value::Null),
            ("/measurements/0/unit_ms/p99", serde_json::Value::Null),
            ("/measurements/0/batch_ms/p50", serde_json::json!(0.1234)),
            ("/prices/0/base_units_per_unit", serde_json::json!(93)),
        ] {
            assert_eq!(json.pointer(field), Some(&value), "{field}");
        }
    }
}
