//! The models a worker serves.

use crate::{Error, Result};
use chain::market;
use engine::{Batch, Engine, Package};
use protocol::batch::BatchHeader;
use protocol::hash::Hash;
use solana_address::Address;
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// A model ready to run.
pub struct Model {
    /// Name and version, for people.
    pub name: String,
    /// MODEL.
    pub hash: Hash,
    /// Where its package lies.
    pub folder: PathBuf,
    engine: Engine,
    /// Nanoseconds a unit takes when the engine is kept busy, as last measured.
    unit_time: AtomicU64,
}

impl Model {
    fn load(folder: &Path, threads: usize) -> Result<Self> {
        let failed = |source| Error::Model {
            folder: folder.to_owned(),
            source,
        };
        let package = Package::load(folder).map_err(failed)?;
        Ok(Self {
            name: format!("{} {}", package.name, package.version),
            hash: package.model,
            folder: folder.to_owned(),
            engine: Engine::new(Arc::new(package), threads).map_err(failed)?,
            unit_time: AtomicU64::new(0),
        })
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Header of the inputs blob of a job of `units`, which also tells its size.
    pub fn inputs(&self, units: u32) -> Option<BatchHeader> {
        BatchHeader::inputs(units, &self.engine.package().input_shapes()).ok()
    }

    /// Header of its outputs blob.
    pub fn outputs(&self, units: u32) -> Option<BatchHeader> {
        let package = self.engine.package();
        BatchHeader::outputs(units, package.output_id(), package.output_shape()).ok()
    }

    /// Runs every unit of an inputs blob and takes the time.
    pub fn run(&self, inputs: &[u8], done: impl Fn() + Sync) -> std::result::Result<(Batch, Duration), engine::Error> {
        let start = Instant::now();
        let batch = self.engine.run_batch(inputs, done)?;
        let elapsed = start.elapsed();
        let units = u128::try_from(batch.traces.len()).unwrap_or(1).max(1);
        self.unit_time
            .store(u64::try_from(elapsed.as_nanos() / units).unwrap_or(u64::MAX), Ordering::Relaxed);
        Ok((batch, elapsed))
    }

    /// Runs one unit a thread, all zeros, so that the first estimate is of this machine.
    pub fn measure(&self, threads: usize) -> std::result::Result<(), engine::Error> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let units = if threads == 0 { cores } else { threads };
        let Some(header) = u32::try_from(units).ok().and_then(|units| self.inputs(units)) else {
            return Ok(());
        };
        let mut blob = header.encode().to_vec();
        blob.resize(usize::try_from(header.blob_bytes()).unwrap_or(BatchHeader::BYTES), 128);
        // The first run warms caches and pages up.
        self.run(&blob, || {})?;
        self.run(&blob, || {}).map(drop)
    }

    /// How long `units` take, as last measured.
    pub fn estimate(&self, units: u32) -> Duration {
        Duration::from_nanos(self.unit_time.load(Ordering::Relaxed).saturating_mul(units.into()))
    }

    /// Multiply-accumulates a second, as last measured.
    pub fn speed(&self) -> f64 {
        let nanoseconds = self.unit_time.load(Ordering::Relaxed).max(1) as f64;
        self.engine.package().facts.macs as f64 / nanoseconds * 1e9
    }
}

/// Models by the address they are registered at.
pub struct Models(HashMap<Address, Arc<Model>>);

impl Models {
    /// Loads every package in `folders`: a folder is a package or holds some.
    pub fn load(folders: &[PathBuf], threads: usize) -> Result<Self> {
        let mut models = HashMap::new();
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

    /// The model registered at `address`.
    pub fn get(&self, address: &Address) -> Option<&Arc<Model>> {
        self.0.get(address)
    }

    /// All of them, with their addresses.
    pub fn iter(&self) -> impl Iterator<Item = (&Address, &Arc<Model>)> {
        self.0.iter()
    }
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
