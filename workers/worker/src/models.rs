//! The models a worker serves.

use crate::{Error, Result};
use blobs::BlobStore;
use bytes::Bytes;
use chain::market;
use engine::cuda::Loss;
use engine::{Batch, Engine, Package};
use jobs::Job;
use protocol::batch::{BatchError, BatchHeader, BlobKind, root_of_blob};
use protocol::blob::{TensorBlob, TraceBlob};
use protocol::hash::Hash;
use protocol::tensor::Shape;
use solana_address::Address;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

/// Shortest interval after which models are timed again.
pub const MEASURED_FOR: Duration = Duration::from_secs(600);

/// A model ready to run.
pub struct Model {
    /// Name and version.
    pub name: String,
    /// MODEL.
    pub hash: Hash,
    /// Folder of its package.
    pub folder: PathBuf,
    engine: Engine,
    answering: Engine,
    /// How long units take on the GPUs, or on the CPU if there are none.
    times: Times,
    /// How long units take on the CPU with every intermediate value visible.
    seen_times: Times,
    /// Nanoseconds it takes to compute a unit and keep every value, as last measured.
    answer_time: AtomicU64,
    /// How many of the engine's lost GPUs have been logged.
    losses_logged: AtomicUsize,
}

impl Model {
    /// Loads the package in `folder`. 0 `threads` means one per core.
    pub fn load(folder: &Path, threads: usize) -> Result<Self> {
        let failed = |source| Error::Model {
            folder: folder.to_owned(),
            source,
        };
        let package = Package::load(folder).map_err(failed)?;
        let (name, hash) = (format!("{} {}", package.name, package.version), package.model);
        let engine = Engine::new(Arc::new(package), threads).map_err(failed)?;
        Ok(Self {
            name,
            hash,
            folder: folder.to_owned(),
            answering: engine.beside().map_err(failed)?,
            engine,
            times: Times::default(),
            seen_times: Times::default(),
            answer_time: AtomicU64::new(0),
            losses_logged: AtomicUsize::new(0),
        })
    }

    /// The error of a failed computation.
    pub(crate) fn failed(&self, reason: impl std::fmt::Display) -> Error {
        Error::Compute {
            model: self.name.clone(),
            reason: reason.to_string(),
        }
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// A second engine for answers, because jobs and audits may keep the first one busy for longer than an answer may take.
    pub(crate) fn answering(&self) -> &Engine {
        &self.answering
    }

    /// Header of the inputs blob of a job of so many units. It also gives the size of the blob.
    pub fn inputs(&self, units: u32) -> Option<BatchHeader> {
        BatchHeader::inputs(units, &self.engine.package().input_shapes()).ok()
    }

    /// Header of the outputs blob.
    pub fn outputs(&self, units: u32) -> Option<BatchHeader> {
        let package = self.engine.package();
        BatchHeader::outputs(units, package.output_id(), package.output_shape()).ok()
    }

    /// Size of the trace blob in bytes.
    pub fn trace_bytes(&self, units: u32) -> u64 {
        TraceBlob::bytes(self.engine.package().checkpoints(), units)
    }

    /// Value number and shape of an op's output.
    pub fn op_output(&self, op: usize) -> (u32, Shape) {
        let package = self.engine.package();
        let shape = package.ops.get(op).map(|op| op.descriptor.output).unwrap_or_default();
        // At most 4 inputs and 1,024 ops.
        (package.inputs.len().saturating_add(op) as u32, shape)
    }

    /// The tensor blob that holds an op's output.
    pub fn tensor_blob(&self, op: usize, codes: &[u8]) -> std::result::Result<Vec<u8>, BatchError> {
        let (id, shape) = self.op_output(op);
        TensorBlob::new(id, shape, codes).map(|blob| blob.encode())
    }

    /// Fetches the input of a job from the first store that delivers it, and checks it against the job and the model.
    pub async fn fetch(&self, stores: &[BlobStore], job: &Job) -> Result<Bytes> {
        let expected = self.inputs_of(job)?;
        let stores = stores.iter().map(|store| store.clone().with_limit(expected.blob_bytes()));
        let fetched = blobs::first_of(stores, &job.inputs).await;
        let bytes = fetched.map_err(|mut errors| errors.pop().map_or(Error::NoStore, Error::Blob))?;
        check_input(&bytes, &expected)?;
        Ok(bytes)
    }

    /// Whether these bytes are the input of the job.
    pub fn is_input(&self, bytes: &[u8], job: &Job) -> bool {
        let checked = self.inputs_of(job).and_then(|expected| check_input(bytes, &expected));
        checked.is_ok() && root_of_blob(bytes).is_ok_and(|root| root == job.inputs)
    }

    fn inputs_of(&self, job: &Job) -> Result<BatchHeader> {
        let units = job.units.get();
        self.inputs(units).ok_or_else(|| Error::WrongInput {
            job_units: units,
            reason: "no batch can be that large".to_owned(),
        })
    }

    /// Runs every unit of an inputs blob, on the GPUs if there are any, and times the run. Asks `go_on` after each unit whether to
    /// continue. Logs each GPU that has failed, once; it is not used again.
    pub fn run(&self, inputs: &[u8], go_on: impl Fn() -> bool + Sync) -> std::result::Result<(Batch, Duration), engine::Error> {
        let outcome = self.times.of(self.engine.full_batch(), || self.engine.run_batch(inputs, go_on));
        let losses = self.engine.losses();
        let logged = self.losses_logged.fetch_max(losses.len(), Ordering::Relaxed);
        if losses.len() > logged && self.engine.residents().is_empty() {
            // From now on the CPU computes, which takes at most as long as with every value visible.
            self.times.raise_to(&self.seen_times);
        }
        for Loss { gpu, error } in losses.iter().skip(logged) {
            tracing::warn!(
                event = "gpu",
                gpu = gpu.ordinal,
                name = gpu.device,
                model = self.name,
                "{error}; this model runs without that GPU until the worker is restarted"
            );
        }
        outcome
    }

    /// Like [`run`](Self::run), but on the CPU, and passes every op's output to `see`, like [`Engine::run_batch_seen`].
    pub fn run_seen(
        &self,
        inputs: &[u8],
        go_on: impl Fn() -> bool + Sync,
        see: impl Fn(u32, usize, &mut [u8]) + Sync,
    ) -> std::result::Result<(Batch, Duration), engine::Error> {
        self.seen_times
            .of(self.threads(), || self.engine.run_batch_seen(inputs, go_on, see))
    }

    /// An inputs blob of so many units, all zeros.
    fn zeros(&self, units: u32) -> Option<Vec<u8>> {
        let header = self.inputs(units)?;
        let mut blob = header.encode().to_vec();
        blob.resize(usize::try_from(header.blob_bytes()).ok()?, 128);
        Some(blob)
    }

    /// Units that keep the CPU busy.
    fn threads(&self) -> u32 {
        u32::try_from(self.engine.threads()).unwrap_or(u32::MAX)
    }

    /// Times the model on this machine: one unit, and as many as the GPUs take at once or one per thread; then one unit and one per thread
    /// with every value visible; and one unit as for an answer.
    pub fn measure(&self) -> std::result::Result<(), engine::Error> {
        let blobs = [1, self.engine.full_batch(), self.threads()].map(|units| self.zeros(units));
        let [Some(one), Some(full), Some(busy)] = blobs else {
            return Ok(());
        };
        // The first run warms up caches and pages.
        for blob in [&full, &full, &one] {
            self.run(blob, || true)?;
        }
        for blob in [&busy, &one] {
            self.run_seen(blob, || true, |_, _, _| {})?;
        }
        let (header, units) = BatchHeader::parse(&one)?;
        let unit: Vec<&[u8]> = header.tensors(units.get(0).unwrap_or_default()).map(|(_, codes)| codes).collect();
        let start = Instant::now();
        let values = self.answering.values(&unit)?;
        self.answering.tensors(&values);
        self.answer_time.store(nanoseconds(start.elapsed()), Ordering::Relaxed);
        Ok(())
    }

    /// How long it takes to recompute so many units for answers, as last measured.
    pub fn time_to_answer(&self, units: u8) -> Duration {
        Duration::from_nanos(self.answer_time.load(Ordering::Relaxed).saturating_mul(units.into()))
    }

    /// How long so many units take, as last measured.
    pub fn estimate(&self, units: u32) -> Duration {
        self.times.estimate(units)
    }

    /// How long so many units take on the CPU with every value visible, as last measured.
    pub fn estimate_seen(&self, units: u32) -> Duration {
        self.seen_times.estimate(units)
    }

    /// Multiply-accumulates per second, as last measured.
    pub fn speed(&self) -> f64 {
        let nanoseconds = self.times.busy.load(Ordering::Relaxed).max(1) as f64;
        self.engine.package().facts.macs as f64 / nanoseconds * 1e9
    }
}

/// Nanoseconds per unit, as last measured. Hardware that computes several units at once takes longer for a single one.
#[derive(Default)]
struct Times {
    /// One unit alone.
    alone: AtomicU64,
    /// Per unit, with as many units as keep the machine busy.
    busy: AtomicU64,
}

impl Times {
    /// Runs a batch and times it. Updates the time per unit if the batch is a single unit, or at least the `full` number that keeps the
    /// machine busy.
    fn of(
        &self,
        full: u32,
        run: impl FnOnce() -> std::result::Result<Batch, engine::Error>,
    ) -> std::result::Result<(Batch, Duration), engine::Error> {
        let start = Instant::now();
        let batch = run()?;
        let elapsed = start.elapsed();
        let units = u64::try_from(batch.traces.len()).unwrap_or(u64::MAX).max(1);
        let each = nanoseconds(elapsed).checked_div(units).unwrap_or_default();
        if units == 1 {
            self.alone.store(each, Ordering::Relaxed);
        }
        if units >= full.into() {
            self.busy.store(each, Ordering::Relaxed);
        }
        Ok((batch, elapsed))
    }

    /// How long so many units take: the time of a single one, plus what each further one adds.
    fn estimate(&self, units: u32) -> Duration {
        let [alone, busy] = [&self.alone, &self.busy].map(|time| time.load(Ordering::Relaxed));
        let further = units.checked_sub(1).map(|further| busy.saturating_mul(further.into()));
        Duration::from_nanos(further.map_or(0, |further| alone.saturating_add(further)))
    }

    /// Raises both times to those of `other`, if they are shorter.
    fn raise_to(&self, other: &Self) {
        for (time, other) in [(&self.alone, &other.alone), (&self.busy, &other.busy)] {
            time.fetch_max(other.load(Ordering::Relaxed), Ordering::Relaxed);
        }
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Models by the address they are registered at.
#[derive(Clone)]
pub struct Models(BTreeMap<Address, Arc<Model>>);

impl Models {
    /// Loads every package in `folders`. A folder either is a package or contains packages.
    pub fn load(folders: &[PathBuf], threads: usize) -> Result<Self> {
        let mut models = BTreeMap::new();
        for folder in folders {
            for package in packages(folder)? {
                let model = Model::load(&package, threads)?;
                models.insert(market::job::model(&model.hash), Arc::new(model));
            }
        }
        if models.is_empty() {
            let shown: Vec<_> = folders.iter().map(|folder| folder.display().to_string()).collect();
            return Err(Error::NoModels { folders: shown.join(", ") });
        }
        Ok(Self(models))
    }

    /// Times all models, on a thread of its own.
    pub async fn measure(&self) -> Result<()> {
        for (address, model) in self.iter() {
            let measuring = model.clone();
            let measured = tokio::task::spawn_blocking(move || measuring.measure()).await;
            measured.map_err(|error| model.failed(error))?.map_err(|source| Error::Model {
                folder: model.folder.clone(),
                source,
            })?;
            let speed = format!("{:.1}", model.speed() / 1e9);
            tracing::info!(event = "model", name = model.name, %address, hash = hex::encode(model.hash), gigamacs_per_second = speed);
        }
        Ok(())
    }

    /// The model registered at `address`.
    pub fn get(&self, address: &Address) -> Option<&Arc<Model>> {
        self.0.get(address)
    }

    /// All of them, with their addresses.
    pub fn iter(&self) -> impl Iterator<Item = (&Address, &Arc<Model>)> {
        self.0.iter()
    }
}

/// Checks a blob against the job. The store has already checked it against its address.
fn check_input(bytes: &[u8], expected: &BatchHeader) -> Result<()> {
    let refuse = |reason: String| Error::WrongInput {
        job_units: expected.units(),
        reason,
    };
    let (header, _) = BatchHeader::parse(bytes).map_err(|error| refuse(error.to_string()))?;
    if header.kind() != BlobKind::Inputs {
        return Err(refuse("it holds outputs".to_owned()));
    }
    if header != *expected {
        return Err(refuse(format!(
            "it holds {} units, and their number or shape is not what the job says",
            header.units()
        )));
    }
    Ok(())
}

fn packages(folder: &Path) -> Result<Vec<PathBuf>> {
    let failed = |source| Error::ModelFolder {
        folder: folder.to_owned(),
        source,
    };
    let is_package = |folder: &Path| folder.join("model.json").is_file();
    if is_package(folder) {
        return Ok(vec![folder.to_owned()]);
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if is_package(&path) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
impl Model {
    /// The model that the repository ships, on one thread.
    #[allow(clippy::unwrap_used)]
    pub(crate) fn upscale() -> Self {
        Self::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/upscale"), 1).unwrap()
    }

    /// Pretends that a unit takes this long: computed, computed with every value visible, and recomputed for an answer.
    pub(crate) fn takes(&self, unit: Duration, seen: Duration, answer: Duration) {
        for (times, taken) in [(&self.times, unit), (&self.seen_times, seen)] {
            times.alone.store(nanoseconds(taken), Ordering::Relaxed);
            times.busy.store(nanoseconds(taken), Ordering::Relaxed);
        }
        self.answer_time.store(nanoseconds(answer), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use engine::cuda::DeviceError;

    #[test]
    fn models_are_listed_in_the_order_of_their_addresses() {
        let model = Arc::new(Model::upscale());
        let address = |first: u8| Address::new_from_array([first; 32]);
        let models = Models((0..9).rev().map(|first| (address(first), model.clone())).collect());
        assert!(models.iter().map(|(at, _)| *at).eq((0..9).map(address)));
    }

    #[test]
    fn once_no_gpu_is_left_the_times_are_those_of_the_cpu() {
        let hour = Duration::from_secs(3_600);
        let model = Model::upscale();
        let lost = DeviceError::Lost("unplugged".to_owned());
        model.engine.attach(crate::selftest::tests::failing(0, Some(lost))).unwrap();
        model.takes(Duration::ZERO, hour, hour);
        model.run(&model.zeros(1).unwrap(), || true).unwrap();
        assert_eq!(model.estimate(1), hour);
        // Until a run has taken less.
        model.run(&model.zeros(1).unwrap(), || true).unwrap();
        assert!(model.estimate(1) < hour);
    }

    /// A single unit uses one GPU and takes as long as on that GPU alone, even if there are several.
    #[test]
    fn a_single_unit_takes_longer_than_one_of_many() {
        let pass = Duration::from_millis(100);
        let model = Model::upscale();
        for ordinal in 0..4 {
            model.engine.attach(crate::selftest::tests::taking(ordinal, pass)).unwrap();
        }
        model.measure().unwrap();
        assert!(model.estimate(1) >= pass);
        let many = model.estimate(1_000);
        model.times.alone.store(0, Ordering::Relaxed);
        model.run(&model.zeros(1).unwrap(), || true).unwrap();
        assert!(model.estimate(1) >= pass);
        assert!(model.estimate(1_000) <= many + pass, "{:?} {many:?}", model.estimate(1_000));
    }

    #[test]
    fn each_way_of_running_has_a_time_of_its_own() {
        let hour = Duration::from_secs(3_600);
        let model = Model::upscale();
        model.measure().unwrap();
        for estimate in [model.estimate(1), model.estimate_seen(1), model.time_to_answer(1)] {
            assert!(Duration::ZERO < estimate && estimate < hour);
        }
        let blob = model.zeros(1).unwrap();
        model.takes(hour, hour, hour);
        model.run_seen(&blob, || true, |_, _, _| ()).unwrap();
        assert_eq!(model.estimate(1), hour);
        assert!(model.estimate_seen(1) < hour);
        model.takes(hour, hour, hour);
        model.run(&blob, || true).unwrap();
        assert_eq!(model.estimate_seen(1), hour);
        assert!(model.estimate(1) < hour);
    }
}
