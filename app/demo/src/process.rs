//! The binaries of this repository, run as a person would run them.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Where the binaries are and where they run.
pub struct Tools {
    bin: PathBuf,
    dir: PathBuf,
}

impl Tools {
    /// Binaries beside this one, run in `dir`.
    pub fn beside_self(dir: &Path) -> Result<Self> {
        let me = std::env::current_exe().context("cannot tell where this binary is")?;
        let bin = me.parent().context("this binary has no folder")?.to_owned();
        Ok(Self { bin, dir: dir.to_owned() })
    }

    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(self.bin.join(format!("{name}{}", std::env::consts::EXE_SUFFIX)));
        command.current_dir(&self.dir).stdin(Stdio::null());
        command
    }

    /// Runs `ionet` as the holder of `keypair`, sending without asking, and returns what it printed as JSON.
    pub fn ionet(&self, keypair: &str, arguments: &[&str]) -> Result<Value> {
        let output = self
            .command("ionet")
            .args(["--yes", "--output", "json", "--keypair", keypair])
            .args(arguments)
            .output()
            .context("cannot start ionet; run `cargo xtask build`")?;
        if !output.status.success() {
            bail!(
                "`ionet {}` failed: {}",
                arguments.join(" "),
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        // A command that follows a job prints one object a line; the last one is the outcome.
        let text = String::from_utf8(output.stdout).context("ionet printed something that is not text")?;
        let last = serde_json::Deserializer::from_str(&text).into_iter::<Value>().last();
        last.with_context(|| format!("`ionet {}` printed nothing", arguments.join(" ")))?
            .context("ionet printed something that is not JSON")
    }

    /// Starts a process that runs beside the demo; its messages go to `<name>.log` in the demo's folder.
    pub fn start(&self, name: &str, arguments: &[&str]) -> Result<Service> {
        let log = self.dir.join(format!("{name}.log"));
        let file = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let child = self
            .command(name)
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(file)
            .spawn()
            .with_context(|| format!("cannot start {name}; run `cargo xtask build`"))?;
        Ok(Service {
            name: name.to_owned(),
            log,
            child,
        })
    }
}

/// A process that ends with the demo.
pub struct Service {
    name: String,
    log: PathBuf,
    child: Child,
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
        bail!("{} ended before it was ready; its log is {}", self.name, self.log.display())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Asked first, so that it leaves a clean state; killed if it cannot be asked.
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
