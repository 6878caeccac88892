//! Errors that every module of the ledger shares.

use std::error::Error;
use std::fmt;

/// Text or bytes that are not the value they should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseError {
    /// A fixed-size value came in another size.
    #[error("{} is {found} bytes; give exactly {expected}", Words(what))]
    Length {
        /// The type that was wanted.
        what: &'static str,
        /// Bytes it has.
        expected: usize,
        /// Bytes that came.
        found: usize,
    },
    /// Text that is not lower-case hexadecimal of the right length.
    #[error(
        "{} is not lower-case hexadecimal; give exactly {digits} digits of 0-9 and a-f",
        Words(what)
    )]
    Hex {
        /// The type that was wanted.
        what: &'static str,
        /// Digits it has.
        digits: usize,
    },
    /// A participant's name breaks the rules for names.
    #[error("not a participant name; use 1 to 40 of a-z, 0-9 and hyphens, no hyphen at either end")]
    ParticipantName,
    /// A commitment of an unknown suite.
    #[error(
        "commitment suite {suite} is unknown to this release; use suite 1, or a release that knows it"
    )]
    Suite {
        /// The suite byte.
        suite: u8,
    },
}

/// A type's name as people write it: `EventId` is an "event id".
struct Words<'n>(&'n str);

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, letter) in self.0.char_indices() {
            if at > 0 && letter.is_ascii_uppercase() {
                f.write_str(" ")?;
            }
            write!(f, "{}", letter.to_ascii_lowercase())?;
        }
        Ok(())
    }
}

/// Stored data could not be read. Never a verdict on a block: whoever sees it stops and repairs.
#[derive(Debug, thiserror::Error)]
#[error("stored data could not be read: {0}")]
pub struct ReadFailed(#[source] pub Box<dyn Error + Send + Sync>);

#[cfg(test)]
mod tests {
    use crate::EventId;

    #[test]
    fn errors_name_values_in_words() {
        let error = "12".parse::<EventId>().map_err(|error| error.to_string());
        let words = "event id is not lower-case hexadecimal; give exactly 64 digits of 0-9 and a-f";
        assert_eq!(error, Err(words.to_owned()));
        let short = EventId::try_from(&[0; 3][..]).map_err(|error| error.to_string());
        assert_eq!(
            short,
            Err("event id is 3 bytes; give exactly 32".to_owned())
        );
    }
}
