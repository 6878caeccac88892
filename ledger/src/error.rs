//! Errors that every module of the ledger shares.

use std::error::Error;

/// Text or bytes that are not the value they should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseError {
    /// A fixed-size value came in another size.
    #[error("{what} is {found} bytes; give exactly {expected}")]
    Length {
        /// The type that was wanted.
        what: &'static str,
        /// Bytes it has.
        expected: usize,
        /// Bytes that came.
        found: usize,
    },
    /// Text that is not lower-case hexadecimal of the right length.
    #[error("{what} is not lower-case hexadecimal; give exactly {digits} digits of 0-9 and a-f")]
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

/// Stored data could not be read. Never a verdict on a block: whoever sees it stops and repairs.
#[derive(Debug, thiserror::Error)]
#[error("stored data could not be read: {0}")]
pub struct ReadFailed(#[source] pub Box<dyn Error + Send + Sync>);
