//! The filter of the log.
#![allow(clippy::unwrap_used)]

use daemon::{LogFormat, log_to_stderr};
use std::{
    env,
    process::{Command, Stdio},
};

/// Says in the log of this process what the test below looks for.
#[test]
fn logs() {
    if env::var_os("LOGS").is_some() {
        log_to_stderr(LogFormat::Human, "info");
        tracing::info!("the default shows this");
    }
}

#[test]
fn a_filter_that_cannot_be_read_is_reported_and_replaced() {
    let mut process = Command::new(env::current_exe().unwrap());
    process
        .args(["logs", "--exact", "--nocapture"])
        .env("LOGS", "1")
        .stdout(Stdio::null());
    let logged = |filter: &str| String::from_utf8(process.env("RUST_LOG", filter).output().unwrap().stderr).unwrap();
    let [malformed, silent] = ["daemon=loud", "off"].map(logged);
    for line in ["RUST_LOG is no filter", "the default shows this"] {
        assert!(malformed.contains(line), "{malformed}");
    }
    assert_eq!(silent, "");
}
