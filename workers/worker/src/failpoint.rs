//! Points at which tests stop a worker, compiled in with the feature `failpoints` only.
//!
//! `FAILPOINTS='commit_recorded=pause'` blocks the process there, ready to be killed; in tests within a process the action `return`
//! leaves the job asleep for ever, as if the worker had died, until the worker is dropped.

use solana_address::Address;

#[cfg(feature = "failpoints")]
pub(crate) async fn failpoint(action: &str, stage: &str, job: &Address) {
    let name = format!("{action}_{stage}");
    tracing::debug!(event = "step", step = name, %job);
    let stops = || {
        fail::fail_point!(&name, |_| true);
        false
    };
    if stops() {
        std::future::pending::<()>().await;
    }
}

#[cfg(not(feature = "failpoints"))]
pub(crate) async fn failpoint(_: &str, _: &str, _: &Address) {}

/// Where a unit is computed: there the action `pause` blocks the thread.
#[cfg(feature = "failpoints")]
pub(crate) fn unit_computed() {
    fail::fail_point!("unit_computed");
}

#[cfg(not(feature = "failpoints"))]
pub(crate) fn unit_computed() {}
