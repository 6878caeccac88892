//! Standard output.
//!
//! What always holds: a reader that has seen enough and closes the pipe is told apart from every
//! other trouble, and never makes the program panic.

use std::fmt::Arguments;
use std::io::{ErrorKind, IsTerminal, Write, stderr, stdout};

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

/// What a page says of what must not be overlooked: such lines are red on a terminal.
const ALARMS: [&str; 5] = [
    "OVERDUE",
    "NOT REVIEWED",
    "NOT JUSTIFIED",
    "NOT COMPLETE",
    "ROLLED BACK",
];

/// Prints a page of text, its alarms red if a terminal shows it and `NO_COLOR` is not set.
///
/// # Errors
/// [`PrintError`]
pub fn say_text(page: &str) -> Result<(), PrintError> {
    let plain = !stdout().is_terminal() || std::env::var_os("NO_COLOR").is_some();
    match plain {
        true => say_bytes(page.as_bytes()),
        false => say_bytes(in_red(page).as_bytes()),
    }
}

fn in_red(page: &str) -> String {
    let alarming = |line: &str| ALARMS.iter().any(|alarm| line.contains(alarm));
    let lines = page.split_inclusive('\n').map(|line| match alarming(line) {
        true => format!("\x1b[31m{}\x1b[0m\n", line.trim_end_matches('\n')),
        false => line.to_owned(),
    });
    lines.collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_alarms_are_red_and_no_text_is_lost() {
        let page = "opened\n  glass broken, REVIEW OVERDUE since noon\nend\n";
        let red = in_red(page);
        assert_eq!(
            red,
            "opened\n\x1b[31m  glass broken, REVIEW OVERDUE since noon\x1b[0m\nend\n"
        );
    }
}
