//! `ionet-worker bench`: how fast this machine runs the models, and what to register it as and charge.

mod measure;
mod price;
mod report;

use crate::settings::Compute;
use crate::{Error, Models, Result};
use clap::{Args, ValueEnum};
use engine::bench::Network;
use engine::cuda::Device;
use engine::{Backend, Engine};
use measure::{Measurement, measure};
use price::{Income, Price};
use protocol::work::Size;
use report::{Gpu, Report, Skipped};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// Options of `ionet-worker bench`.
#[derive(Args, Clone, Debug)]
pub struct Bench {
    /// Format of the report on standard output; progress goes to standard error
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
    /// Seconds for each network on the CPU and on each GPU; a longer run gives more percentiles
    #[arg(long, value_name = "S", default_value = "4", value_parser = seconds)]
    seconds: f64,
    /// Target income per hour at full load, in $IO before the market's fee; prices per unit follow from it
    #[arg(long, value_name = "IO_PER_HOUR", default_value = "1")]
    income: Income,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Output {
    /// For people
    Table,
    /// One JSON object, for programs
    Json,
}

fn seconds(text: &str) -> std::result::Result<f64, String> {
    let seconds: f64 = text.parse().map_err(|_| format!("'{text}' is not a number of seconds"))?;
    if (0.0..=3600.0).contains(&seconds) {
        Ok(seconds)
    } else {
        Err("give between 0 and 3600 seconds".to_owned())
    }
}

impl Bench {
    /// Measures and prints the report. Needs neither chain nor keys.
    pub fn run(&self, compute: &Compute, print: impl FnOnce(String)) -> Result<()> {
        let report = self.measure(compute, |what| eprintln!("measuring {what}"))?;
        print(match self.output {
            Output::Table => report.to_string(),
            Output::Json => serde_json::json!(report).to_string(),
        });
        Ok(())
    }

    fn measure(&self, compute: &Compute, progress: impl Fn(&str)) -> Result<Report> {
        let models = Models::load(&compute.models, compute.threads)?;
        let mut models: Vec<_> = models.iter().map(|(_, model)| model).collect();
        models.sort_by(|a, b| a.name.cmp(&b.name));
        let mut skipped = Vec::new();
        let devices = open(compute, &mut skipped);
        let mut bench = Run {
            devices: &devices,
            budget: Duration::from_secs_f64(self.seconds),
            progress,
            measurements: Vec::new(),
            skipped,
        };
        for model in &models {
            bench.network(&model.name, true, model.engine());
        }
        for network in Network::ALL {
            let failed = |reason: String| Error::Compute {
                model: format!("{network:?}"),
                reason,
            };
            let package = network.package().map_err(|error| failed(error.to_string()))?;
            let name = package.name.clone();
            let engine = Engine::new(Arc::new(package), compute.threads).map_err(|error| failed(error.to_string()))?;
            bench.network(&name, false, &engine);
        }
        let gpus = devices.iter().map(|device| bench.gpu(device)).collect::<Result<_>>()?;
        let Run { measurements, skipped, .. } = bench;
        // The last measurement of a model is where a worker computes: on all GPUs, on the only one, or on the CPU.
        let prices = models.iter().filter_map(|model| {
            let last = measurements.iter().rfind(|of: &&Measurement| of.network == model.name)?;
            Price::of(last, self.income)
        });
        Ok(Report {
            version: env!("CARGO_PKG_VERSION"),
            backend: Backend::best().to_string(),
            threads: models.first().map_or(0, |model| model.engine().threads()),
            seconds: self.seconds,
            income_io_per_hour: self.income.io(),
            prices: prices.collect(),
            gpus,
            measurements,
            skipped,
        })
    }
}

/// Opens the GPUs, and notes those that cannot be used in `skipped`.
fn open(compute: &Compute, skipped: &mut Vec<Skipped>) -> Vec<Arc<dyn Device>> {
    let mut skip = |place: String, error: engine::cuda::DeviceError| {
        skipped.push(Skipped {
            place,
            network: None,
            reason: error.to_string(),
        });
    };
    let opened = compute.gpu.open().unwrap_or_else(|error| {
        skip("gpus".to_owned(), error);
        Vec::new()
    });
    let mut devices = Vec::new();
    for (ordinal, device) in opened {
        match device {
            Ok(device) => devices.push(device),
            Err(error) => skip(format!("gpu{ordinal}"), error),
        }
    }
    devices
}

/// A benchmark in progress.
struct Run<'a, P> {
    devices: &'a [Arc<dyn Device>],
    budget: Duration,
    progress: P,
    measurements: Vec<Measurement>,
    skipped: Vec<Skipped>,
}

impl<P: Fn(&str)> Run<'_, P> {
    /// Measures a network on the CPU, on each GPU, and on all GPUs together.
    fn network(&mut self, name: &str, shipped: bool, engine: &Engine) {
        self.place("cpu", name, shipped, engine, &[]);
        for device in self.devices {
            let place = format!("gpu{}", device.traits().ordinal);
            self.place(&place, name, shipped, engine, std::slice::from_ref(device));
        }
        if self.devices.len() > 1 {
            self.place("gpus", name, shipped, engine, self.devices);
        }
    }

    /// What to register a GPU as, and how long the work of a call then takes.
    fn gpu(&mut self, device: &Arc<dyn Device>) -> Result<Gpu> {
        let mut gpu = Gpu::of(device.traits())?;
        let size = gpu.row.as_ref().and_then(|row| {
            let [width, bytes, layers] = row.work;
            Size::new(width, bytes, layers)
        });
        if let Some(size) = size {
            let place = format!("gpu{}", gpu.ordinal);
            (self.progress)(&format!("the work of a call on {place}"));
            let start = Instant::now();
            match engine::work::run(Some(&**device), size, &[0; 32], None, &mut || true) {
                Ok(_) => gpu.call_seconds = Some(start.elapsed().as_secs_f64()),
                Err(error) => self.skipped.push(Skipped {
                    place,
                    network: Some("the work of a call".to_owned()),
                    reason: error.to_string(),
                }),
            }
        }
        Ok(gpu)
    }

    /// Measures a network in one place.
    fn place(&mut self, place: &str, network: &str, shipped: bool, engine: &Engine, devices: &[Arc<dyn Device>]) {
        (self.progress)(&format!("{network} on {place}"));
        let attached = devices.iter().try_for_each(|device| engine.attach(device.clone()));
        let outcome = attached.and_then(|()| measure(engine, self.budget));
        engine.detach();
        match outcome {
            Ok(figures) => self.measurements.push(Measurement {
                place: place.to_owned(),
                network: network.to_owned(),
                shipped,
                figures,
            }),
            Err(error) => self.skipped.push(Skipped {
                place: place.to_owned(),
                network: Some(network.to_owned()),
                reason: error.to_string(),
            }),
        }
    }
}
