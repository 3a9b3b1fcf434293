//! How much each peer may upload in an hour, so that nobody fills the store alone.

use daemon::host;
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use tokio::time::Instant;

/// Time after which all peers start over.
const HOUR: Duration = Duration::from_secs(3_600);

/// What is left to each peer.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    share: u64,
    hour: Arc<Mutex<Hour>>,
}

#[derive(Debug)]
struct Hour {
    begun: Instant,
    taken: HashMap<Option<IpAddr>, u64>,
}

impl Budget {
    /// Allows each peer `share` bytes.
    pub fn new(share: u64) -> Self {
        let hour = Hour {
            begun: Instant::now(),
            taken: HashMap::new(),
        };
        Self {
            share,
            hour: Arc::new(Mutex::new(hour)),
        }
    }

    /// Takes bytes out of a peer's share, or returns the time until it has a new one. All peers without an address count as one.
    pub fn take(&self, peer: Option<SocketAddr>, bytes: u64) -> Result<(), Duration> {
        let mut hour = self.hour.lock();
        if hour.begun.elapsed() >= HOUR {
            hour.taken.clear();
            hour.begun = Instant::now();
        }
        let left = HOUR.saturating_sub(hour.begun.elapsed());
        let taken = hour.taken.entry(peer.map(|address| host(address.ip()))).or_default();
        let all = taken.checked_add(bytes).filter(|all| *all <= self.share).ok_or(left)?;
        *taken = all;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_peer_has_its_share_of_each_hour() {
        let budget = Budget::new(100);
        let take = |peer: &str, bytes| budget.take(Some(peer.parse().unwrap()), bytes);
        assert_eq!(take("192.0.2.1:1", 60), Ok(()));
        tokio::time::advance(Duration::from_secs(600)).await;
        assert_eq!(take("192.0.2.1:2", 41), Err(Duration::from_secs(3_000)));
        assert_eq!(take("192.0.2.1:2", 40), Ok(()), "what was refused does not count");
        assert_eq!(take("192.0.2.2:1", 100), Ok(()));
        assert_eq!(take("192.0.2.2:1", u64::MAX), Err(Duration::from_secs(3_000)));
        tokio::time::advance(Duration::from_secs(3_000)).await;
        assert_eq!(take("192.0.2.1:3", 100), Ok(()));
    }
}
