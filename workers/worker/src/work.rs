//! The work that calls ask for, on the worker's GPUs.

use crate::{Error, Result, Worker};
use chain::market::reward::Asked;
use engine::cuda::Device;
use engine::work::{self, Worked};
use protocol::hash::Hash;
use protocol::work::{Draw, Opening, Size};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Products that a CPU does within the time for an answer: a GPU model that asks for more needs the GPU.
const MOST_ON_CPU: u64 = 1 << 42;

/// Why a machine with these GPUs cannot do what calls ask of each of so many.
pub(crate) fn check(size: Size, quantity: u8, gpus: &[Arc<dyn Device>]) -> std::result::Result<(), String> {
    if !gpus.is_empty() && gpus.len() < quantity.into() {
        return Err(format!(
            "the device is registered with {quantity} GPUs, but the worker uses {}; see `gpu`, or register what there is",
            gpus.len()
        ));
    }
    if gpus.is_empty() && size.products().saturating_mul(quantity.into()) > MOST_ON_CPU {
        return Err(format!(
            "calls ask for 2^{} products of each GPU, more than a CPU does in time; run where the device's GPUs are, or register its real model",
            size.products().ilog2()
        ));
    }
    Ok(())
}

/// What a device did for a call.
pub(crate) struct Done {
    /// Roots of each GPU's layers.
    pub roots: Vec<Vec<Hash>>,
    /// Openings of what was drawn.
    pub openings: Vec<Opening>,
}

impl Worker {
    /// Does what a call asks for: each GPU's part on one of the worker's GPUs, side by side, or on the CPU where it has none. `None` when
    /// it `waits` for jobs and one is or comes in hand.
    pub(crate) async fn do_work(&self, asked: Asked, draw: Option<Draw>, waits: bool) -> Result<Option<Done>> {
        if waits && self.is_busy() {
            return Ok(None);
        }
        let gpus = self.gpus.clone();
        let stop = CancellationToken::new();
        // The work ends as well when nobody waits for it any more.
        let _guard = stop.clone().drop_guard();
        let doing = tokio::task::spawn_blocking({
            let stop = stop.clone();
            move || on_all(&gpus, asked, draw, &|| !stop.is_cancelled())
        });
        tokio::pin!(doing);
        loop {
            if waits && self.is_busy() {
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
            let ended = |_| Err(Error::Work("its thread ended".to_owned()));
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
