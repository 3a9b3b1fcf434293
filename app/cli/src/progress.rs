//! What goes on during long work: a moving line on a terminal, plain lines elsewhere, nothing for programs. Always on standard error; where
//! that is a terminal, it is for people, whatever the answer is for.

use crate::{context::Context, output::Format};
use indicatif::{ProgressBar, ProgressStyle};
use std::{
    io::{IsTerminal, Write},
    time::Duration,
};

/// A line that says what is being waited for.
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

    /// Says something that stays.
    pub fn say(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.println(line),
            None => self.context.note(line),
        }
    }

    /// Says what is being waited for from now on.
    pub fn wait(&self, line: String) {
        match &self.bar {
            Some(bar) => bar.set_message(line),
            None => self.context.note(&line),
        }
    }

    /// A step is done.
    pub fn step(&self) {
        if let Some(bar) = &self.bar {
            bar.inc(1);
        }
    }
}

impl Context {
    /// Says something on standard error; programs, which read errors there, and from no terminal, are told nothing.
    pub fn note(&self, line: &str) {
        if self.settings.format == Format::Text || std::io::stderr().is_terminal() {
            // Nobody reads any more: the answer still comes.
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
