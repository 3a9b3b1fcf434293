//! When to try a duty again that could not be done.

use solana_address::Address;
use std::cell::RefCell;
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::Instant;

/// Wait after the first attempt. It doubles with each further one.
const FIRST: Duration = Duration::from_secs(1);

/// Longest wait. Anyone can create any number of duties that never succeed, such as payments from a frozen account. If all were tried in
/// every pass, the node would have no time for anything else.
const LONGEST: Duration = Duration::from_secs(600);

/// Duties that could not be done, each known by its name and account.
#[derive(Debug, Default)]
pub struct Retries(RefCell<HashMap<(&'static str, Address), Retry>>);

#[derive(Debug)]
struct Retry {
    at: Instant,
    wait: Duration,
    reason: String,
}

impl Retries {
    /// Whether it is too early to try a duty again.
    pub(super) fn waits(&self, deed: &'static str, account: &Address) -> bool {
        self.0
            .borrow()
            .get(&(deed, *account))
            .is_some_and(|retry| Instant::now() < retry.at)
    }

    /// Whether the latest attempt at a duty failed.
    pub(super) fn knows(&self, deed: &'static str, account: &Address) -> bool {
        self.0.borrow().contains_key(&(deed, *account))
    }

    /// Puts a duty off. Returns whether the reason is the same as last time.
    pub(super) fn put_off(&self, deed: &'static str, account: Address, reason: String) -> bool {
        let (now, mut all) = (Instant::now(), self.0.borrow_mut());
        // What nobody has tried again for so long is no longer due.
        all.retain(|_, retry| now.saturating_duration_since(retry.at) < LONGEST);
        let last = all.remove(&(deed, account));
        let wait = last.as_ref().map_or(FIRST, |last| last.wait.saturating_mul(2).min(LONGEST));
        let repeated = last.is_some_and(|last| last.reason == reason);
        let at = now.checked_add(wait).unwrap_or(now);
        all.insert((deed, account), Retry { at, wait, reason });
        repeated
    }

    /// Forgets a duty, which was done.
    pub(super) fn forget(&self, deed: &'static str, account: Address) {
        self.0.borrow_mut().remove(&(deed, account));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn waits_double_up_to_the_longest_and_end_with_success() {
        let (retries, account) = (Retries::default(), Address::default());
        let put_off = |reason: &str| retries.put_off("settle", account, reason.to_owned());
        let waits = || retries.waits("settle", &account);
        assert!(!waits() && !put_off("frozen") && waits());
        assert!(!retries.waits("sweep", &account) && !retries.waits("settle", &Address::new_from_array([1; 32])));
        for seconds in [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600] {
            tokio::time::advance(Duration::from_secs(seconds) - Duration::from_millis(1)).await;
            assert!(waits(), "{seconds}");
            tokio::time::advance(Duration::from_millis(1)).await;
            assert!(!waits() && put_off("frozen"), "{seconds}");
        }
        assert!(!put_off("poor"), "another reason");
        retries.forget("settle", account);
        assert!(!waits() && !retries.knows("settle", &account) && !put_off("poor"));
        // Another duty comes up long after.
        tokio::time::advance(FIRST + LONGEST).await;
        retries.put_off("settle", Address::new_from_array([1; 32]), String::new());
        assert!(!retries.knows("settle", &account), "it is no longer due");
    }
}
