//! A daemon stops with its parent. In a binary of its own: starting a process briefly duplicates the locks that other tests hold.
#![allow(clippy::unwrap_used)]

use daemon::{stop_on_signals, stop_with_parent};
use std::{
    process::{Command, Stdio},
    time::Duration,
};

/// Makes this test a daemon.
const DAEMON: &str = "IONET_TEST_DAEMON";

#[tokio::test]
async fn a_daemon_stops_when_the_pipe_from_its_parent_closes() {
    if std::env::var_os(DAEMON).is_some() {
        let stop = stop_on_signals();
        tokio::time::timeout(Duration::from_secs(60), stop.cancelled()).await.unwrap();
        the_first_signal_after_the_pipe_is_not_the_second().await;
        return;
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .env(DAEMON, "1")
        .arg("--exact")
        .arg("a_daemon_stops_when_the_pipe_from_its_parent_closes");
    stop_with_parent(&mut command);
    let mut child = command.stdout(Stdio::null()).spawn().unwrap();
    // As the system closes it when this process is killed.
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}

/// A parent that stops its daemons in order sends a signal and closes the pipe, and either may arrive first.
async fn the_first_signal_after_the_pipe_is_not_the_second() {
    #[cfg(unix)]
    {
        let mut terminated = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).unwrap();
        let sent = Command::new("kill").arg(std::process::id().to_string()).status().unwrap();
        assert!(sent.success());
        terminated.recv().await;
        // Lets the task of `stop_on_signals` run, which waits for the same signal.
        tokio::task::yield_now().await;
    }
}
