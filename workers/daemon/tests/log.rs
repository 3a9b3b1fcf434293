//! The log: its filter, and a disk that does not take it.
#![allow(clippy::unwrap_used)]

use daemon::{LogFormat, log_to_stderr};
use std::{
    env,
    ffi::OsStr,
    os::unix::ffi::OsStrExt,
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

/// A process that logs.
fn logging() -> Command {
    let mut process = Command::new(env::current_exe().unwrap());
    process
        .args(["logs", "--exact", "--nocapture"])
        .env("LOGS", "1")
        .stdout(Stdio::null());
    process
}

/// A full disk must not end a worker, which may have bonds at stake.
#[cfg(target_os = "linux")]
#[test]
fn a_log_that_cannot_be_written_ends_nothing() {
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    assert!(logging().stderr(full).status().unwrap().success());
}

#[test]
fn a_filter_that_cannot_be_read_is_reported_and_replaced() {
    let mut process = logging();
    let mut logged = |filter: &[u8]| {
        let process = process.env("RUST_LOG", OsStr::from_bytes(filter));
        String::from_utf8(process.output().unwrap().stderr).unwrap()
    };
    for malformed in [&b"daemon=loud"[..], b"\xff"] {
        let logged = logged(malformed);
        for line in ["RUST_LOG is not a valid log filter", "the default shows this"] {
            assert!(logged.contains(line), "{logged}");
        }
    }
    assert_eq!(logged(b"off"), "");
}
