//! A bar on the terminal: how far the audit is, and how fast. None where nobody watches.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use medanchor_ledger::Size;

/// The bar of one audit.
pub(crate) struct Progress(ProgressBar);

impl Progress {
    pub(crate) fn new(quiet: bool, size: Size) -> Self {
        let bar = ProgressBar::new(size.0);
        // indicatif draws nothing by itself where standard error is no terminal.
        bar.set_draw_target(match quiet {
            true => ProgressDrawTarget::hidden(),
            false => ProgressDrawTarget::stderr_with_hz(8),
        });
        let template = "{msg} {wide_bar} {human_pos} of {human_len} ({per_sec}, {eta} left)";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_message("entries");
        Self(bar)
    }

    pub(crate) fn entries(&self, count: u64) {
        self.0.set_position(count);
    }

    /// From now on cosignatures are counted, of which nobody knows how many there are.
    pub(crate) fn cosignatures(&self) {
        self.0.unset_length();
        self.0.set_position(0);
        self.0.set_message("cosignatures");
        if let Ok(style) = ProgressStyle::with_template("{msg} {human_pos} ({per_sec})") {
            self.0.set_style(style);
        }
    }

    pub(crate) fn count(&self, count: u64) {
        self.0.set_position(count);
    }

    pub(crate) fn finish(&self) {
        self.0.finish_and_clear();
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
