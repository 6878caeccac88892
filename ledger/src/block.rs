//! Blocks as validators exchange them: the events and the seal that closes them.
//!
//! What always holds: a block has one encoding, `{1: seal, 2: [events]}`, of at most 2 MiB and
//! 10,000 events, each of which was decoded strictly; the seal's count is their number.

use crate::cbor::{Reader, Writer};
use crate::event::{DecodeError, Event, MAX_EVENT_BYTES};
use crate::seal::{MAX_SEAL_BYTES, Seal};

/// The most bytes a block's encoding has.
pub const MAX_BLOCK_BYTES: usize = 2 << 20;

/// The most events a block has.
pub const MAX_BLOCK_EVENTS: usize = 10_000;

/// The most state keys that one block changes.
pub const MAX_BLOCK_CHANGES: usize = 20_000;

/// The most bytes an entry of a block has: an event, or the seal.
pub const MAX_ENTRY_BYTES: usize = if MAX_EVENT_BYTES > MAX_SEAL_BYTES {
    MAX_EVENT_BYTES
} else {
    MAX_SEAL_BYTES
};

/// What a block has around its events at most: heads and seal.
pub(crate) const BLOCK_OVERHEAD: usize = MAX_SEAL_BYTES + 32;

/// A decoded block, of which no signature or rule has been checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// The seal.
    pub seal: Seal,
    /// The events, in the order of the log.
    pub events: Vec<Event>,
}

impl Block {
    /// Reads a block.
    ///
    /// # Errors
    /// [`DecodeError`] for all but the one encoding of a block within its bounds.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let (max, found) = (MAX_BLOCK_BYTES, bytes.len());
        if found > max {
            let what = "the block";
            return Err(DecodeError::Oversize { what, max, found });
        }
        let mut reader = Reader::new(bytes);
        reader.map(2)?;
        let seal = Seal::decode(reader.key(1)?.bytes(MAX_SEAL_BYTES)?)?;
        let count = reader.key(2)?.array(0..=MAX_BLOCK_EVENTS)?;
        let mut events = Vec::with_capacity(count);
        for _ in 0..count {
            events.push(Event::decode(reader.bytes(MAX_EVENT_BYTES)?)?);
        }
        reader.finish()?;
        if u64::try_from(count) != Ok(seal.count) {
            let what = "the seal counts other than the events there are";
            return Err(DecodeError::Disagreement { what });
        }
        Ok(Self { seal, events })
    }

    /// The block's one encoding.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        encode_block(&self.seal.encode(), self.events.iter().map(Event::encoded))
    }
}

/// Encodes a block from its entries.
pub(crate) fn encode_block<'a>(
    seal: &[u8],
    events: impl ExactSizeIterator<Item = &'a [u8]> + Clone,
) -> Vec<u8> {
    let size: usize = events.clone().map(encoded_size).sum();
    let mut writer = Writer::with_capacity(size + BLOCK_OVERHEAD);
    writer.map(2).key(1).bytes(seal);
    writer.key(2).array(events.len());
    for event in events {
        writer.bytes(event);
    }
    writer.into_bytes()
}

/// Bytes that an event takes in a block: its own and a head.
pub(crate) fn encoded_size(event: &[u8]) -> usize {
    event.len() + 3
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seal::tests::sample;

    #[test]
    fn a_block_survives_its_encoding() {
        let seal = Seal {
            count: 0,
            ..sample()
        };
        let block = Block {
            seal,
            events: Vec::new(),
        };
        assert_eq!(Block::decode(&block.encode()), Ok(block));
    }

    #[test]
    fn a_seal_that_counts_wrongly_is_refused() {
        let block = Block {
            seal: sample(),
            events: Vec::new(),
        };
        let refused = Block::decode(&block.encode()).unwrap_err();
        assert!(matches!(refused, DecodeError::Disagreement { .. }));
    }

    #[test]
    fn an_oversize_block_is_refused_before_it_is_read() {
        let refused = Block::decode(&vec![0; MAX_BLOCK_BYTES + 1]).unwrap_err();
        assert!(matches!(refused, DecodeError::Oversize { .. }));
    }
}
