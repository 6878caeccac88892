//! Standard output.
//!
//! What always holds: a reader that has seen enough and closes the pipe is told apart from every
//! other trouble, and never makes the program panic.

use std::fmt::Arguments;
use std::io::{ErrorKind, Write, stderr, stdout};

/// Why a line could not be printed.
#[derive(Debug, thiserror::Error)]
pub enum PrintError {
    /// Nobody reads any more.
    #[error("nobody reads the output any more")]
    Closed,
    /// Something else, such as a full disk.
    #[error("standard output cannot be written: {0}")]
    Io(std::io::Error),
}

/// Prints a line.
///
/// # Errors
/// [`PrintError`]
pub fn say(line: Arguments<'_>) -> Result<(), PrintError> {
    let mut out = stdout().lock();
    said(writeln!(out, "{line}").and_then(|()| out.flush()))
}

/// Prints bytes as they are.
///
/// # Errors
/// [`PrintError`]
pub fn say_bytes(bytes: &[u8]) -> Result<(), PrintError> {
    let mut out = stdout().lock();
    said(out.write_all(bytes).and_then(|()| out.flush()))
}

fn said(printed: std::io::Result<()>) -> Result<(), PrintError> {
    printed.map_err(|error| match error.kind() {
        ErrorKind::BrokenPipe => PrintError::Closed,
        _ => PrintError::Io(error),
    })
}

/// Prints a line to standard error; if that is closed, there is nowhere left to say so.
pub fn complain(line: Arguments<'_>) {
    let _ = writeln!(stderr(), "{line}");
}
