//! Runs a command as a step with a name, visible progress and a log.

use std::env;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, IsTerminal, Write, pipe};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use indicatif::{ProgressBar, ProgressStyle};

/// How often a step reports progress where no spinner can be drawn.
const HEARTBEAT: Duration = Duration::from_secs(30);
/// Lines of the log shown when a step fails.
const TAIL: usize = 30;

/// Runs `command`, showing `title`, the elapsed time and the last line of its output. All output goes to `target/log/NAME.log`;
/// if the command fails, the error contains an excerpt.
pub fn run(root: &Path, name: &str, title: &str, command: Command) -> Result<()> {
    watch(root, name, Progress::start(title, std::io::stderr().is_terminal()), command)
}

/// Like [`run`], but in plain lines, for a step that runs in parallel with other output.
pub fn run_beside(root: &Path, name: &str, title: &str, command: Command) -> Result<()> {
    watch(root, name, Progress::start(title, false), command)
}

fn watch(root: &Path, name: &str, mut progress: Progress, command: Command) -> Result<()> {
    let title = progress.title.clone();
    let mut lines = Vec::new();
    let (status, log) = stream(root, name, command, |line| {
        progress.line(line);
        lines.push(line.to_owned());
    })?;
    progress.finish(if status.success() { "✓" } else { "✗" });
    if status.success() {
        return Ok(());
    }
    bail!(
        "{title} failed ({status}).\n\n{}\n\nThe whole log is in {}",
        excerpt(&lines),
        log.display()
    )
}

/// Runs `command`, hands each line of its output to `each` and writes it to `target/log/NAME.log`, whose path is returned.
pub fn stream(root: &Path, name: &str, mut command: Command, mut each: impl FnMut(&str)) -> Result<(ExitStatus, PathBuf)> {
    let folder = root.join("target/log");
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let path = folder.join(format!("{name}.log"));
    let mut log = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    writeln!(log, "{command:?}")?;

    forget_own_package(&mut command);
    let (reader, writer) = pipe()?;
    command.stdout(writer.try_clone()?).stderr(writer);
    let mut child = command
        .spawn()
        .with_context(|| format!("cannot start {}", command.get_program().to_string_lossy()))?;
    // It holds write ends of the pipe, and reading ends only when all of them are closed.
    drop(command);
    for line in BufReader::new(reader).split(b'\n') {
        let line = line?;
        let line = String::from_utf8_lossy(&line);
        writeln!(log, "{line}")?;
        each(&line);
    }
    Ok((child.wait()?, path))
}

/// Runs a command silently and returns its output; the command must succeed.
pub fn printed(command: &mut Command) -> Result<String> {
    let name = Path::new(command.get_program()).display().to_string();
    let output = command.output().with_context(|| format!("cannot start {name}"))?;
    let complained = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{name} failed: {}", complained.trim());
    String::from_utf8(output.stdout).with_context(|| format!("{name} printed something that is not text"))
}

/// Removes the variables by which cargo tells this program its own package. Build scripts of dependencies (ring's) watch the same names, so
/// that every checkout would recompile half of the dependencies.
fn forget_own_package(command: &mut Command) {
    for (name, _) in env::vars_os() {
        if ["CARGO_MANIFEST_", "CARGO_PKG_"]
            .iter()
            .any(|start| name.to_string_lossy().starts_with(start))
        {
            command.env_remove(name);
        }
    }
}

/// The part of a failed step to show: the message of the linker if linking failed, else the errors of the compiler, else the last lines.
fn excerpt(lines: &[String]) -> String {
    let linker: Vec<&str> = lines
        .iter()
        .skip_while(|line| !line.contains("error: linking with"))
        .skip(1)
        .map(|line| line.trim())
        // Neither the command line, which is pages long, nor the linker's own backtrace is about the program.
        .filter(|line| !line.is_empty() && !line.contains("--export-symbols") && !line.contains("solana-compiler-builtins"))
        .skip_while(|line| !line.contains("rror"))
        .take_while(|line| !line.starts_with("Stack backtrace") && !line.starts_with("warning:"))
        .take(TAIL)
        .collect();
    if !linker.is_empty() {
        return linker.join("\n");
    }
    let compiler: Vec<&str> = lines
        .iter()
        .skip_while(|line| !line.starts_with("error"))
        .take(2 * TAIL)
        .map(String::as_str)
        .collect();
    if !compiler.is_empty() {
        return compiler.join("\n");
    }
    lines
        .iter()
        .skip(lines.len().saturating_sub(TAIL))
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join("\n")
}

/// A spinner on a terminal, plain lines elsewhere.
struct Progress {
    title: String,
    started: Instant,
    spoke: Instant,
    spinner: Option<ProgressBar>,
}

impl Progress {
    fn start(title: &str, spinner: bool) -> Self {
        let spinner = spinner.then(|| {
            let bar = ProgressBar::new_spinner().with_prefix(title.to_owned());
            if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix} {elapsed:.dim} {wide_msg:.dim}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        if spinner.is_none() {
            eprintln!("… {title}");
        }
        Self {
            title: title.to_owned(),
            started: Instant::now(),
            spoke: Instant::now(),
            spinner,
        }
    }

    fn line(&mut self, line: &str) {
        let line = line.trim();
        match &self.spinner {
            Some(bar) => bar.set_message(line.to_owned()),
            None if self.spoke.elapsed() >= HEARTBEAT => {
                eprintln!("… {} ({} s): {line}", self.title, self.started.elapsed().as_secs());
                self.spoke = Instant::now();
            }
            None => {}
        }
    }

    fn finish(self, mark: &str) {
        if let Some(bar) = &self.spinner {
            bar.finish_and_clear();
        }
        eprintln!("{mark} {} ({:.1} s)", self.title, self.started.elapsed().as_secs_f32());
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::{excerpt, stream};

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn shows_the_message_of_the_linker() {
        let output = "error: linking with `link-program` failed: exit status: 1\n  |\n  = note:  \"link-program\" \"--export-symbols\" ...\n  \
                      = note: some arguments are omitted\n          Error: Symbol memset is missing.\n\n          Stack backtrace:\n             0: main";
        assert_eq!(excerpt(&lines(output)), "Error: Symbol memset is missing.");
    }

    #[test]
    fn a_step_does_not_inherit_the_variables_of_this_package() -> anyhow::Result<()> {
        assert!(std::env::var_os("CARGO_PKG_NAME").is_some() && std::env::var_os("CARGO_MANIFEST_DIR").is_some());
        let root = std::env::temp_dir().join(format!("ionet-step-{}", std::process::id()));
        let mut heard = Vec::new();
        let (status, _) = stream(&root, "env", Command::new("env"), |line| heard.push(line.to_owned()))?;
        std::fs::remove_dir_all(&root)?;
        assert!(status.success() && heard.iter().any(|line| line.starts_with("PATH=")));
        heard.retain(|line| line.starts_with("CARGO_PKG_") || line.starts_with("CARGO_MANIFEST_"));
        assert_eq!(heard, Vec::<String>::new());
        Ok(())
    }

    #[test]
    fn shows_the_errors_of_a_compiler_or_else_the_last_lines() {
        assert_eq!(
            excerpt(&lines("   Compiling a\nerror[E0425]: no such value\n --> a.rs")),
            "error[E0425]: no such value\n --> a.rs"
        );
        assert_eq!(excerpt(&lines("one\ntwo")), "one\ntwo");
    }
}
