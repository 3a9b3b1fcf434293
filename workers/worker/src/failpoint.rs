//! Points at which tests stop a worker. Compiled in only with the feature `failpoints`.
//!
//! `FAILPOINTS='commit_recorded=pause'` blocks the process at a point, so that it can be killed there. In tests within one process, the
//! action `return` suspends the job, as if the worker had died, until the worker is dropped.

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

/// Passed after every computed unit. The action `pause` blocks the computing thread.
#[cfg(feature = "failpoints")]
pub(crate) fn unit_computed() {
    fail::fail_point!("unit_computed");
}

#[cfg(not(feature = "failpoints"))]
pub(crate) fn unit_computed() {}
