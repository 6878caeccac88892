//! State values: how what the rules remember is written down.
//!
//! What always holds: a value starts with a shape byte, followed by a CBOR array; a shape never
//! changes, a new one gets a new byte. Values that an event made or decided hold the id of that
//! event and its place in the log, so that whoever loses to it can be shown its receipt.

use crate::cbor::{CborError, CborFault, Reader, Writer};
use crate::event::DecodeError;
use crate::state::StateKey;
use crate::{EventId, Index, ParticipantName, ReadFailed};

/// An event that is in the log: which, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Anchored {
    /// The event.
    pub event: EventId,
    /// Its place in the log.
    pub index: Index,
}

impl Anchored {
    pub(super) fn write(&self, writer: &mut Writer) {
        writer.bytes(self.event.as_bytes()).uint(self.index.0);
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            event: EventId::new(reader.fixed()?),
            index: Index(reader.uint()?),
        })
    }

    /// Writes an event as an array of two, or null for none.
    pub(super) fn write_optional(anchored: Option<&Self>, writer: &mut Writer) {
        match anchored {
            Some(anchored) => anchored.write(writer.array(2)),
            None => {
                writer.null();
            }
        }
    }

    pub(super) fn read_optional(reader: &mut Reader<'_>) -> Result<Option<Self>, DecodeError> {
        if reader.null() {
            return Ok(None);
        }
        reader.array(2..=2)?;
        Self::read(reader).map(Some)
    }
}

/// The kinds of state keys: their first byte.
pub(super) mod kind {
    pub(crate) const RULES_VERSION: u8 = 0x01;
    pub(crate) const PARTICIPANT: u8 = 0x02;
    pub(crate) const PROPOSAL: u8 = 0x03;
    pub(crate) const CUSTODIAN_SET: u8 = 0x04;
    pub(crate) const CUSTODIAN_EPOCH: u8 = 0x05;
    pub(crate) const AUTHORITIES: u8 = 0x06;
    pub(crate) const KEYS_CHANGED: u8 = 0x07;
    pub(crate) const RECORD: u8 = 0x20;
    pub(crate) const TAG: u8 = 0x21;
    pub(crate) const RELEASE_LOG: u8 = 0x22;
    pub(crate) const CONSENT: u8 = 0x30;
    pub(crate) const ACCESS: u8 = 0x40;
    pub(crate) const BREAK_GLASS: u8 = 0x41;
    pub(crate) const EMERGENCY: u8 = 0x42;
    pub(crate) const OPEN_REVIEWS: u8 = 0x43;
    pub(crate) const PRESCRIPTION: u8 = 0x50;
    pub(crate) const LOT: u8 = 0x60;
    pub(crate) const UNIT: u8 = 0x61;
    pub(crate) const DRAW_KEY: u8 = 0x80;
    pub(crate) const POPULATION: u8 = 0x81;
    pub(crate) const INSPECTION: u8 = 0x82;
    pub(crate) const RUNNING_DRAWS: u8 = 0x83;
}

/// Something that the rules remember.
pub trait StateValue: Sized {
    /// The shape byte.
    const SHAPE: u8;

    /// Writes what follows the shape byte.
    fn write(&self, writer: &mut Writer);

    /// Reads what [`StateValue::write`] gives.
    ///
    /// # Errors
    /// [`DecodeError`] for other bytes.
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError>;

    /// The value's bytes in the state.
    #[must_use]
    fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::with_capacity(128);
        writer.raw(&[Self::SHAPE]);
        self.write(&mut writer);
        writer.into_bytes()
    }

    /// Reads a value from its bytes in the state.
    ///
    /// # Errors
    /// [`DecodeError`] for other bytes.
    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let Some((&shape, rest)) = bytes.split_first() else {
            let (at, fault) = (0, CborFault::Truncated);
            return Err(CborError { at, fault }.into());
        };
        if shape != Self::SHAPE {
            return Err(DecodeError::Suite {
                what: "a state value",
                suite: shape,
            });
        }
        let mut reader = Reader::new(rest);
        let value = Self::read(&mut reader)?;
        reader.finish()?;
        Ok(value)
    }
}

/// What the state holds under `key` could not be understood: its store is damaged.
#[derive(Debug, thiserror::Error)]
#[error("the state under {key:?} is damaged ({fault}); restore it from the log")]
struct DamagedValue {
    key: StateKey,
    #[source]
    fault: DecodeError,
}

/// Decodes a value that this node stored itself.
pub(super) fn stored<T: StateValue>(key: &StateKey, bytes: &[u8]) -> Result<T, ReadFailed> {
    T::decode(bytes).map_err(|fault| {
        ReadFailed(Box::new(DamagedValue {
            key: key.clone(),
            fault,
        }))
    })
}

pub(super) fn read_name(reader: &mut Reader<'_>) -> Result<ParticipantName, DecodeError> {
    Ok(reader.parsed(ParticipantName::MAX_LENGTH)?)
}
