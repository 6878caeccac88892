//! Records: seal a document, and say on the ledger that it exists.

use super::check_word;
use crate::error::SdkError;
use crate::identity::Identity;
use medanchor_ledger::RecordHandle;
use medanchor_ledger::event::{Event, RecordSeal};
use medanchor_vault::{Disclosure, Epoch, Sealed};
use zeroize::Zeroizing;

/// The domains of handles under which documents are sealed.
pub(super) const RECORD: &str = "record";
pub(super) const DISPENSING: &str = "dispense";
pub(super) const CONSENT: &str = "consent-document";

/// A document to be sealed.
#[derive(Clone, Copy)]
pub struct NewRecord<'a> {
    /// The application's own id of the document; it stays at home.
    pub name: &'a str,
    /// The document's version, from 1.
    pub version: u32,
    /// The application's own id of the patient; it stays at home.
    pub subject: &'a str,
    /// What kind of data it is, in a word that consents use too; it stays at home.
    pub class: &'a str,
    /// The document: JSON.
    pub payload: &'a [u8],
}

/// What is said of a document that is sealed: everything of a [`NewRecord`] but its bytes.
#[derive(Clone, Copy)]
pub struct RecordLabel<'a> {
    /// The application's own id of the document; it stays at home.
    pub name: &'a str,
    /// The document's version, from 1.
    pub version: u32,
    /// The application's own id of the patient; it stays at home.
    pub subject: &'a str,
    /// What kind of data it is, in a word that consents use too; it stays at home.
    pub class: &'a str,
}

impl<'a> NewRecord<'a> {
    /// What is said of the document.
    #[must_use]
    pub const fn label(&self) -> RecordLabel<'a> {
        RecordLabel {
            name: self.name,
            version: self.version,
            subject: self.subject,
            class: self.class,
        }
    }
}

/// A sealed document.
#[derive(Clone, Debug)]
pub struct SealedRecord {
    /// What the ledger calls the record.
    pub record: RecordHandle,
    /// `record.seal`, signed and to be anchored.
    pub event: Event,
}

impl Identity {
    /// What the ledger calls the record that the application calls `name`.
    #[must_use]
    pub fn record_handle(&self, name: &str) -> RecordHandle {
        RecordHandle::new(self.handle(RECORD, name))
    }

    /// Seals a document in the vault and signs the event that says so.
    ///
    /// # Errors
    /// [`SdkError`]; what the vault has kept by then, a later call finds again.
    pub fn seal_record(&self, new: &NewRecord<'_>) -> Result<SealedRecord, SdkError> {
        let record = self.record_handle(new.name);
        check_word("class", new.class)?;
        let sealed = self.vault().seal(record, new.version, new.payload)?;
        let event = self.sign(self.record_seal(&new.label(), &sealed)?)?;
        Ok(SealedRecord { record, event })
    }

    /// What is said of a document that was sealed, under the subject's tag of this quarter: by the key
    /// that the patient brought, or else by the one that the institution holds.
    pub(crate) fn record_seal(
        &self,
        new: &RecordLabel<'_>,
        sealed: &Sealed,
    ) -> Result<RecordSeal, SdkError> {
        self.record_seal_in(Epoch::of(self.context().now()), new, sealed)
    }

    /// The same under the subject's tag of a quarter.
    pub(crate) fn record_seal_in(
        &self,
        epoch: Epoch,
        new: &RecordLabel<'_>,
        sealed: &Sealed,
    ) -> Result<RecordSeal, SdkError> {
        let class = check_word("class", new.class)?;
        let subject = self.subject_keys(new.subject)?.key;
        Ok(RecordSeal {
            record: sealed.record.record,
            version: new.version,
            tag: subject.tag(epoch),
            class: subject.consent_key(epoch).class(class),
            commitment: sealed.commitment,
            ciphertext: sealed.ciphertext,
            vault_part: sealed.vault_part,
            key_check: sealed.key_check,
        })
    }

    /// Opens a document of this institution's own.
    ///
    /// # Errors
    /// [`SdkError::Vault`] says whether it was never here, was erased, or is damaged and where.
    pub fn open_record(&self, name: &str, version: u32) -> Result<Zeroizing<Vec<u8>>, SdkError> {
        Ok(self
            .vault()
            .open_record(self.record_handle(name), version)?)
    }

    /// Shows the fields at these JSON pointers of a document, provably, and withholds the rest.
    ///
    /// # Errors
    /// [`SdkError::Vault`].
    pub fn disclose(
        &self,
        name: &str,
        version: u32,
        pointers: &[&str],
    ) -> Result<Disclosure, SdkError> {
        Ok(self
            .vault()
            .disclose(self.record_handle(name), version, pointers, &[])?)
    }

    /// Seals a document that stays at home under a commitment of its own: fresh random salts, a
    /// handle of its own domain, so that nothing links it to a record of the same content.
    pub(crate) fn keep(
        &self,
        domain: &'static str,
        name: &str,
        document: &[u8],
    ) -> Result<Sealed, SdkError> {
        let record = RecordHandle::new(self.handle(domain, name));
        Ok(self.vault().seal(record, 1, document)?)
    }
}
