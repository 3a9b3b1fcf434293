//! The GPU that models run on, when there is one.

use crate::{Models, Settings};
use engine::cuda::{Cuda, Device, DeviceError};
use std::{path::Path, str::FromStr, sync::Arc};

/// Which GPU to use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Gpu {
    /// The first one, if there is any.
    #[default]
    Auto,
    /// None.
    Off,
    /// The one with this number.
    Number(usize),
}

impl FromStr for Gpu {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "none" => Ok(Self::Off),
            number => number
                .parse()
                .map(Self::Number)
                .map_err(|_| format!("'{number}' is no number of a GPU; give one, `auto` or `none`")),
        }
    }
}

impl Gpu {
    /// Opens it. `None` when none is wanted.
    pub fn open(self) -> Result<Option<Arc<dyn Device>>, DeviceError> {
        let ordinal = match self {
            Self::Auto => 0,
            Self::Number(ordinal) => ordinal,
            Self::Off => return Ok(None),
        };
        Ok(Some(Arc::new(Cuda::new(ordinal)?)))
    }

    /// Whether this only says that there is no GPU, where none has to be.
    pub fn absent(self, error: &DeviceError) -> bool {
        let absent = match error {
            DeviceError::NoDriver => !on_bus(),
            DeviceError::NoDevice { .. } => true,
            _ => false,
        };
        self == Self::Auto && absent
    }
}

/// Whether a card of NVIDIA's is on the bus, for which a driver may be missing. Only Linux tells.
fn on_bus() -> bool {
    let is = |device: &Path, file: &str, start: &str| std::fs::read_to_string(device.join(file)).is_ok_and(|text| text.starts_with(start));
    let devices = std::fs::read_dir("/sys/bus/pci/devices").into_iter().flatten().flatten();
    // NVIDIA's number; a display controller.
    devices
        .into_iter()
        .any(|entry| is(&entry.path(), "vendor", "0x10de") && is(&entry.path(), "class", "0x03"))
}

/// Puts the models on the GPU that the settings name. What does not work is a warning: the CPU computes the same, more slowly.
pub fn attach(settings: &Settings, models: &Models) {
    if settings.trace == crate::settings::TraceMode::Full {
        // Every op's output is wanted here, so it is computed here.
        return;
    }
    let device = match settings.gpu.open() {
        Ok(Some(device)) => device,
        Ok(None) => return,
        Err(error) if settings.gpu.absent(&error) => return tracing::info!(event = "gpu", "{error}; models run on the CPU"),
        Err(error) => return tracing::warn!(event = "gpu", "{error}; models run on the CPU meanwhile"),
    };
    for (_, model) in models.iter() {
        match model.engine().attach(device.clone()) {
            Ok(()) => tracing::info!(event = "gpu", name = model.name, gpu = device.traits().name),
            Err(error) => tracing::warn!(event = "gpu", name = model.name, "{error}; this model runs on the CPU meanwhile"),
        }
    }
}
