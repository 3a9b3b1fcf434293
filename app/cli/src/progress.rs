//! Progress of long work, on standard error: a spinner or bar on a terminal, plain lines elsewhere. With JSON output it is shown only on a
//! terminal.

use crate::{context::Context, output::Format};
use indicatif::{ProgressBar, ProgressStyle};
use std::{
    io::{IsTerminal, Write},
    time::Duration,
};

/// A line that shows what is being waited for.
pub struct Progress<'a> {
    context: &'a Context,
    bar: Option<ProgressBar>,
}

impl<'a> Progress<'a> {
    /// Work without a known end.
    pub fn spinner(context: &'a Context) -> Self {
        Self::with(context, ProgressBar::new_spinner(), "{spinner} {elapsed} {wide_msg}")
    }

    /// Work of `steps` steps.
    pub fn steps(context: &'a Context, steps: u64) -> Self {
        Self::with(context, ProgressBar::new(steps), "{bar:30} {pos}/{len} {wide_msg}")
    }

    fn with(context: &'a Context, bar: ProgressBar, template: &str) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self { context, bar: None };
        }
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(120));
        Self { context, bar: Some(bar) }
    }

    /// Prints a line that stays.
    pub fn say(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.println(line),
            None => self.context.note(line),
        }
    }

    /// Shows what is being waited for from now on.
    pub fn wait(&self, line: String) {
        match &self.bar {
            Some(bar) => bar.set_message(line),
            None => self.context.note(&line),
        }
    }

    /// Counts a step as done.
    pub fn step(&self) {
        if let Some(bar) = &self.bar {
            bar.inc(1);
        }
    }
}

impl Context {
    /// Prints a line to standard error. With JSON output only to a terminal, as programs expect nothing but errors there.
    pub fn note(&self, line: &str) {
        if self.settings.format == Format::Text || std::io::stderr().is_terminal() {
            // A reader that closed standard error must not stop the command.
            let _ = writeln!(std::io::stderr(), "{line}");
        }
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
