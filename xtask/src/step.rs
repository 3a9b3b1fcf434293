//! Runs a command as one step with a name, visible progress and a log.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, IsTerminal, Write, pipe};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};

/// How often a step says that it is alive where no spinner can be drawn.
const HEARTBEAT: Duration = Duration::from_secs(30);
/// Lines of the log shown when a step fails.
const TAIL: usize = 30;

/// Runs `command`, showing `title`, the elapsed time and the last line of its output. All output goes to `target/log/NAME.log`;
/// if the command fails, the error carries the end of it. Returns the output.
pub fn run(root: &Path, name: &str, title: &str, mut command: Command) -> Result<String> {
    let folder = root.join("target/log");
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let path = folder.join(format!("{name}.log"));
    let mut log = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    writeln!(log, "{command:?}")?;

    let (reader, writer) = pipe()?;
    command.stdout(writer.try_clone()?).stderr(writer);
    let mut child = command
        .spawn()
        .with_context(|| format!("{title}: cannot start {:?}", command.get_program()))?;
    // Its ends of the pipe have to close for ours to reach the end.
    drop(command);

    let mut progress = Progress::start(title);
    let mut output = String::new();
    for line in BufReader::new(reader).split(b'\n') {
        let line = String::from_utf8_lossy(&line?).into_owned();
        writeln!(log, "{line}")?;
        progress.line(&line);
        output.push_str(&line);
        output.push('\n');
    }
    let status = child.wait()?;
    if status.success() {
        progress.succeed();
        return Ok(output);
    }
    progress.fail();
    bail!(
        "{title} failed ({status}).\n\n{}\n\nThe whole log is in {}",
        excerpt(&output),
        path.display()
    )
}

/// What to show of a failed step: what the linker said where it was the linker, else the end.
fn excerpt(output: &str) -> String {
    let lines: Vec<&str> = output.lines().collect();
    let linker = lines.iter().position(|line| line.contains("error: linking with"));
    let said: Vec<&str> = match linker {
        // The command line is pages long, the backtrace is the linker's own: neither is about the program.
        Some(start) => lines
            .iter()
            .skip(start + 1)
            .map(|line| line.trim())
            .filter(|line| !line.contains("solana-compiler-builtins") && !line.contains("--export-symbols"))
            .skip_while(|line| !line.contains("rror"))
            .take_while(|line| !line.starts_with("Stack backtrace") && !line.starts_with("warning:"))
            .filter(|line| !line.is_empty())
            .take(TAIL)
            .collect(),
        None => Vec::new(),
    };
    if said.is_empty() {
        lines
            .iter()
            .skip(lines.len().saturating_sub(TAIL))
            .copied()
            .collect::<Vec<_>>()
            .join("\n")
    } else {
        said.join("\n")
    }
}

/// A spinner on a terminal, plain lines elsewhere.
struct Progress {
    title: String,
    started: Instant,
    spinner: Option<ProgressBar>,
    spoke: Instant,
}

impl Progress {
    fn start(title: &str) -> Self {
        let spinner = std::io::stderr().is_terminal().then(|| {
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
            spinner,
            spoke: Instant::now(),
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

    fn succeed(self) {
        self.finish("✓");
    }

    fn fail(self) {
        self.finish("✗");
    }

    fn finish(self, mark: &str) {
        if let Some(bar) = &self.spinner {
            bar.finish_and_clear();
        }
        eprintln!("{mark} {} ({:.1} s)", self.title, self.started.elapsed().as_secs_f32());
    }
}
