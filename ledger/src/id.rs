//! Names, handles and counters of the ledger, one newtype for each meaning.
//!
//! Handles are 16 bytes that say nothing about what they stand for; participants are organisations
//! and go by a public name; heights, indexes and sizes are plain counters.

use crate::ParseError;
use std::fmt;
use std::str::FromStr;

macro_rules! handle_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 16]);

        impl $name {
            /// Wraps 16 bytes.
            #[must_use]
            pub const fn new(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// The 16 bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }
        }

        impl TryFrom<&[u8]> for $name {
            type Error = ParseError;

            fn try_from(bytes: &[u8]) -> Result<Self, ParseError> {
                bytes.try_into().map(Self).map_err(|_| ParseError::Length {
                    what: stringify!($name),
                    expected: 16,
                    found: bytes.len(),
                })
            }
        }

        $crate::text::hex_text!($name, 16);
    };
}

handle_type! {
    /// The first 16 bytes of the genesis hash: which network an event is for.
    NetworkId
}
handle_type! {
    /// Random bytes that make two otherwise equal events different.
    Nonce
}
handle_type! {
    /// The first 16 bytes of SHA-256("medanchor/key/v1" || algorithm byte || public key).
    KeyId
}
handle_type! {
    /// A subject's rotating index handle (DESIGN.md section 7, Index).
    Tag
}
handle_type! {
    /// A sealed record of one participant.
    RecordHandle
}
handle_type! {
    /// A consent of one participant.
    ConsentHandle
}
handle_type! {
    /// A data class under a consent key.
    ClassHandle
}
handle_type! {
    /// A purpose of use under a consent key.
    PurposeHandle
}
handle_type! {
    /// A grantee under a key that the grantee opens when it asks for access.
    GranteeHandle
}
handle_type! {
    /// One request for access.
    RequestHandle
}
handle_type! {
    /// A value that shows whether a record's key was put together rightly.
    KeyCheck
}
handle_type! {
    /// A prescription of one issuer.
    PrescriptionHandle
}
handle_type! {
    /// A production lot of one manufacturer.
    LotHandle
}
handle_type! {
    /// A serialised unit: HMAC(lot key, scheme || full code).
    UnitHandle
}
handle_type! {
    /// A list of items of one participant, from which inspections draw.
    PopulationHandle
}
handle_type! {
    /// An inspection of one regulator.
    InspectionHandle
}
handle_type! {
    /// A change that one authority proposes.
    ProposalHandle
}

macro_rules! counter_type {
    ($(#[$doc:meta])* $name:ident, $inner:ty) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

counter_type! {
    /// A block's place in the chain; genesis is height 0.
    Height, u64
}
counter_type! {
    /// A consensus round within a height, from 0.
    Round, u32
}
counter_type! {
    /// An entry's place in the log, from 0.
    Index, u64
}
counter_type! {
    /// A number of entries: the size of a log.
    Size, u64
}
counter_type! {
    /// Milliseconds since 1970-01-01T00:00:00Z, without leap seconds.
    Time, u64
}

impl Height {
    /// The height after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl Time {
    /// This time plus `millis`, or the largest time there is.
    #[must_use]
    pub const fn plus_millis(self, millis: u64) -> Self {
        Self(self.0.saturating_add(millis))
    }
}

/// The public name of a participant: 1 to 40 of `a`–`z`, `0`–`9` and inner hyphens.
///
/// ```
/// # use medanchor_ledger::ParticipantName;
/// assert!("north-hospital".parse::<ParticipantName>().is_ok());
/// assert!("North Hospital".parse::<ParticipantName>().is_err());
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ParticipantName {
    /// The name, then zeros: no name has one, so that the order of the bytes is that of the names.
    /// Here and not behind a pointer: every event that is read has one.
    bytes: [u8; ParticipantName::MAX_LENGTH],
    length: u8,
}

impl ParticipantName {
    /// The longest name, in bytes.
    pub const MAX_LENGTH: usize = 40;

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // A name is made of ASCII, so this never fails.
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// The bytes of the name.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes
            .get(..usize::from(self.length))
            .unwrap_or_default()
    }
}

impl FromStr for ParticipantName {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let well_formed = (1..=Self::MAX_LENGTH).contains(&text.len())
            && text.bytes().all(allowed)
            && !text.starts_with('-')
            && !text.ends_with('-');
        let length = u8::try_from(text.len()).ok().filter(|_| well_formed);
        let length = length.ok_or(ParseError::ParticipantName)?;
        let mut bytes = [0; Self::MAX_LENGTH];
        let name = text.as_bytes().iter();
        bytes
            .iter_mut()
            .zip(name)
            .for_each(|(to, from)| *to = *from);
        Ok(Self { bytes, length })
    }
}

impl fmt::Display for ParticipantName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for ParticipantName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ParticipantName({self})")
    }
}
