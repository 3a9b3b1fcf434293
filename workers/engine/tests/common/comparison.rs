//! Compares a device with the CPU, bit for bit. Differences are collected and reported at the end, because one fault shows in many places.
#![allow(unsafe_code)]

use super::{Draft, codes, random_batch, random_graph, reference};
use engine::bench::on_gpu;
use engine::cuda::{Device, DeviceError, Launch, Memory, Recording, Staging, Traits, kernels_of};
use engine::{Engine, Error, Package};
use parking_lot::Mutex;
use protocol::batch::BatchHeader;
use protocol::ops::OpKind;
use protocol::requantise::Requantise;
use protocol::tensor::Shape;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Number of differences to report.
const MOST: usize = 20;

/// Number of recorded launches of each kernel.
pub type Launched = Arc<Mutex<BTreeMap<&'static str, u32>>>;

/// A device that counts the launches of each kernel.
#[derive(Clone)]
pub struct Watched {
    device: Arc<dyn Device>,
    traits: Traits,
    launched: Launched,
}

impl Watched {
    pub fn new(device: Arc<dyn Device>) -> Self {
        Self {
            traits: device.traits().clone(),
            launched: Launched::default(),
            device,
        }
    }

    /// Claims to have a single multiprocessor, which one block keeps busy, so that products of any size get the largest tiles.
    pub fn with_one_processor(mut self) -> Self {
        self.traits.processors = 1;
        self
    }

    pub fn launched(&self) -> Launched {
        self.launched.clone()
    }
}

impl Device for Watched {
    fn traits(&self) -> &Traits {
        &self.traits
    }

    fn beside(&self) -> Result<Arc<dyn Device>, DeviceError> {
        Ok(Arc::new(Self {
            device: self.device.beside()?,
            ..self.clone()
        }))
    }

    fn free_memory(&self) -> Result<u64, DeviceError> {
        self.device.free_memory()
    }

    fn allocate(&self, bytes: usize) -> Result<Box<dyn Memory>, DeviceError> {
        self.device.allocate(bytes)
    }

    fn stage(&self, bytes: usize) -> Box<dyn Staging> {
        self.device.stage(bytes)
    }

    unsafe fn record(&self, launches: &[Launch]) -> Result<Box<dyn Recording>, DeviceError> {
        for launch in launches {
            *self.launched.lock().entry(launch.kernel).or_default() += 1;
        }
        unsafe { self.device.record(launches) }
    }
}

/// The comparison of a device with the CPU.
pub struct Comparison {
    device: Arc<dyn Device>,
    /// Number of ops compared in all units, by kind.
    pub kinds: BTreeMap<String, u64>,
    /// Kernels whose results were compared.
    kernels: BTreeSet<&'static str>,
    differences: Vec<String>,
    /// Whether the device has failed.
    failed: bool,
    /// Whether to print the number of comparisons after each, because they take long and may be stopped.
    pub slow: bool,
    noted: u32,
}

/// How a case is compared.
pub struct Case<'a> {
    /// Whether one block keeps the device busy.
    pub alone: bool,
    /// A kernel that must be used.
    pub kernel: Option<&'a str>,
    pub what: String,
}

impl<'a> Case<'a> {
    pub fn new(alone: bool, what: String) -> Self {
        Self { alone, kernel: None, what }
    }

    /// A case on a single multiprocessor, which must use `kernel` if it is given.
    pub fn alone(kernel: Option<&'a str>, what: String) -> Self {
        Self { alone: true, kernel, what }
    }
}

impl Comparison {
    pub fn new(device: Arc<dyn Device>) -> Self {
        Self {
            device,
            kinds: BTreeMap::new(),
            kernels: BTreeSet::new(),
            differences: Vec::new(),
            failed: false,
            slow: false,
            noted: 0,
        }
    }

    pub fn traits(&self) -> &Traits {
        self.device.traits()
    }

    /// Number of op cases compared.
    pub fn ops(&self) -> u64 {
        self.kinds.values().sum()
    }

    /// Whether it makes sense to compare more.
    pub fn goes_on(&self) -> bool {
        !self.failed && self.differences.len() < MOST
    }

    /// The device, with a single multiprocessor if `alone`.
    pub fn watched(&self, alone: bool) -> Watched {
        let watched = Watched::new(self.device.clone());
        if alone { watched.with_one_processor() } else { watched }
    }

    /// Records a comparison on a watched device, and the difference, if there is one.
    pub fn note(&mut self, what: &str, watched: &Watched, difference: Option<String>) {
        let launched = watched.launched();
        let launched = launched.lock();
        self.kernels.extend(launched.keys());
        self.noted += 1;
        if self.slow {
            println!("compared so far: {} cases on {}", self.noted, self.traits());
        }
        if let Some(difference) = difference.filter(|_| self.goes_on()) {
            let kernels: Vec<&str> = launched.keys().copied().collect();
            self.differences
                .push(format!("{what}: {difference}; launched: {}", kernels.join(" ")));
        }
    }

    /// Records that the device has failed.
    pub fn fail(&mut self, what: &str, watched: &Watched, error: &str) {
        self.note(what, watched, Some(error.to_owned()));
        self.failed = true;
    }

    /// Loads a package onto the device and runs `compare`, which returns the difference, if there is one.
    fn attached(&mut self, package: &Arc<Package>, case: &Case<'_>, compare: impl FnOnce(&Engine) -> Result<Option<String>, Error>) {
        if !self.goes_on() {
            return;
        }
        let watched = self.watched(case.alone);
        let engine = Engine::new(package.clone(), 1).unwrap();
        let compared = engine.attach(Arc::new(watched.clone())).and_then(|()| compare(&engine));
        let unlaunched = case.kernel.filter(|kernel| !watched.launched().lock().contains_key(kernel));
        match compared {
            Err(error) => self.fail(&case.what, &watched, &error.to_string()),
            Ok(None) => self.note(&case.what, &watched, unlaunched.map(|kernel| format!("{kernel} is wanted"))),
            Ok(difference) => self.note(&case.what, &watched, difference),
        }
    }

    /// Compares a batch: every TENSOR, output and trace, which is everything that a worker commits to. For the first unit, also compares
    /// the output of a run without a trace, which reuses memory earlier.
    pub fn batch(&mut self, draft: &Draft, blob: &[u8], case: &Case<'_>) {
        let package = Arc::new(draft.package().unwrap());
        self.attached(&package, case, |gpu| {
            let cpu = Engine::new(package.clone(), 1)?;
            let (header, units) = BatchHeader::parse(blob)?;
            let expected = cpu.run_batch(blob, || true)?;
            let computed = on_gpu(gpu, header.units(), || gpu.run_batch(blob, || true))?;
            let checkpoints = package.checkpoints();
            let first = computed
                .tensors
                .iter()
                .zip(&expected.tensors)
                .position(|(ours, theirs)| ours != theirs);
            if let Some(at) = first {
                let (unit, op) = (
                    at as u32 / checkpoints.count(),
                    checkpoints.op(at as u32 % checkpoints.count()) as usize,
                );
                let inputs = &package.ops[op].inputs;
                return Ok(Some(format!("unit {unit}, inputs {inputs:?}: op {}", draft.ops[op])));
            }
            if computed != expected {
                return Ok(Some("outputs".to_owned()));
            }
            let unit: Vec<&[u8]> = header.tensors(units.get(0).unwrap()).map(|(_, tensor)| tensor).collect();
            let output = on_gpu(gpu, 1, || gpu.run(&unit))?;
            Ok((output != cpu.run(&unit)?).then(|| "without a trace".to_owned()))
        });
    }

    /// Compares a batch of random units.
    fn units(&mut self, rng: &mut fastrand::Rng, draft: &Draft, units: u32, alone: bool, what: &str) {
        let blob = random_batch(rng, &draft.package().unwrap(), units);
        self.batch(draft, &blob, &Case::new(alone, format!("{what}, {units} units, alone: {alone}")));
        for op in &draft.ops {
            *self.kinds.entry(op["op"].as_str().unwrap().to_owned()).or_default() += u64::from(units);
        }
    }

    /// Compares a random graph.
    pub fn graph(&mut self, seed: u64, ops: usize, most_macs: u64, alone: bool) {
        let mut rng = fastrand::Rng::with_seed(seed);
        let draft = random_graph(&mut rng, ops, most_macs).of_checkpoints(&mut rng);
        let units = *rng.choice(&[1, 1, 2, 3]).unwrap();
        self.units(&mut rng, &draft, units, alone, &format!("graph {seed} of {ops} ops"));
    }

    /// Compares a random product that is large enough for several of the largest tiles.
    pub fn large_product(&mut self, seed: u64, most_macs: u64) {
        let mut rng = fastrand::Rng::with_seed(seed);
        let draft = loop {
            let (shapes, channels, kind) = large_product(&mut rng);
            let mut draft = Draft::new(&shapes);
            let ids: Vec<usize> = (0..shapes.len()).collect();
            if draft.push(kind, &ids, channels, &mut rng, most_macs) {
                break draft;
            }
        };
        let units = rng.u32(1..=4);
        self.units(&mut rng, &draft, units, true, &format!("large product {seed}"));
    }

    /// Compares the hashes of values whose trees have branches, and of the largest ones without branches. Values have whole branches or a
    /// remainder, with small values before, between and after.
    pub fn large_values(&mut self) {
        let mut rng = fastrand::Rng::with_seed(3);
        let shapes = [(1, 1025), (717, 1000), (256, 1024), (513, 1024)].map(|(w, c)| Shape::new(1, w, c));
        let mut draft = Draft::new(&shapes);
        for id in [0, 1, 2, 3, 0] {
            assert!(draft.push(OpKind::Table8 { table: [0; 32] }, &[id], 0, &mut rng, 1 << 30));
        }
        self.units(&mut rng, &draft, 3, true, "large values");
    }

    /// Compares the output of a unit with the definition itself, on a single multiprocessor.
    pub fn definition(&mut self, draft: &Draft, inputs: &[Vec<i8>], case: &Case<'_>) {
        let package = Arc::new(draft.package().unwrap());
        let (values, _) = reference(&package, inputs);
        let given: Vec<Vec<u8>> = inputs.iter().map(|input| codes(input)).collect();
        let given: Vec<&[u8]> = given.iter().map(Vec::as_slice).collect();
        let expected = codes(values.last().unwrap());
        self.attached(&package, case, |gpu| {
            let output = on_gpu(gpu, 1, || gpu.run(&given))?;
            Ok((output != expected).then(|| "not as it is defined".to_owned()))
        });
    }

    /// Kernels of ops, or of work, that no comparison has used.
    pub fn missing(&self, work: bool) -> Vec<&'static str> {
        let all = kernels_of(self.traits().cores).into_iter();
        all.filter(|kernel| kernel.starts_with("work_") == work && !self.kernels.contains(kernel))
            .collect()
    }

    /// Fails if anything differed.
    pub fn end(self) {
        assert!(
            self.differences.is_empty(),
            "{} differs from the CPU:\n{}",
            self.traits(),
            self.differences.join("\n")
        );
    }
}

/// Operands, channels and kind of a random product whose operands have runs of 16 bytes, as the largest tiles require.
fn large_product(rng: &mut fastrand::Rng) -> (Vec<Shape>, u16, OpKind) {
    let requantise = Requantise {
        shift: 1,
        zero_point: rng.i8(..),
        lo: -128,
        hi: 127,
    };
    let (columns, depth) = (rng.u16(65..=400), 16 * rng.u16(1..=12));
    let rows = Shape::new(rng.u16(10..=24), rng.u16(10..=24), depth);
    match rng.u8(0..3) {
        0 => {
            let groups = *rng.choice(&[1, 1, 2]).unwrap();
            let conv = OpKind::Conv2d {
                weights: [0; 32],
                channels: [0; 32],
                kernel: [rng.u8(1..=3), rng.u8(1..=3)],
                stride: [rng.u8(1..=2), 1],
                padding: [(); 4].map(|()| rng.u8(0..=2)),
                dilation: [1, rng.u8(1..=2)],
                groups,
                pad_value: rng.i8(..),
                requantise,
            };
            (vec![Shape { c: depth * groups, ..rows }], columns * groups, conv)
        }
        1 => {
            let matmul = OpKind::Matmul {
                weights: [0; 32],
                channels: [0; 32],
                requantise,
            };
            (vec![rows], columns, matmul)
        }
        _ => {
            let product = OpKind::MatmulAct {
                a_zero_point: rng.i8(..),
                b_zero_point: rng.i8(..),
                multiplier: 1 << 20,
                requantise: Requantise { shift: 32, ..requantise },
            };
            (vec![rows, Shape::new(1, columns, depth)], 0, product)
        }
    }
}
