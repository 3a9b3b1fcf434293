//! The work that calls ask for, on the worker's GPUs.

use crate::{Error, Result, Worker};
use chain::market::reward::Asked;
use engine::cuda::Device;
use engine::work::{self, Worked};
use protocol::hash::Hash;
use protocol::work::{Draw, Opening, Size};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Products that a CPU does within the time for an answer: a GPU model that asks for more needs the GPU.
const MOST_ON_CPU: u64 = 1 << 42;

/// What calls take that ask for so much of so many GPUs, or why a machine with these cannot do it.
pub(crate) fn check(size: Size, quantity: u8, gpus: &[Arc<dyn Device>]) -> std::result::Result<String, String> {
    let products = size.products().ilog2();
    if !gpus.is_empty() && gpus.len() < quantity.into() {
        return Err(format!(
            "the device is registered with {quantity} GPUs, but the worker uses {}; see `gpu`, or register what there is",
            gpus.len()
        ));
    }
    if gpus.is_empty() && size.products().saturating_mul(quantity.into()) > MOST_ON_CPU {
        return Err(format!(
            "calls ask for 2^{products} products of each GPU, more than a CPU does in time; run where the device's GPUs are, or register it as what it is"
        ));
    }
    // Two tensors, and what is small beside them.
    let needed = size.bytes().saturating_mul(9) / 4;
    for device in gpus {
        let free = device.free_memory().map_err(|error| error.to_string())?;
        if free < needed {
            return Err(format!(
                "calls ask for work in {} MiB of GPU {}'s memory, but {} MiB are free beside the models; close other programs or serve fewer models",
                needed >> 20,
                device.traits().ordinal,
                free >> 20
            ));
        }
    }
    Ok(format!(
        "calls ask for 2^{products} products of each GPU, in {} MiB",
        needed.div_ceil(1 << 20)
    ))
}

/// What a device did for a call.
pub(crate) struct Done {
    /// Roots of each GPU's layers.
    pub roots: Vec<Vec<Hash>>,
    /// Openings of what was drawn.
    pub openings: Vec<Opening>,
}

impl Worker {
    /// Does what a call asks for: each GPU's part on one of the worker's GPUs, side by side, or on the CPU where it has none. `None` when it `waits` for
    /// jobs and one is or comes in hand.
    pub(crate) async fn do_work(&self, asked: Asked, draw: Option<Draw>, waits: bool) -> Result<Option<Done>> {
        if waits && self.is_busy() {
            return Ok(None);
        }
        let gpus = self.gpus.clone();
        // Set as well when nobody waits for the work any more.
        let stop = Stop(Arc::new(AtomicBool::new(false)));
        let doing = tokio::task::spawn_blocking({
            let stop = stop.0.clone();
            move || on_all(&gpus, asked, draw, &|| !stop.load(Ordering::Relaxed))
        });
        tokio::pin!(doing);
        loop {
            if waits && self.is_busy() {
                stop.0.store(true, Ordering::Relaxed);
            }
            tokio::select! {
                done = &mut doing => return done.map_err(|error| Error::Work(error.to_string()))?,
                () = tokio::time::sleep(self.settings.poll) => {}
            }
        }
    }
}

/// Ends the work between two layers, at the latest when it is dropped.
struct Stop(Arc<AtomicBool>);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
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
    let lanes = gpus.len().max(1);
    let lane = |lane: usize| -> Result<Vec<(u8, Option<Worked>)>> {
        let device = gpus.get(lane).map(|device| &**device);
        let parts = (0..asked.gpus).skip(lane).step_by(lanes);
        parts.map(|gpu| Ok((gpu, one(gpu, device)?))).collect()
    };
    let done: Result<Vec<_>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..lanes).map(|number| scope.spawn(move || lane(number))).collect();
        let join = |thread: std::thread::ScopedJoinHandle<'_, _>| {
            thread.join().unwrap_or_else(|_| Err(Error::Work("its thread ended".to_owned())))
        };
        threads.into_iter().map(join).collect()
    });
    let mut parts: Vec<(u8, Option<Worked>)> = done?.into_iter().flatten().collect();
    parts.sort_by_key(|(gpu, _)| *gpu);
    let parts: Option<Vec<Worked>> = parts.into_iter().map(|(_, part)| part).collect();
    Ok(parts.map(|parts| {
        let (roots, openings): (Vec<_>, Vec<_>) = parts.into_iter().map(|part| (part.layers, part.openings)).unzip();
        Done {
            roots,
            openings: openings.concat(),
        }
    }))
}
