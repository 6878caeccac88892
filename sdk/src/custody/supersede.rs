//! A later version of a record in custody: sealed under a fresh key, dealt anew, under the tag of the first.
//!
//! What always holds: versions follow one another; the tag stays, so a later version is of the same subject
//! and its kind of data is written under the quarter in which the record was first sealed, where the
//! consents for it are; what the ledger has already is not sealed twice.

use super::circle::CircleError;
use super::seal::CustodyError;
use super::standing::Terms;
use super::standing::proved::fresh_value;
use crate::anchor::Sdk;
use crate::domain::RecordLabel;
use crate::error::SdkError;
use crate::receipt::Anchored;
use medanchor_ledger::Tag;
use medanchor_ledger::event::{Custody, EventBody, RecordCustody, RecordSeal, RecordSupersede};
use medanchor_ledger::rules::Record;
use medanchor_vault::{Custodial, Epoch, RecordVersion, Sealed, VaultError};

/// How many quarters back the quarter of a record is looked for: a hundred years.
const QUARTERS: u32 = 400;

/// What the ledger has of a version that is about to be sealed.
pub(super) enum Known {
    /// It has one of that number: an earlier try may have been cut off afterwards.
    There(Box<Record>),
    /// It is the first.
    First,
    /// It is the next, of a record that was first sealed in that quarter.
    Next(Epoch),
}

impl Sdk {
    /// What the ledger has of a record, before a version of it is sealed: one out of turn leaves nothing.
    pub(super) fn known(&self, new: &RecordLabel<'_>) -> Result<Known, CustodyError> {
        let handle = self.record_handle(new.name);
        let record = RecordVersion {
            network: self.network(),
            record: handle,
            version: new.version,
        };
        match self.vault().custodial(handle, new.version)? {
            // Only this vault seals under such a handle, and the ledger would refuse a second first version.
            Custodial::Unknown if new.version == 1 => return Ok(Known::First),
            Custodial::Unknown | Custodial::Here => {}
            Custodial::Entrusted => return Err(VaultError::Entrusted { record }.into()),
            Custodial::Erased => return Err(VaultError::Erased { record }.into()),
        }
        let key = Record::key(self.participant(), &handle);
        let found = fresh_value::<Record>(self.client(), &key, &Terms::default());
        let found = found.map_err(CircleError::from)?;
        let version = new.version;
        let newest = found.value.as_ref().map_or(0, |state| state.version);
        match found.value {
            None if version == 1 => Ok(Known::First),
            Some(state) if newest == version => Ok(Known::There(Box::new(state))),
            Some(state) if newest.checked_add(1) == Some(version) => {
                let quarter = self.quarter_of(new.subject, &state.tag)?;
                quarter.map(Known::Next).ok_or(CustodyError::OtherSubject)
            }
            _ if newest < version => Err(CustodyError::VersionAhead { newest }),
            _ => Err(CustodyError::AnchoredOtherwise),
        }
    }

    /// The receipt of the newest version, if it is this one.
    pub(super) fn anchored_alike(
        &self,
        state: &Record,
        sealed: &Sealed,
    ) -> Result<Anchored, CustodyError> {
        let event = self.client().event(&state.newest().event)?;
        let said = match event.body() {
            EventBody::RecordCustody(body) => Some((body.seal.commitment, body.seal.ciphertext)),
            EventBody::RecordSupersede(body) => Some((body.commitment, body.ciphertext)),
            _ => None,
        };
        match said == Some((sealed.commitment, sealed.ciphertext)) {
            true => Ok(self.client().receipt(&event, true)?),
            false => Err(CustodyError::AnchoredOtherwise),
        }
    }

    /// The quarter in which a subject had a tag.
    fn quarter_of(&self, subject: &str, tag: &Tag) -> Result<Option<Epoch>, SdkError> {
        let subject = self.subject_keys(subject)?.key;
        let last = Epoch::of(self.now()).0;
        let mut quarters = (last.saturating_sub(QUARTERS)..=last).rev().map(Epoch);
        Ok(quarters.find(|quarter| subject.tag(*quarter) == *tag))
    }
}

/// What is said of a version on the ledger.
pub(super) fn body(known: &Known, seal: RecordSeal, custody: Custody) -> EventBody {
    match known {
        Known::Next(_) => RecordSupersede {
            record: seal.record,
            version: seal.version,
            class: seal.class,
            commitment: seal.commitment,
            ciphertext: seal.ciphertext,
            vault_part: seal.vault_part,
            key_check: seal.key_check,
            custody: Some(custody),
        }
        .into(),
        Known::First | Known::There(_) => RecordCustody { seal, custody }.into(),
    }
}
