//! Why bytes are no event.

use crate::cbor::CborError;

/// Bytes that are no event, block, seal or genesis in its one encoding.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// More bytes than the format allows.
    #[error("{what} has {found} bytes; send at most {max}")]
    Oversize {
        /// What was being read.
        what: &'static str,
        /// The most bytes that are allowed.
        max: usize,
        /// Bytes that came.
        found: usize,
    },
    /// The bytes are not the deterministic CBOR that the format asks for.
    #[error(transparent)]
    Cbor(#[from] CborError),
    /// The unprotected header holds something, which no signature would cover.
    #[error("the unprotected header is not empty; put nothing in it")]
    UnprotectedHeader,
    /// The signature algorithm is not one that this version knows.
    #[error("signature algorithm {found} is unknown; sign with Ed25519 (-19)")]
    Algorithm {
        /// The COSE algorithm id that came.
        found: i64,
    },
    /// The event's type is not one that this version knows.
    #[error("event type 0x{code:04x} is unknown; install a release that knows it")]
    EventType {
        /// The code that came.
        code: u64,
    },
    /// The header's subject is not what the payload is about.
    #[error("the header's subject does not name what the payload is about; make them agree")]
    Subject,
    /// A suite byte that this version does not know.
    #[error("{what} has unknown suite {suite}; use suite 1")]
    Suite {
        /// The type that carries the suite.
        what: &'static str,
        /// The byte that came.
        suite: u8,
    },
    /// A key of verifiable random outputs of a suite that this version does not know.
    #[error(
        "a key of random outputs has unknown suite {suite}; use suite 3 (ECVRF-EDWARDS25519-SHA512-TAI)"
    )]
    VrfSuite {
        /// The byte that came.
        suite: u8,
    },
    /// A key that no signature can be trusted under, or of an unknown algorithm.
    #[error("{what} is not an acceptable public key: canonical, torsion-free, not of small order")]
    Key {
        /// Whose key it is.
        what: &'static str,
    },
    /// Two parts that must agree do not.
    #[error("{what}; make the parts agree")]
    Disagreement {
        /// What does not hold.
        what: &'static str,
    },
}

/// Values that cannot be put into an event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// A list is empty or too long.
    #[error("the list has {found} items; give 1 to {max}")]
    Count {
        /// The most items that are allowed.
        max: usize,
        /// Items that came, without repeats.
        found: usize,
    },
    /// All fractions are zero.
    #[error("nothing is handed out; give at least one fraction above zero")]
    Nothing,
    /// A custodian stands in a set twice.
    #[error("a custodian stands in the set twice; name each once")]
    CustodianTwice,
    /// An epoch of custodians of 0.
    #[error("there are no custodians of epoch 0; epochs count from 1")]
    Epoch,
    /// More signing keys than a participant has at a time.
    #[error("a participant has at most {max} signing keys, not {found}; name fewer")]
    Keys {
        /// The most keys that are allowed.
        max: usize,
        /// Keys that came.
        found: usize,
    },
    /// A key stands in a list twice.
    #[error("a key stands in the list twice; name each once")]
    KeyTwice,
    /// A change of keys of number 0.
    #[error("there is no change 0 of a participant's keys; changes count from 1")]
    Number,
    /// A point of a sharing that is none.
    #[error("a point is zero or no Ristretto point in its one encoding; deal the shares again")]
    Points,
    /// An erasure that leaves the record readable, or an unknown part of a record.
    #[error(
        "an erasure destroys the vault part or the custodians' shares, and nothing beyond those, emergency wrap and payload; destroy one of the two"
    )]
    NotErased,
    /// The event is longer than 4 KiB.
    #[error("the event has {found} bytes without its signature; shorten its lists to fit {max}")]
    Oversize {
        /// The most bytes that are allowed.
        max: usize,
        /// Bytes that it would have.
        found: usize,
    },
}
