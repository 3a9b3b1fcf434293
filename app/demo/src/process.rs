//! Runs the binaries of this repository as a person would.

use anyhow::{Context, Result, anyhow, bail, ensure};
use serde_json::Value;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

/// Longest wait for a line in a log: much more than any step takes, so that a demo that is stuck ends with an error.
const PATIENCE: Duration = Duration::from_secs(300);

/// Environment variables that are about the machine, not about a market.
const OF_THE_MACHINE: [&str; 3] = ["IONET_CACHE", "IONET_GPU", "IONET_NVRTC"];

/// The binaries, and the folder they run in.
pub struct Tools {
    bin: PathBuf,
    dir: PathBuf,
}

impl Tools {
    /// Binaries in `bin`, run in `dir`.
    pub fn new(bin: &Path, dir: &Path) -> Self {
        Self {
            bin: bin.to_owned(),
            dir: dir.to_owned(),
        }
    }

    /// A command that runs a binary without input.
    pub fn command(&self, name: &str) -> Command {
        let mut command = Command::new(self.bin.join(format!("{name}{}", std::env::consts::EXE_SUFFIX)));
        command.current_dir(&self.dir).stdin(Stdio::null());
        // The user's own settings may be about another market, or hide messages that the demo waits for.
        for (variable, _) in std::env::vars_os() {
            let shown = variable.to_string_lossy();
            if shown == "RUST_LOG" || shown.starts_with("IONET_") && !OF_THE_MACHINE.contains(&&*shown) {
                command.env_remove(&variable);
            }
        }
        // `ionet` keeps settings and records of jobs in the home folder. The worker keeps kernels there, which the next run can use.
        if name == "ionet" {
            command.env("HOME", &self.dir);
        }
        command
    }

    /// Runs `ionet` as the holder of `keypair`, sending without asking, and returns what it printed as JSON.
    pub fn ionet(&self, keypair: &str, arguments: &[&str]) -> Result<Value> {
        let mut command = self.command("ionet");
        daemon::stop_with_parent(&mut command);
        let mut child = command
            .args(["--yes", "--output", "json", "--keypair", keypair])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot start ionet; run `cargo xtask build`")?;
        let _until_it_ends = child.stdin.take();
        let output = child.wait_with_output().context("the output of ionet cannot be read")?;
        /// Exit code of `ionet verify` for a wrong result, which is an answer.
        const WRONG: i32 = 6;
        if !matches!(output.status.code(), Some(0 | WRONG)) {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("`ionet {}` failed: {}", arguments.join(" "), sentence(&said));
        }
        // A command that follows a job prints one object per line; the last one is the outcome.
        let text = String::from_utf8(output.stdout).context("ionet printed something that is not text")?;
        let last = serde_json::Deserializer::from_str(&text).into_iter::<Value>().last();
        last.with_context(|| format!("`ionet {}` printed nothing", arguments.join(" ")))?
            .context("ionet printed something that is not JSON")
    }

    /// Runs a binary that needs no wallet and returns what it printed as text.
    pub fn text(&self, name: &str, arguments: &[&str]) -> Result<String> {
        let output = self.command(name).args(arguments).output();
        let output = output.with_context(|| format!("cannot start {name}; run `cargo xtask build`"))?;
        let [said, error] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
        ensure!(output.status.success(), "{name}: {said}{error}");
        String::from_utf8(output.stdout).with_context(|| format!("{name} printed something that is not text"))
    }

    /// Starts a process in the background; its messages go to `<name>.log`.
    pub fn start(&self, name: &str, arguments: &[&str]) -> Result<Service> {
        let log = self.dir.join(format!("{name}.log"));
        let mut file = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .with_context(|| format!("cannot write {}", log.display()))?;
        let mut command = self.command(name);
        daemon::stop_with_parent(&mut command);
        let mut child = command
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {name}; run `cargo xtask build`"))?;
        let stderr = child.stderr.take().context("the messages cannot be read")?;
        let (sender, messages) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                // Nobody may be listening, and a full disk must not stop the process.
                let _ = writeln!(file, "{line}");
                let _ = sender.send(line);
            }
        });
        Ok(Service {
            name: name.to_owned(),
            log,
            child,
            messages: Mutex::new(messages),
        })
    }
}

/// A process that ends with the demo.
pub struct Service {
    name: String,
    log: PathBuf,
    child: Child,
    /// Behind a lock, so that threads can share a market.
    messages: Mutex<mpsc::Receiver<String>>,
}

impl Service {
    /// The first JSON object the process prints; afterwards its output is drained.
    pub fn first_object(&mut self) -> Result<Value> {
        let stdout = self.child.stdout.take().context("the output was read before")?;
        let mut lines = BufReader::new(stdout).lines();
        let mut text = String::new();
        for line in lines.by_ref() {
            text.push_str(&line?);
            if let Ok(value) = serde_json::from_str(&text) {
                std::thread::spawn(move || lines.for_each(drop));
                return Ok(value);
            }
        }
        let messages = self.messages.get_mut();
        let said: Vec<String> = messages.map(|messages| messages.iter().collect()).unwrap_or_default();
        bail!(
            "{} ended before it was ready: {}; its log is {}",
            self.name,
            sentence(&said.join("\n")),
            self.log.display()
        )
    }

    /// Waits until the process logs a line that `wanted` accepts, but at most five minutes.
    pub fn wait_for(&self, mut wanted: impl FnMut(&str) -> bool) -> Result<()> {
        let messages = self
            .messages
            .lock()
            .map_err(|_| anyhow!("another thread failed while reading the messages"))?;
        let deadline = Instant::now() + PATIENCE;
        let what = loop {
            match messages.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) if wanted(&line) => return Ok(()),
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => break "has not logged the line that was waited for in five minutes",
                Err(RecvTimeoutError::Disconnected) => break "ended before it logged the line that was waited for",
            }
        };
        bail!("{} {what}; its log is {}", self.name, self.log.display())
    }

    /// Ends the process with SIGKILL, so that it cannot clean up.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(None)) {
            return;
        }
        // Asked to end first, so that it leaves a clean state; killed if it cannot be asked.
        #[cfg(unix)]
        let asked = Command::new("kill")
            .arg(self.child.id().to_string())
            .status()
            .is_ok_and(|status| status.success());
        #[cfg(not(unix))]
        let asked = false;
        if !asked {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

/// The error that a binary printed: the sentence alone, if it was printed as JSON.
fn sentence(said: &str) -> String {
    let error: Option<Value> = serde_json::from_str(said.trim()).ok();
    let sentence = error.as_ref().and_then(|error| error.pointer("/error")?.as_str());
    sentence.unwrap_or(said.trim()).to_owned()
}
