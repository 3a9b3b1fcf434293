//! Checks that each model computes on this machine what its package says.

use crate::gpu::Gpus;
use crate::{Error, Model, Models, Result};
use engine::bench::on_gpu;
use engine::cuda::Device;
use protocol::hash::Hash;
use serde::Deserialize;
use std::{path::Path, sync::Arc};

/// The inputs of case `n` start at number `n · STRIDE` of the sequence.
const STRIDE: u64 = 1_000_003;

/// Number of cases for a package without golden vectors.
const CASES: u64 = 3;

#[derive(Deserialize)]
struct Golden {
    vectors: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    case: u64,
    output_sha256: String,
}

/// The number of a case, and the hash of its output if the package has it.
struct Case {
    number: u64,
    output_sha256: Option<String>,
}

/// Runs the golden vectors of every model on the CPU and on each of the GPUs, and reports a line for each. For a package without golden
/// vectors, the results have to agree everywhere. Also fails if a GPU that is named cannot be tested.
pub fn selftest(models: &Models, gpus: &Gpus, mut report: impl FnMut(String)) -> Result<()> {
    let devices: Vec<_> = match gpus.open() {
        Ok(opened) => {
            let usable = opened.into_iter().filter_map(|(ordinal, device)| {
                device
                    .inspect_err(|error| report(format!("GPU {ordinal} cannot be tested: {error}")))
                    .ok()
            });
            usable.collect()
        }
        Err(error) => {
            report(format!("no GPU: {error}"));
            Vec::new()
        }
    };
    compare(models, &devices, report)?;
    let Gpus::Numbers(named) = gpus else { return Ok(()) };
    let untested = named
        .iter()
        .filter(|number| devices.iter().all(|device| device.traits().ordinal != **number));
    let gpus: Vec<String> = untested.map(|number| format!("GPU {number}")).collect();
    if gpus.is_empty() {
        Ok(())
    } else {
        Err(Error::Untested { gpus: gpus.join(", ") })
    }
}

fn compare(models: &Models, devices: &[Arc<dyn Device>], mut report: impl FnMut(String)) -> Result<()> {
    let mut failed = 0;
    for (_, model) in models.iter() {
        let cases = cases(&model.folder.join("golden.json"))?;
        let broken = |source| Error::Model {
            folder: model.folder.clone(),
            source,
        };
        let engine = model.engine();
        let on_cpu = run(model, &cases, &[]).map_err(broken)?;
        failed += on_cpu.differ;
        report(on_cpu.line(&model.name, &engine.backend().to_string()));
        for device in devices {
            engine.attach(device.clone()).map_err(broken)?;
            let on_device = run(model, &cases, &on_cpu.traces);
            engine.detach();
            let on_device = on_device.map_err(broken)?;
            failed += on_device.differ;
            report(on_device.line(&model.name, &device.traits().to_string()));
        }
    }
    if failed > 0 { Err(Error::Selftest { failed }) } else { Ok(()) }
}

/// The results of a model's cases.
struct Outcome {
    golden: bool,
    differ: usize,
    total: usize,
    /// TRACE of each case.
    traces: Vec<Hash>,
}

impl Outcome {
    fn line(&self, model: &str, place: &str) -> String {
        let what = match self.golden {
            true => "golden vectors match",
            false => "inputs without golden vectors agree",
        };
        let same = self.total.saturating_sub(self.differ);
        format!("{model}: {same} of {} {what} on {place}", self.total)
    }
}

/// Runs each case alone, and then the cases repeated to fill a batch, like the units of a job. If `traces` is not empty, the results have
/// to match it as well.
fn run(model: &Model, cases: &[Case], traces: &[Hash]) -> std::result::Result<Outcome, engine::Error> {
    let engine = model.engine();
    let (mut blob, mut differ, mut own) = (Vec::new(), vec![false; cases.len()], Vec::new());
    for (index, (case, differs)) in cases.iter().zip(&mut differ).enumerate() {
        let inputs = inputs(engine.package(), case.number);
        let slices: Vec<&[u8]> = inputs.iter().map(Vec::as_slice).collect();
        let (output, trace) = on_gpu(engine, 1, || engine.run_traced(&slices))?;
        // The vectors are in two's complement; codes have the sign bit flipped.
        let signed: Vec<u8> = output.iter().map(|code| code ^ 0x80).collect();
        let sha256 = hex::encode(solana_sha256_hasher::hash(&signed).to_bytes());
        let is_golden = case.output_sha256.as_ref().is_none_or(|expected| *expected == sha256);
        *differs = !is_golden || traces.get(index).is_some_and(|expected| *expected != trace.hash);
        own.push(trace.hash);
        blob.push(inputs.concat());
    }
    let units = engine.full_batch().max(cases.len() as u32);
    if let Some(header) = model.inputs(units) {
        let mut bytes = header.encode().to_vec();
        for unit in blob.iter().cycle().take(units as usize) {
            bytes.extend_from_slice(unit);
        }
        let batch = on_gpu(engine, units, || engine.run_batch(&bytes, || true))?;
        let expected = if traces.is_empty() { &own } else { traces };
        for (at, (trace, expected)) in batch.traces.iter().zip(expected.iter().cycle()).enumerate() {
            if let Some(differs) = differ.get_mut(at % cases.len()) {
                *differs |= trace != expected;
            }
        }
    }
    Ok(Outcome {
        golden: cases.iter().all(|case| case.output_sha256.is_some()),
        differ: differ.into_iter().filter(|differs| *differs).count(),
        total: cases.len(),
        traces: own,
    })
}

/// The golden vectors of the package, at least one. Without the file, cases whose outputs can only be compared between hardware.
fn cases(path: &Path) -> Result<Vec<Case>> {
    let failed = |reason: String| Error::Golden {
        path: path.to_owned(),
        reason,
    };
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let case = |number| Case {
                number,
                output_sha256: None,
            };
            return Ok((0..CASES).map(case).collect());
        }
        Err(error) => return Err(failed(error.to_string())),
    };
    let Golden { vectors } = serde_json::from_slice(&text).map_err(|error| failed(error.to_string()))?;
    if vectors.is_empty() {
        return Err(failed("the file has none".to_owned()));
    }
    let case = |vector: Vector| Case {
        number: vector.case,
        output_sha256: Some(vector.output_sha256),
    };
    Ok(vectors.into_iter().map(case).collect())
}

/// The inputs of a case, by the rule in golden.json: element i of all inputs together is the top byte of
/// `(i + case·1000003)·2654435761 mod 2^32`, taken as a code.
fn inputs(package: &engine::Package, case: u64) -> Vec<Vec<u8>> {
    let mut next = case.wrapping_mul(STRIDE);
    let mut fill = |count: u32| {
        let numbers = next..next.wrapping_add(count.into());
        next = numbers.end;
        numbers.map(|i| (i.wrapping_mul(2_654_435_761) as u32 >> 24) as u8).collect()
    };
    package
        .input_shapes()
        .iter()
        .map(|shape| fill(shape.elements().unwrap_or(0)))
        .collect()
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, unsafe_code)]
    use super::*;
    use engine::cuda::{Cores, DeviceError, Launch, Memory, Recording, Traits};
    use std::path::PathBuf;
    use std::sync::Mutex;
    use std::time::Duration;

    /// A GPU that computes nothing and takes its time over it, or fails at once.
    struct Broken {
        traits: Traits,
        pass: Duration,
        error: Option<DeviceError>,
    }

    struct Bytes(Mutex<Vec<u8>>);

    struct Nothing(Duration);

    impl Device for Broken {
        fn traits(&self) -> &Traits {
            &self.traits
        }

        fn beside(&self) -> std::result::Result<Arc<dyn Device>, DeviceError> {
            Ok(fake(self.traits.ordinal, self.pass, self.error.clone()))
        }

        fn free_memory(&self) -> std::result::Result<u64, DeviceError> {
            Ok(self.traits.memory)
        }

        fn allocate(&self, bytes: usize) -> std::result::Result<Box<dyn Memory>, DeviceError> {
            Ok(Box::new(Bytes(Mutex::new(vec![0; bytes]))))
        }

        unsafe fn record(&self, _launches: &[Launch]) -> std::result::Result<Box<dyn Recording>, DeviceError> {
            self.error
                .clone()
                .map_or_else(|| Ok(Box::new(Nothing(self.pass)) as Box<dyn Recording>), Err)
        }
    }

    impl Memory for Bytes {
        fn address(&self) -> u64 {
            0
        }

        fn bytes(&self) -> usize {
            self.0.lock().unwrap().len()
        }

        fn write(&self, at: usize, bytes: &[u8]) -> std::result::Result<(), DeviceError> {
            self.0.lock().unwrap()[at..at + bytes.len()].copy_from_slice(bytes);
            Ok(())
        }

        fn read(&self, at: usize, bytes: &mut [u8]) -> std::result::Result<(), DeviceError> {
            bytes.copy_from_slice(&self.0.lock().unwrap()[at..at + bytes.len()]);
            Ok(())
        }
    }

    impl Recording for Nothing {
        fn run(&self) -> std::result::Result<(), DeviceError> {
            std::thread::sleep(self.0);
            Ok(())
        }
    }

    pub(crate) fn failing(ordinal: usize, error: Option<DeviceError>) -> Arc<dyn Device> {
        fake(ordinal, Duration::ZERO, error)
    }

    /// A GPU whose passes take this long.
    pub(crate) fn taking(ordinal: usize, pass: Duration) -> Arc<dyn Device> {
        fake(ordinal, pass, None)
    }

    fn fake(ordinal: usize, pass: Duration, error: Option<DeviceError>) -> Arc<dyn Device> {
        Arc::new(Broken {
            traits: Traits {
                ordinal,
                name: "fake".to_owned(),
                memory: 1 << 28,
                arch: 80,
                cores: Cores::Warp,
                processors: 1,
            },
            pass,
            error,
        })
    }

    fn run_on(devices: &[Arc<dyn Device>]) -> (Result<()>, Vec<String>) {
        compared(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../models/upscale"), devices)
    }

    fn compared(folder: PathBuf, devices: &[Arc<dyn Device>]) -> (Result<()>, Vec<String>) {
        let models = Models::load(&[folder], 2).unwrap();
        let mut lines = Vec::new();
        let outcome = compare(&models, devices, |line| lines.push(line));
        (outcome, lines)
    }

    #[test]
    fn a_named_gpu_must_exist() {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../models/upscale");
        let models = Models::load(&[folder], 2).unwrap();
        let test = |gpus: Gpus| selftest(&models, &gpus, |_| ());
        assert!(test(Gpus::Off).is_ok());
        let error = test(Gpus::Numbers(vec![999])).unwrap_err();
        assert!(matches!(&error, Error::Untested { gpus } if gpus == "GPU 999"), "{error}");
    }

    #[test]
    fn without_golden_vectors_results_are_compared_but_an_empty_list_is_an_error() {
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/upscale");
        let folder = tempfile::tempdir().unwrap();
        for file in ["model.json", "tensors.safetensors"] {
            std::fs::copy(shipped.join(file), folder.path().join(file)).unwrap();
        }
        let (outcome, lines) = compared(folder.path().to_owned(), &[failing(0, None)]);
        assert!(matches!(outcome, Err(Error::Selftest { failed: 3 })), "{outcome:?}");
        let said = |line: usize, text: &str| assert!(lines[line].contains(text), "{lines:?}");
        said(0, ": 3 of 3 inputs without golden vectors agree on ");
        said(1, ": 0 of 3 inputs without golden vectors agree on GPU 0 (fake)");

        std::fs::write(folder.path().join("golden.json"), r#"{"vectors": []}"#).unwrap();
        let (outcome, lines) = compared(folder.path().to_owned(), &[]);
        assert!(
            matches!(outcome, Err(Error::Golden { .. })) && lines.is_empty(),
            "{outcome:?} {lines:?}"
        );
    }

    #[test]
    fn each_gpu_must_compute_the_bits_itself() {
        let (outcome, lines) = run_on(&[]);
        assert!(outcome.is_ok() && lines.len() == 1, "{lines:?}");
        let total = lines.first().and_then(|line| line.split(' ').nth(2)).unwrap().to_owned();

        let (outcome, lines) = run_on(&[failing(0, None), failing(3, None)]);
        let failed = 2 * total.parse::<usize>().unwrap();
        assert!(
            matches!(outcome, Err(Error::Selftest { failed: found }) if found == failed),
            "{lines:?}"
        );
        for ordinal in [0, 3] {
            let said = format!(": 0 of {total} golden vectors match on GPU {ordinal} (fake)");
            assert!(lines.iter().any(|line| line.ends_with(&said)), "{lines:?}");
        }

        // If the GPU fails, the CPU takes over and would give the right bits.
        for error in [DeviceError::Lost("unplugged".to_owned()), DeviceError::NoMemoryForDriver] {
            let (outcome, lines) = run_on(&[failing(0, Some(error.clone()))]);
            let said = outcome.unwrap_err().to_string();
            assert!(said.contains(&error.to_string()), "{said}");
            assert_eq!(lines.len(), 1, "{lines:?}");
        }
    }
}
