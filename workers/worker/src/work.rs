//! The work that calls ask for, done on the worker's GPUs.

use crate::{Error, Result, Worker};
use chain::market::reward::Asked;
use engine::cuda::Device;
use engine::work::{self, Worked};
use protocol::hash::Hash;
use protocol::work::{Draw, Opening, Size};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Most products that a CPU can compute within the time for an answer. GPU models that ask for more need the GPU.
const MOST_ON_CPU: u64 = 1 << 42;

/// Checks that a machine with these GPUs can do what calls ask of `quantity` GPUs, and says why not.
pub(crate) fn check(size: Size, quantity: u8, gpus: &[Arc<dyn Device>]) -> std::result::Result<(), String> {
    if !gpus.is_empty() && gpus.len() < quantity.into() {
        return Err(format!(
            "the device is registered with {quantity} GPUs, but the worker uses {}; check `gpu`, or register the actual number",
            gpus.len()
        ));
    }
    if gpus.is_empty() && size.products().saturating_mul(quantity.into()) > MOST_ON_CPU {
        return Err(format!(
            "calls ask for 2^{} products of each GPU, more than a CPU can do in time; run the worker where the device's GPUs are, or register its actual model",
            size.products().ilog2()
        ));
    }
    Ok(())
}

/// The work that a device did for a call.
pub(crate) struct Done {
    /// Roots of the layers, for each GPU.
    pub roots: Vec<Vec<Hash>>,
    /// Openings of the drawn parts.
    pub openings: Vec<Opening>,
}

impl Worker {
    /// Does the work of a call: the parts of the device's GPUs in parallel on the worker's GPUs, or on the CPU if it has none. With
    /// `yields`, gives way to jobs and answers that compute: returns `None` if there is one or one comes in.
    pub(crate) async fn do_work(&self, asked: Asked, draw: Option<Draw>, yields: bool) -> Result<Option<Done>> {
        if yields && self.is_computing() {
            return Ok(None);
        }
        let gpus = self.gpus.clone();
        let stop = CancellationToken::new();
        // Dropping this future stops the work too.
        let _guard = stop.clone().drop_guard();
        let doing = tokio::task::spawn_blocking({
            let stop = stop.clone();
            move || on_all(&gpus, asked, draw, &|| !stop.is_cancelled())
        });
        tokio::pin!(doing);
        loop {
            if yields && self.is_computing() {
                stop.cancel();
            }
            tokio::select! {
                done = &mut doing => return done.map_err(|error| Error::Work(error.to_string()))?,
                () = tokio::time::sleep(self.settings.poll) => {}
            }
        }
    }
}

fn on_all(gpus: &[Arc<dyn Device>], asked: Asked, draw: Option<Draw>, go_on: &(dyn Fn() -> bool + Sync)) -> Result<Option<Done>> {
    check(asked.size, asked.gpus, gpus).map_err(Error::Work)?;
    let one = |gpu: u8, device: Option<&dyn Device>| {
        let draw = draw.filter(|draw| draw.gpu == gpu);
        match work::run(device, asked.size, &asked.seed(gpu), draw.as_ref(), &mut || go_on()) {
            Err(engine::Error::Stopped) => Ok(None),
            done => done.map(Some).map_err(|error| Error::Work(error.to_string())),
        }
    };
    let parts = 0..asked.gpus;
    let done: Result<Vec<Option<Worked>>> = if gpus.is_empty() {
        parts.map(|gpu| one(gpu, None)).collect()
    } else {
        std::thread::scope(|scope| {
            let one = &one;
            let threads: Vec<_> = parts
                .zip(gpus)
                .map(|(gpu, device)| scope.spawn(move || one(gpu, Some(&**device))))
                .collect();
            let ended = |_| Err(Error::Work("its thread panicked".to_owned()));
            threads.into_iter().map(|thread| thread.join().unwrap_or_else(ended)).collect()
        })
    };
    let done: Option<Vec<Worked>> = done?.into_iter().collect();
    Ok(done.map(|parts| {
        let (roots, openings): (Vec<_>, Vec<_>) = parts.into_iter().map(|part| (part.layers, part.openings)).unzip();
        Done {
            roots,
            openings: openings.concat(),
        }
    }))
}
