//! Splits a CBOR sequence of events (RFC 8742) without decoding them.
//!
//! What always holds: the pieces are slices of the input, in order, and together are all of it.

use bytes::Bytes;
use medanchor_ledger::cbor::{CborError, Reader};
use medanchor_ledger::event::{MAX_EVENT_BYTES, MAX_UNSIGNED_BYTES};

/// Why a sequence cannot be split.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SequenceError {
    /// An item is not a COSE_Sign1.
    #[error(
        "item {item} at byte {at} is not a COSE_Sign1: {reason}; send whole events one after the other"
    )]
    Item {
        /// Which, from 0.
        item: usize,
        /// Where it starts.
        at: usize,
        /// What is wrong.
        reason: CborError,
    },
    /// Too many items.
    #[error("the batch has more than {max} events; send several batches")]
    TooMany {
        /// How many may come.
        max: usize,
    },
    /// No item.
    #[error("the batch is empty; send at least one event")]
    Empty,
}

/// The events of a sequence, at most `max`.
///
/// # Errors
/// [`SequenceError`] names the item and where it starts.
pub fn split(sequence: &Bytes, max: usize) -> Result<Vec<Bytes>, SequenceError> {
    let mut items = Vec::new();
    let mut at = 0;
    while at < sequence.len() {
        if items.len() == max {
            return Err(SequenceError::TooMany { max });
        }
        let rest = sequence.slice(at..);
        let length = item_length(&rest).map_err(|reason| SequenceError::Item {
            item: items.len(),
            at,
            reason,
        })?;
        items.push(rest.slice(..length));
        at += length;
    }
    if items.is_empty() {
        Err(SequenceError::Empty)
    } else {
        Ok(items)
    }
}

fn item_length(bytes: &[u8]) -> Result<usize, CborError> {
    // An event is never longer, so a longer item is refused without being read.
    let window = bytes.get(..MAX_EVENT_BYTES).unwrap_or(bytes);
    let mut reader = Reader::new(window);
    reader.tag(18)?;
    reader.array(4..=4)?;
    reader.bytes(MAX_UNSIGNED_BYTES)?;
    reader.map_between(0..=0)?;
    reader.bytes(MAX_UNSIGNED_BYTES)?;
    reader.fixed::<64>()?;
    Ok(reader.position())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(fill: u8) -> Vec<u8> {
        let mut item = vec![0xd2, 0x84, 0x42, fill, fill, 0xa0, 0x41, fill, 0x58, 0x40];
        item.extend([fill; 64]);
        item
    }

    #[test]
    fn the_pieces_are_the_whole() {
        let whole = Bytes::from([item(1), item(2), item(3)].concat());
        let pieces = split(&whole, 3).expect("splits");
        assert_eq!(pieces, [item(1), item(2), item(3)]);
    }

    #[test]
    fn a_broken_item_is_named_with_its_place() {
        let mut broken = item(2);
        broken[0] = 0xd1;
        let whole = Bytes::from([item(1), broken].concat());
        let error = split(&whole, 9).expect_err("broken");
        assert!(
            matches!(
                error,
                SequenceError::Item {
                    item: 1,
                    at: 74,
                    ..
                }
            ),
            "{error}"
        );
    }

    #[test]
    fn a_cut_item_an_empty_body_and_too_many_items_are_refused() {
        let whole = Bytes::from(item(1));
        assert!(split(&whole.slice(..40), 1).is_err());
        assert_eq!(split(&Bytes::new(), 1), Err(SequenceError::Empty));
        let two = Bytes::from([item(1), item(2)].concat());
        assert_eq!(split(&two, 1), Err(SequenceError::TooMany { max: 1 }));
    }
}
