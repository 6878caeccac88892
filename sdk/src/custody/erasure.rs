//! A custodian's word that it has destroyed its shares of a record.
//!
//! `[key id, signature]`, deterministic CBOR; the signature covers `"medanchor/shares-destroyed/v1"` and
//! the map {1: network id, 2: custodian, 3: owner, 4: record}.

use crate::identity::Identity;
use medanchor_ledger::cbor::{CborError, Reader, Writer};
use medanchor_ledger::signature::{PublicKey, Signature, verify};
use medanchor_ledger::{KeyId, NetworkId, ParticipantName, RecordHandle};

const DOMAIN: &[u8] = b"medanchor/shares-destroyed/v1";

/// What a custodian says that it destroyed.
#[derive(Clone, Copy, Debug)]
pub struct SharesDestroyed<'a> {
    /// The network.
    pub network: NetworkId,
    /// Who held shares.
    pub custodian: &'a ParticipantName,
    /// Whose record.
    pub owner: &'a ParticipantName,
    /// The record.
    pub record: &'a RecordHandle,
}

impl SharesDestroyed<'_> {
    fn message(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.raw(DOMAIN).map(4);
        writer.key(1).bytes(self.network.as_bytes());
        writer.key(2).text(self.custodian.as_str());
        writer.key(3).text(self.owner.as_str());
        writer.key(4).bytes(self.record.as_bytes());
        writer.into_bytes()
    }

    /// Whether `answer` says so, signed by one of the custodian's keys.
    ///
    /// # Errors
    /// [`CborError`] when it is not even such an answer.
    pub fn is_said_by(&self, answer: &[u8], keys: &[PublicKey]) -> Result<bool, CborError> {
        let mut reader = Reader::new(answer);
        reader.array(2..=2)?;
        let id = KeyId::new(reader.fixed()?);
        let signature = Signature::new(reader.fixed()?);
        reader.finish()?;
        let message = self.message();
        let signed = |key: &&PublicKey| key.id() == id;
        let key = keys.iter().find(signed);
        Ok(key.is_some_and(|key| verify(key, &message, &signature).is_ok()))
    }
}

impl Identity {
    /// Says that this custodian has destroyed its shares of a record.
    #[must_use]
    pub fn confirm_erasure(&self, owner: &ParticipantName, record: &RecordHandle) -> Vec<u8> {
        let says = SharesDestroyed {
            network: self.network(),
            custodian: self.participant(),
            owner,
            record,
        };
        let signature = self.sign_bytes(&says.message());
        let mut writer = Writer::new();
        writer.array(2).bytes(self.public_key().id().as_bytes());
        writer.bytes(signature.as_bytes());
        writer.into_bytes()
    }
}
