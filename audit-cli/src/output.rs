//! Standard output.
//!
//! What always holds: a reader that has seen enough and closes the pipe ends the printing quietly,
//! and the exit code still says what was found.

use crate::EXIT_UNREADABLE;
use std::io::{ErrorKind, Result, StdoutLock, Write, stderr, stdout};

/// Prints by `print` and gives `code`, or that there was no way to tell what was found.
pub(crate) fn print(code: u8, print: impl FnOnce(&mut StdoutLock<'_>) -> Result<()>) -> u8 {
    let mut out = stdout().lock();
    match print(&mut out).and_then(|()| out.flush()) {
        Ok(()) => code,
        Err(error) if error.kind() == ErrorKind::BrokenPipe => code,
        Err(error) => {
            // Where standard error is closed too, the exit code alone has to say it.
            let _ = writeln!(stderr(), "standard output cannot be written: {error}");
            EXIT_UNREADABLE
        }
    }
}
