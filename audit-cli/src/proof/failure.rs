//! Why there is no proof, and how that is told.

use crate::fault;
use crate::output;
use crate::{EXIT_FAILED, EXIT_UNREADABLE};
use medanchor_ledger::document::{DocumentError, NotProved};
use serde::Serialize;
use std::io::Write;

/// Why there is no proof.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The file is no document of its kind.
    #[error("{0}")]
    Document(#[from] DocumentError),
    /// It proves nothing.
    #[error("nothing is proved: {0}")]
    NotProved(#[from] NotProved),
    /// It is about something else than what was asked for.
    #[error("the file is about another {0} than the one that was named")]
    Other(&'static str),
    /// The last page of a history is missing.
    #[error("the last page of the history is missing, so nothing is proved; fetch it whole")]
    Unfinished,
    /// The file changed between two readings.
    #[error("the file changed while it was read; check it again")]
    Changed,
    /// The files that say whom to trust cannot be read, or say nothing.
    #[error(transparent)]
    Trust(fault::Failure),
    /// The log is not sound, or could not be read.
    #[error("the log: {0}")]
    Log(#[from] fault::Failure),
    /// A file of the user's could not be read.
    #[error(transparent)]
    Trouble(#[from] fault::Trouble),
    /// The file to be made could not be written.
    #[error("{path} could not be written: {cause}; give another --out")]
    Write {
        /// The file.
        path: String,
        /// What the system said.
        cause: std::io::Error,
    },
}

impl Failure {
    const fn exit_code(&self) -> u8 {
        match self {
            Self::Log(fault::Failure::Trouble(_))
            | Self::Trust(fault::Failure::Trouble(_))
            | Self::Trouble(_)
            | Self::Write { .. }
            | Self::Changed => EXIT_UNREADABLE,
            _ => EXIT_FAILED,
        }
    }

    /// Prints it, and gives the exit code.
    pub(super) fn print(&self, json: bool) -> u8 {
        let code = self.exit_code();
        let verdict = match code {
            EXIT_UNREADABLE => "unreadable",
            _ => "failed",
        };
        if json {
            let answer = serde_json::json!({ "verdict": verdict, "reason": self.to_string() });
            return output::print(code, |out| print_json(out, &answer));
        }
        output::complain(self);
        code
    }
}

/// Prints a value as JSON.
pub(super) fn print_json(out: &mut impl Write, value: &impl Serialize) -> std::io::Result<()> {
    // Plain structs of texts and numbers always have a JSON form.
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    writeln!(out, "{text}")
}
