//! What an owner and a custodian answer with.
//!
//! What always holds: whoever calls these has judged the access first; the answers are signed under
//! domains of their own, and the same for the same request.

use super::Standing;
use crate::identity::Identity;
use medanchor_ledger::Time;
use medanchor_ledger::signature::Signature;
use medanchor_vault::custody::{Custodied, Refusal, SealingKey, Signed};
use medanchor_vault::seal::MAX_SEALED_STREAM;
use medanchor_vault::{PartError, RecordVersion, StoredPayload};

impl Identity {
    /// The time by this identity's clock.
    #[must_use]
    pub fn now(&self) -> Time {
        self.context().now()
    }

    /// Signs a custody message, which begins with its own domain.
    #[must_use]
    pub fn sign_for_custody(&self, message: &[u8]) -> Signature {
        self.sign_bytes(message)
    }

    /// The vault's part of the key of the record that an access is about, sealed to the reader.
    ///
    /// # Errors
    /// [`PartError`].
    pub fn release_part(
        &self,
        standing: &Standing,
        reader: &SealingKey,
    ) -> Result<Vec<u8>, PartError> {
        let record = self.custodied(standing);
        let sign = |bytes: &[u8]| self.sign_bytes(bytes);
        let released = self
            .vault()
            .release(&record, standing.event, reader, sign)?;
        Ok(released.encode())
    }

    /// A refusal of this identity's part of the key of the record that an access is about, signed. None of
    /// another owner's record, or without a code.
    #[must_use]
    pub fn refuse_part(
        &self,
        standing: &Standing,
        (reader, now): (&SealingKey, Time),
        code: &str,
    ) -> Option<Vec<u8>> {
        if standing.owner != *self.participant() {
            return None;
        }
        let says = Refusal {
            record: self.custodied(standing),
            request: standing.event,
            reader: reader.reader_key(),
            code: code.parse().ok()?,
            time: now,
        };
        Some(Signed::new(says, |bytes| self.sign_bytes(bytes)).encode())
    }

    fn custodied(&self, standing: &Standing) -> Custodied {
        Custodied {
            owner: standing.owner.clone(),
            record: RecordVersion {
                network: self.network(),
                record: standing.record,
                version: standing.state.version,
            },
        }
    }

    /// The sealed payload of the record that an access is about, to be read from its beginning.
    ///
    /// # Errors
    /// [`PartError::Vault`] when it is not there, [`PartError::Payload`] when it is longer than any.
    pub fn release_payload(&self, standing: &Standing) -> Result<StoredPayload, PartError> {
        let version = standing.state.version;
        let stored = self.vault().sealed_payload(standing.record, version)?;
        match stored.length() {
            0..=MAX_SEALED_STREAM => Ok(stored),
            _ => Err(PartError::Payload(std::io::ErrorKind::FileTooLarge.into())),
        }
    }
}
