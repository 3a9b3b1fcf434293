//! Times the work of a call.

use crate::{Output, peak_memory_mib};
use engine::Backend;
use engine::cuda::{Cuda, Device};
use engine::work::run;
use protocol::hash::Hash;
use protocol::work::{Draw, Size, answer, evidence, is_right, seed};
use serde::Serialize;
use std::time::Instant;

/// The seed of the work.
const BEACON: Hash = [1; 32];
const DEVICE: Hash = [2; 32];

#[derive(Serialize)]
pub struct Report {
    device: String,
    /// Elements per line.
    width: usize,
    /// Size of a tensor.
    bytes: u64,
    layers: u8,
    seconds: f64,
    seconds_per_layer: f64,
    /// Rate at which tensors are computed and hashed.
    gigabytes_per_second: f64,
    /// Two operations per multiply-accumulate.
    tera_ops_per_second: f64,
    /// Peak memory of this process, if the system reports it.
    peak_memory_mib: Option<f64>,
}

/// Parses the three logarithms of a size.
pub fn size(text: &str) -> Result<Size, String> {
    let logarithms: Result<Vec<u8>, _> = text.split(',').map(str::parse).collect();
    let size = match logarithms.as_deref() {
        Ok(&[width, bytes, layers]) => Size::new(width, bytes, layers),
        _ => None,
    };
    size.ok_or_else(|| "give WIDTH (8, 10 or 12), BYTES (WIDTH to 36) and LAYERS (0 to 7), such as 12,24,2".to_owned())
}

/// Does the work once, and compares one element of the last layer with the definition. On a GPU, sums of a layer are checked too.
pub fn measure(size: Size, gpu: Option<usize>) -> Result<Report, Box<dyn std::error::Error>> {
    let gpu = gpu.map(Cuda::new).transpose()?;
    let device = gpu.as_ref().map(|gpu| gpu as &dyn Device);
    let draw = Draw {
        gpu: 0,
        layer: size.layers() - 1,
        place: size.bytes() / 3,
    };
    let start = Instant::now();
    let worked = run(device, size, &seed(&BEACON, &DEVICE, 0), Some(&draw), &mut || true)?;
    let seconds = start.elapsed().as_secs_f64();
    let gpus = [worked.layers];
    let shown = evidence(&gpus, &draw, &worked.openings);
    if !is_right(size, 1, [&BEACON, &DEVICE], &answer(&gpus), &draw, &shown) {
        return Err("the result of the work is wrong; check the GPU's cooling and power, or report a bug".into());
    }
    let (bytes, layers) = (size.bytes() as f64, f64::from(size.layers()));
    Ok(Report {
        device: gpu.map_or_else(|| Backend::best().to_string(), |gpu| gpu.traits().name.clone()),
        width: size.width(),
        bytes: size.bytes(),
        layers: size.layers(),
        seconds,
        seconds_per_layer: seconds / layers,
        gigabytes_per_second: bytes * layers / seconds / 1e9,
        tera_ops_per_second: 2.0 * size.products() as f64 / seconds / 1e12,
        peak_memory_mib: peak_memory_mib(),
    })
}

pub fn print(report: &Report, output: Output) {
    match output {
        Output::Json => println!("{}", serde_json::json!(report)),
        Output::Text => {
            println!(
                "{} layers of {} bytes in lines of {} on {}",
                report.layers, report.bytes, report.width, report.device
            );
            println!(
                "  run              {:.3} s, {:.3} s per layer, {:.2} GB/s, {:.3} TOPS",
                report.seconds, report.seconds_per_layer, report.gigabytes_per_second, report.tera_ops_per_second
            );
            if let Some(memory) = report.peak_memory_mib {
                println!("  peak memory      {memory:.1} MiB");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_of_every_layer_count() -> Result<(), Box<dyn std::error::Error>> {
        let report = measure(size("8,8,2")?, None)?;
        let operations = report.tera_ops_per_second * report.seconds * 1e12;
        assert_eq!(operations.round(), f64::from(4 * 2 * 256 * 256));
        Ok(())
    }
}
