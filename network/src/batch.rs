//! Events in one message: a length before each.
//!
//! What always holds: a batch has at most [`MAX_EVENT_BATCH`] events of at most
//! [`MAX_EVENT_BYTES`], none empty; reading copies nothing.

use crate::bytes::{Malformed, Reader};
use crate::limits::{MAX_EVENT_BATCH, MAX_EVENT_BATCH_BYTES, MAX_EVENT_BYTES};
use ::bytes::{BufMut, Bytes, BytesMut};

/// The messages that carry `events`, in order. Events that no peer would accept are left out.
pub fn encode(events: &[Bytes]) -> Vec<Bytes> {
    let mut messages = Vec::new();
    let (mut message, mut count) = (BytesMut::new(), 0);
    for event in events
        .iter()
        .filter(|event| (1..=MAX_EVENT_BYTES).contains(&event.len()))
    {
        if message.len() + 4 + event.len() > MAX_EVENT_BATCH_BYTES || count == MAX_EVENT_BATCH {
            messages.push(message.split().freeze());
            count = 0;
        }
        // At most MAX_EVENT_BYTES.
        message.put_u32(u32::try_from(event.len()).unwrap_or(u32::MAX));
        message.put_slice(event);
        count += 1;
    }
    if !message.is_empty() {
        messages.push(message.freeze());
    }
    messages
}

/// The events of a message.
///
/// # Errors
/// [`Malformed`] if it is not what [`encode`] writes.
pub fn decode(message: &Bytes) -> Result<Vec<Bytes>, Malformed> {
    let mut events = Vec::new();
    let mut reader = Reader::new(message, "batch of events");
    while !reader.is_empty() {
        let length = reader.length(MAX_EVENT_BYTES)?;
        if length == 0 || events.len() == MAX_EVENT_BATCH {
            return Err(reader.malformed());
        }
        events.push(message.slice_ref(reader.take(length)?));
    }
    if events.is_empty() {
        Err(reader.malformed())
    } else {
        Ok(events)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_batches_are_split_and_come_back_in_order() {
        let events: Vec<_> = (0..10_000u32)
            .map(|n| Bytes::from(n.to_be_bytes().repeat(1 + n as usize % 70)))
            .collect();
        let messages = encode(&events);
        assert!(messages.len() > 3 && messages.iter().all(|m| m.len() <= MAX_EVENT_BATCH_BYTES));
        let back: Vec<_> = messages.iter().flat_map(|m| decode(m).unwrap()).collect();
        assert_eq!(back, events);
    }

    #[test]
    fn what_no_peer_would_accept_is_not_sent() {
        assert!(encode(&[Bytes::new(), Bytes::from(vec![0; MAX_EVENT_BYTES + 1])]).is_empty());
    }

    #[test]
    fn a_batch_is_read_strictly() {
        let message = encode(&[Bytes::from_static(b"event")]).remove(0);
        assert!((0..message.len()).all(|cut| decode(&message.slice(..cut)).is_err()));
        assert!(
            decode(&Bytes::from_static(&[0; 4])).is_err(),
            "an empty event"
        );
        assert!(decode(&Bytes::from_static(&[255; 4])).is_err());
    }
}
