//! The engine's thread pool.

use crate::error::Error;

/// A pool of threads. In a browser, where a program has a single thread, just that thread.
pub(crate) struct Threads {
    #[cfg(not(target_family = "wasm"))]
    pool: rayon::ThreadPool,
}

#[cfg(not(target_family = "wasm"))]
impl Threads {
    /// Starts `count` threads; 0 means one per core.
    pub fn new(count: usize) -> Result<Self, Error> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(count)
            .thread_name(|index| format!("engine-{index}"));
        let pool = pool.build().map_err(|source| Error::Threads { threads: count, source })?;
        Ok(Self { pool })
    }

    /// Number of threads.
    pub fn count(&self) -> usize {
        self.pool.current_num_threads()
    }

    /// Runs `work` on the pool.
    pub fn run<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        self.pool.install(work)
    }
}

#[cfg(target_family = "wasm")]
impl Threads {
    pub fn new(_count: usize) -> Result<Self, Error> {
        Ok(Self {})
    }

    pub fn count(&self) -> usize {
        1
    }

    pub fn run<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        work()
    }
}
