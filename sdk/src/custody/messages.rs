//! Several custody messages in one body, answer or file: a CBOR array of byte strings, one a message.

use medanchor_ledger::cbor::{Reader, Writer};
use medanchor_vault::custody::signed::MAX_MESSAGE;
use medanchor_vault::custody::{Body, MAX_MEMBERS, MessageError, Signed};

/// The most messages: one of each member to each.
const MAX: usize = MAX_MEMBERS * MAX_MEMBERS;

/// The messages' one encoding.
#[must_use]
pub fn write_messages<T: Body>(messages: &[Signed<T>]) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.array(messages.len());
    for message in messages {
        writer.bytes(&message.encode());
    }
    writer.into_bytes()
}

/// Reads what [`write_messages`] gives of 1 to 256 messages, and nothing else. Signatures are not judged.
///
/// # Errors
/// [`MessageError`].
pub fn read_messages<T: Body>(bytes: &[u8]) -> Result<Vec<Signed<T>>, MessageError> {
    let mut reader = Reader::new(bytes);
    let count = reader.array(1..=MAX)?;
    let mut messages = Vec::with_capacity(count);
    for _ in 0..count {
        messages.push(Signed::decode(reader.bytes(MAX_MESSAGE)?)?);
    }
    reader.finish()?;
    Ok(messages)
}
