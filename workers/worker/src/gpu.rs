//! The GPUs that models run on, if there are any.

use crate::metrics::Metrics;
use crate::{Models, Settings};
use daemon::metrics::{self, Page};
use engine::cuda::{Cuda, Device, DeviceError, Resident, count};
use std::{collections::BTreeMap, path::Path, str::FromStr, sync::Arc};

/// Which GPUs to use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Gpus {
    /// All GPUs of the machine.
    #[default]
    All,
    /// None.
    Off,
    /// Those with these numbers, counted from 0 as the driver does.
    Numbers(Vec<usize>),
}

/// The number of a requested GPU, and the result of opening it.
pub type Opened = (usize, Result<Arc<dyn Device>, DeviceError>);

impl FromStr for Gpus {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut numbers = match text {
            "auto" => return Ok(Self::All),
            "none" => return Ok(Self::Off),
            list => list
                .split(',')
                .map(|number| number.trim().parse().map_err(|_| number))
                .collect::<Result<Vec<usize>, _>>()
                .map_err(|number| format!("'{number}' is not the number of a GPU; give numbers such as 0,2, or `auto` or `none`"))?,
        };
        numbers.sort_unstable();
        numbers.dedup();
        Ok(Self::Numbers(numbers))
    }
}

impl Gpus {
    /// Opens each of them. Fails if the driver does, or if it finds no GPU although some are wanted.
    pub fn open(&self) -> Result<Vec<Opened>, DeviceError> {
        let numbers = match self {
            Self::Off => return Ok(Vec::new()),
            Self::All => (0..count()?).collect(),
            Self::Numbers(numbers) => {
                count()?;
                numbers.clone()
            }
        };
        if numbers.is_empty() {
            return Err(DeviceError::NoDevice { ordinal: 0, found: 0 });
        }
        let open = |ordinal| (ordinal, Cuda::new(ordinal).map(|device| Arc::new(device) as Arc<dyn Device>));
        Ok(numbers.into_iter().map(open).collect())
    }

    /// Whether the error only says that the machine has no GPU, and none is required.
    pub fn absent(&self, error: &DeviceError) -> bool {
        let absent = match error {
            DeviceError::NoDriver => !on_bus(),
            DeviceError::NoDevice { .. } => true,
            _ => false,
        };
        *self == Self::All && absent
    }
}

/// Whether there is an NVIDIA card on the bus, whose driver may be missing. Known only on Linux.
fn on_bus() -> bool {
    let is = |device: &Path, file: &str, start: &str| std::fs::read_to_string(device.join(file)).is_ok_and(|text| text.starts_with(start));
    let devices = std::fs::read_dir("/sys/bus/pci/devices").into_iter().flatten().flatten();
    // The vendor NVIDIA, and the class of display controllers.
    devices
        .into_iter()
        .any(|entry| is(&entry.path(), "vendor", "0x10de") && is(&entry.path(), "class", "0x03"))
}

/// Opens the GPUs that the settings name. Those that do not work are only logged, since the others and the CPU compute the same results.
pub fn open(settings: &Settings) -> Vec<Arc<dyn Device>> {
    let opened = match settings.gpu.open() {
        Ok(opened) => opened,
        Err(error) if settings.gpu.absent(&error) => {
            tracing::info!(event = "gpu", "{error}; models run on the CPU");
            Vec::new()
        }
        Err(error) => {
            tracing::warn!(
                event = "gpu",
                "{error}; models run on the CPU until this is fixed and the worker restarted"
            );
            Vec::new()
        }
    };
    let logged = |(gpu, device): Opened| match device {
        Ok(device) => {
            tracing::info!(event = "gpu", gpu, name = device.traits().name);
            Some(device)
        }
        Err(error) => {
            tracing::warn!(
                event = "gpu",
                gpu,
                "{error}; models run without this GPU until this is fixed and the worker restarted"
            );
            None
        }
    };
    opened.into_iter().filter_map(logged).collect()
}

/// Loads the models onto the GPUs where they fit.
pub fn attach(settings: &Settings, gpus: &[Arc<dyn Device>], models: &Models) {
    if settings.trace == crate::settings::TraceMode::Full {
        // Every op's output is needed in memory, so the CPU computes.
        return;
    }
    for device in gpus {
        let name = &device.traits().name;
        for (_, model) in models.iter() {
            match model.engine().attach(device.clone()) {
                Ok(()) => tracing::info!(event = "gpu", name, model = model.name),
                Err(error) => tracing::warn!(
                    event = "gpu",
                    name,
                    model = model.name,
                    "{error}; this model runs without this GPU until this is fixed and the worker restarted"
                ),
            }
        }
    }
}

/// The metrics page: the worker's counters and those of each GPU.
pub(crate) struct Counters {
    pub metrics: Arc<Metrics>,
    pub models: Models,
}

impl Page for Counters {
    fn render(&self) -> String {
        let engines = || self.models.iter().map(|(_, model)| model.engine());
        let residents = engines().flat_map(engine::Engine::residents).collect();
        let lost = engines().flat_map(engine::Engine::losses).map(|loss| loss.gpu).collect();
        self.metrics.render() + &render(residents, lost)
    }
}

/// Totals of one GPU over all models.
#[derive(Default)]
struct Sums {
    units: u64,
    models: u64,
    bytes: u64,
}

/// The metrics of the GPUs, from their share in each model, including GPUs that were lost.
fn render(residents: Vec<Resident>, lost: Vec<Resident>) -> String {
    let mut gpus: BTreeMap<(usize, String), Sums> = BTreeMap::new();
    for (gpu, works) in residents
        .into_iter()
        .map(|gpu| (gpu, true))
        .chain(lost.into_iter().map(|gpu| (gpu, false)))
    {
        let sums = gpus.entry((gpu.ordinal, gpu.device)).or_default();
        sums.units = sums.units.saturating_add(gpu.computed);
        if works {
            sums.models = sums.models.saturating_add(1);
            sums.bytes = sums.bytes.saturating_add(gpu.bytes);
        }
    }
    let series = |name, kind, help, value: fn(&Sums) -> u64| {
        let values = gpus
            .iter()
            .map(|((ordinal, name), sums)| (format!("gpu=\"{ordinal}\",name={name:?}"), value(sums)));
        metrics::series(name, kind, help, values)
    };
    [
        series(
            "ionet_worker_gpu_units_total",
            "counter",
            "Units of work computed on this GPU.",
            |sums| sums.units,
        ),
        series(
            "ionet_worker_gpu_models",
            "gauge",
            "Models that run on this GPU; 0 when it has failed.",
            |sums| sums.models,
        ),
        series(
            "ionet_worker_gpu_memory_bytes",
            "gauge",
            "Memory of this GPU that models hold.",
            |sums| sums.bytes,
        ),
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gpus_are_all_none_or_a_list() {
        let parse = |text: &str| text.parse::<Gpus>();
        assert_eq!(parse("auto"), Ok(Gpus::All));
        assert_eq!(parse("none"), Ok(Gpus::Off));
        assert_eq!(parse("1"), Ok(Gpus::Numbers(vec![1])));
        assert_eq!(parse("2, 0,2"), Ok(Gpus::Numbers(vec![0, 2])), "each once");
        for (wrong, named) in [
            ("fast", "'fast'"),
            ("0,,1", "''"),
            ("", "''"),
            ("0,-1", "'-1'"),
            ("auto,1", "'auto'"),
        ] {
            assert!(parse(wrong).is_err_and(|error| error.contains(named)), "{wrong}");
        }
        assert!(Gpus::Off.open().is_ok_and(|opened| opened.is_empty()));
    }

    #[test]
    fn a_gpu_is_counted_over_all_models_and_keeps_its_units_after_a_failure() {
        let gpu = |ordinal, computed| Resident {
            ordinal,
            device: "NVIDIA \"X\"".to_owned(),
            bytes: 10,
            units: 64,
            passes: 2,
            computed,
        };
        let page = render(vec![gpu(1, 3), gpu(1, 4)], vec![gpu(0, 5), gpu(1, 6)]);
        let lines: Vec<&str> = page.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(
            lines,
            [
                r#"ionet_worker_gpu_units_total{gpu="0",name="NVIDIA \"X\""} 5"#,
                r#"ionet_worker_gpu_units_total{gpu="1",name="NVIDIA \"X\""} 13"#,
                r#"ionet_worker_gpu_models{gpu="0",name="NVIDIA \"X\""} 0"#,
                r#"ionet_worker_gpu_models{gpu="1",name="NVIDIA \"X\""} 2"#,
                r#"ionet_worker_gpu_memory_bytes{gpu="0",name="NVIDIA \"X\""} 0"#,
                r#"ionet_worker_gpu_memory_bytes{gpu="1",name="NVIDIA \"X\""} 20"#,
            ]
        );
        assert_eq!(
            render(Vec::new(), Vec::new()).lines().filter(|line| !line.starts_with('#')).count(),
            0
        );
    }
}
