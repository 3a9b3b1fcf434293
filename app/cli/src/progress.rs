//! What goes on during long work: a moving line on a terminal, plain lines elsewhere. Always on standard error.

use indicatif::{ProgressBar, ProgressStyle};
use std::{
    io::{IsTerminal, Write},
    time::Duration,
};

/// A line that says what is being waited for.
pub struct Progress {
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Work without a known end.
    pub fn spinner() -> Self {
        Self::with(ProgressBar::new_spinner(), "{spinner} {elapsed} {wide_msg}")
    }

    /// Work of `steps` steps.
    pub fn steps(steps: u64) -> Self {
        Self::with(ProgressBar::new(steps), "{bar:30} {pos}/{len} {wide_msg}")
    }

    fn with(bar: ProgressBar, template: &str) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self { bar: None };
        }
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(120));
        Self { bar: Some(bar) }
    }

    /// Says something that stays.
    pub fn say(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.println(line),
            None => note(line),
        }
    }

    /// Says what is being waited for from now on.
    pub fn wait(&self, line: String) {
        match &self.bar {
            Some(bar) => bar.set_message(line),
            None => note(&line),
        }
    }

    /// A step is done.
    pub fn step(&self) {
        if let Some(bar) = &self.bar {
            bar.inc(1);
        }
    }
}

/// Says something on standard error.
pub fn note(line: &str) {
    // Nobody reads any more: the answer still comes.
    let _ = writeln!(std::io::stderr(), "{line}");
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
