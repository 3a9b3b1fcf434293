//! Waits between retries.

use std::time::Duration;
use tokio::time::sleep;

/// Waits that double from `first` up to `longest`, and are never shorter than `first`.
#[derive(Clone, Debug)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    next: Duration,
}

impl Backoff {
    /// Starts at `first` and doubles up to `longest`.
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self {
            first,
            longest,
            next: first,
        }
    }

    /// Waits, twice as long as the last time.
    pub async fn wait(&mut self) {
        sleep(self.advance()).await;
    }

    /// Starts over with the first wait, as after a success.
    pub fn reset(&mut self) {
        self.next = self.first;
    }

    fn advance(&mut self) -> Duration {
        let next = self.next;
        self.next = next.saturating_mul(2).min(self.longest).max(self.first);
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_start_over() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(5));
        let mut waits = || [(); 4].map(|()| backoff.advance().as_secs());
        assert_eq!(waits(), [1, 2, 4, 5]);
        assert_eq!(waits(), [5; 4]);
        backoff.reset();
        assert_eq!(backoff.advance().as_secs(), 1);
    }

    #[test]
    fn waits_are_never_shorter_than_the_first() {
        let mut backoff = Backoff::new(Duration::from_secs(60), Duration::from_secs(5));
        assert_eq!([(); 2].map(|()| backoff.advance().as_secs()), [60, 60]);
    }
}
