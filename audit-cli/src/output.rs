//! Standard output and standard error.
//!
//! What always holds: a reader that has seen enough and closes the pipe ends the printing quietly,
//! and the exit code still says what was found. Nothing that is printed steers a terminal or turns the
//! order of its text, whoever chose the names in it.

use crate::EXIT_UNREADABLE;
use std::fmt::Display;
use std::io::{ErrorKind, Result, StdoutLock, Write, stderr, stdout};

/// Standard output, cleaned.
pub(crate) type Out<'o> = Clean<StdoutLock<'o>>;

/// Prints by `print` and gives `code`, or that there was no way to tell what was found.
pub(crate) fn print(code: u8, print: impl FnOnce(&mut Out<'_>) -> Result<()>) -> u8 {
    let mut out = Clean(stdout().lock());
    match print(&mut out).and_then(|()| out.flush()) {
        Ok(()) => code,
        Err(error) if error.kind() == ErrorKind::BrokenPipe => code,
        Err(error) => {
            complain(&format_args!("standard output cannot be written: {error}"));
            EXIT_UNREADABLE
        }
    }
}

/// Prints a line to standard error. Where that is closed, the exit code alone has to say it.
pub(crate) fn complain(what: &dyn Display) {
    let _ = writeln!(Clean(stderr().lock()), "{what}");
}

/// Writes text on, with U+FFFD for each character that steers a terminal or turns the order of text. What
/// is no whole text in UTF-8 is written as far as it is.
pub(crate) struct Clean<W>(W);

impl<W: Write> Write for Clean<W> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        let is_plain = |byte: &u8| matches!(byte, b'\n' | b'\t' | b' '..=b'~');
        if bytes.iter().all(is_plain) {
            return self.0.write(bytes);
        }
        let text = String::from_utf8_lossy(bytes);
        let clean = |c| {
            if steers(c) {
                char::REPLACEMENT_CHARACTER
            } else {
                c
            }
        };
        let text: String = text.chars().map(clean).collect();
        self.0.write_all(text.as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<()> {
        self.0.flush()
    }
}

/// Control characters but line feed and tab, breaks of lines, and marks of direction (Unicode, UAX #9).
fn steers(c: char) -> bool {
    match c {
        '\n' | '\t' => false,
        '\u{61c}' | '\u{200e}' | '\u{200f}' => true,
        '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => true,
        _ => c.is_control(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_a_terminal_is_replaced_and_all_else_is_left() {
        let written = |text: &str| {
            let mut out = Clean(Vec::new());
            write!(out, "{text:>3}").expect("memory");
            String::from_utf8(out.0).expect("text")
        };
        let plain = "a line\n\tand \u{4e2d}\u{6587}, \u{e9}, \u{1f600}\n";
        assert_eq!(written(plain), plain);
        let marks = ["\u{61c}", "\u{200e}", "\u{202a}", "\u{202e}", "\u{2066}"];
        let controls = ["\0", "\u{7}", "\r", "\u{1b}", "\u{7f}", "\u{80}", "\u{9b}"];
        for bad in marks.iter().chain(&controls) {
            let text = format!("one {bad} two");
            assert_eq!(written(&text), "one \u{fffd} two", "{bad:?}");
        }
    }
}
