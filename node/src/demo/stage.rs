//! What the demo is doing now: a bar where somebody watches, plain lines elsewhere.
//!
//! What always holds: a stage is named before it begins, and what came of it stands behind it with
//! the time it took; nothing is drawn where standard error is no terminal.

use crate::output::{PrintError, say};
use indicatif::{ProgressBar, ProgressStyle};
use std::fmt::Display;
use std::time::{Duration, Instant};

const TICK: Duration = Duration::from_millis(120);
const COUNTED: &str = "  {spinner} {msg} {wide_bar} {human_pos}/{human_len} {elapsed}";
const UNCOUNTED: &str = "  {spinner} {msg} {elapsed}";

/// One part of the demo, while it lasts. What is left of its bar is cleared when it is dropped.
pub struct Stage {
    what: String,
    bar: ProgressBar,
    start: Instant,
}

impl Stage {
    /// Begins a stage of so many steps; 0 if nobody knows how many.
    ///
    /// # Errors
    /// If nothing can be printed any more; so does [`Stage::end`].
    pub fn begin(what: impl Into<String>, steps: usize) -> Result<Self, PrintError> {
        let what = what.into();
        let bar = match steps {
            0 => ProgressBar::no_length(),
            steps => ProgressBar::new(steps as u64),
        };
        let template = if steps == 0 { UNCOUNTED } else { COUNTED };
        // A template that does not parse would only cost the bar its looks.
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_message(what.clone());
        if bar.is_hidden() {
            say(format_args!("· {what} ..."))?;
        } else {
            bar.enable_steady_tick(TICK);
        }
        Ok(Self {
            what,
            bar,
            start: Instant::now(),
        })
    }

    /// One step more is done.
    pub fn step(&self) {
        self.bar.inc(1);
    }

    /// So many steps are done.
    pub fn reach(&self, steps: u64) {
        self.bar.set_position(steps);
        if self.bar.length().is_none() {
            self.bar.set_message(format!("{}: {steps}", self.what));
        }
    }

    /// Ends the stage, says what came of it, and gives the time that it took.
    pub fn end(self, outcome: impl Display) -> Result<Duration, PrintError> {
        let took = self.start.elapsed();
        let seconds = took.as_secs_f64();
        self.bar.finish_and_clear();
        if self.bar.is_hidden() {
            say(format_args!("  {outcome} ({seconds:.1} s)"))?;
        } else {
            say(format_args!("✓ {}: {outcome} ({seconds:.1} s)", self.what))?;
        }
        Ok(took)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
