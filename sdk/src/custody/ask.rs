//! The request for a part of a record's key: which access, and the key to seal the part to.
//!
//! Deterministic CBOR, the body of a [`crate::direct::Statement`] that asks for a release:
//!
//! | key | value |
//! |---|---|
//! | 1 | 1 = `access.request`, 2 = `access.break-glass` |
//! | 2 | the request's handle, among those of whoever asks (16 bytes) |
//! | 3 | suite of the reader's key: 1 = X25519, 2 = X-Wing |
//! | 4 | the reader's public key (32 or 1,216 bytes) |

use medanchor_ledger::cbor::{CborError, CborFault, Reader, Writer};
use medanchor_ledger::event::KemSuite;
use medanchor_ledger::{ParticipantName, RequestHandle};
use medanchor_vault::custody::SealingKey;
use medanchor_vault::custody::seal::MAX_PUBLIC;

/// By which event somebody asked to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessKind {
    /// `access.request`, under a consent.
    Request,
    /// `access.break-glass`, in an emergency.
    BreakGlass,
}

/// An access that the ledger decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// By which event.
    pub kind: AccessKind,
    /// Who asked.
    pub requester: ParticipantName,
    /// The request, among the requester's.
    pub request: RequestHandle,
}

/// A request for a part of a record's key.
#[derive(Clone, Debug)]
pub struct ReleaseAsk {
    /// By which event access was decided.
    pub kind: AccessKind,
    /// The request, among those of whoever asks.
    pub request: RequestHandle,
    /// The key that the part is sealed to.
    pub reader: SealingKey,
}

impl ReleaseAsk {
    /// Its one encoding.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let kind = match self.kind {
            AccessKind::Request => 1,
            AccessKind::BreakGlass => 2,
        };
        let mut writer = Writer::with_capacity(1400);
        writer.map(4);
        writer.key(1).uint(kind);
        writer.key(2).bytes(self.request.as_bytes());
        writer.key(3).uint(suite_number(self.reader.suite()));
        writer.key(4).bytes(self.reader.as_bytes());
        writer.into_bytes()
    }

    /// Reads what [`ReleaseAsk::encode`] gives and nothing else.
    ///
    /// # Errors
    /// [`CborError`] says where it is another thing.
    pub fn decode(bytes: &[u8]) -> Result<Self, CborError> {
        let mut reader = Reader::new(bytes);
        reader.map(4)?;
        let key = reader.key(1)?;
        let value = key.fault(CborFault::Value);
        let kind = match key.uint()? {
            1 => AccessKind::Request,
            2 => AccessKind::BreakGlass,
            _ => return Err(value),
        };
        let request = RequestHandle::new(reader.key(2)?.fixed()?);
        let suite = read_suite(reader.key(3)?)?;
        let key = reader.key(4)?;
        let value = key.fault(CborFault::Value);
        let sealing = SealingKey::decode(suite, key.bytes(MAX_PUBLIC)?).map_err(|_| value)?;
        reader.finish()?;
        Ok(Self {
            kind,
            request,
            reader: sealing,
        })
    }

    /// The access that it is about, asked for by `requester`.
    #[must_use]
    pub fn access(&self, requester: &ParticipantName) -> Access {
        Access {
            kind: self.kind,
            requester: requester.clone(),
            request: self.request,
        }
    }
}

/// What a suite is called in a request.
pub(super) const fn suite_number(suite: KemSuite) -> u64 {
    match suite {
        KemSuite::XWing => 2,
        _ => 1,
    }
}

/// The suite that a request calls so.
pub(super) fn read_suite(reader: &mut Reader<'_>) -> Result<KemSuite, CborError> {
    let fault = reader.fault(CborFault::Value);
    match reader.uint()? {
        1 => Ok(KemSuite::X25519),
        2 => Ok(KemSuite::XWing),
        _ => Err(fault),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use medanchor_vault::custody::OpeningKey;

    fn asks() -> Vec<ReleaseAsk> {
        let ask = |kind, suite, fill: u8| ReleaseAsk {
            kind,
            request: RequestHandle::new([fill; 16]),
            reader: OpeningKey::decode(suite, &[fill; 32])
                .unwrap()
                .public()
                .clone(),
        };
        vec![
            ask(AccessKind::Request, KemSuite::X25519, 1),
            ask(AccessKind::BreakGlass, KemSuite::XWing, 2),
        ]
    }

    #[test]
    fn what_was_written_reads_back_and_nothing_else_does() {
        for ask in asks() {
            let bytes = ask.encode();
            let read = ReleaseAsk::decode(&bytes).unwrap();
            assert_eq!((read.kind, read.request), (ask.kind, ask.request));
            assert_eq!(read.reader.reader_key(), ask.reader.reader_key());
            assert_eq!(read.encode(), bytes);
            for length in 0..bytes.len() {
                assert!(ReleaseAsk::decode(&bytes[..length]).is_err());
            }
            assert!(ReleaseAsk::decode(&[bytes.as_slice(), &[0]].concat()).is_err());
        }
    }

    #[test]
    fn unknown_kinds_and_suites_are_refused() {
        let bytes = asks()[0].encode();
        for (at, wrong) in [(2, 3), (2, 0), (22, 0), (22, 3)] {
            let mut bad = bytes.clone();
            assert!(matches!(bad[at], 1 | 2), "byte {at}");
            bad[at] = wrong;
            assert!(ReleaseAsk::decode(&bad).is_err(), "byte {at}");
        }
    }
}
