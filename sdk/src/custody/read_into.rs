//! Reading a record into a file, whatever its length.
//!
//! What always holds: the file has its name only once the document is whole, is the one that its owner
//! committed to on the ledger, and is on disk; nothing is left of one that is not. The document is never held:
//! memory is flat for one that was sealed as a stream, while one that was sealed field by field is read again from
//! the file, in memory, to be held against its commitment.

use super::answers::Answers;
use super::read::OpenedError;
use super::reading::{Reading, failed};
use crate::anchor::Sdk;
use crate::direct::{AddressBook, Certificate};
use crate::domain::NewAccess;
use crate::new_file::NewFile;
use crate::proof::Proved;
use crate::receipt::Anchored;
use medanchor_ledger::EventId;
use medanchor_ledger::document::VerifiedAccess;
use medanchor_vault::StreamError;
use medanchor_vault::custody::{IntoError, OpeningKey};

/// A record that was opened into a file, and what proves that it was rightly so.
pub struct OpenedInto {
    /// Bytes of the document.
    pub length: u64,
    /// The event that sealed it.
    pub sealed: EventId,
    /// The receipt of the request.
    pub receipt: Anchored,
    /// The decision, proved with the consent at the very height of the decision.
    pub access: Proved<VerifiedAccess>,
    /// How the custodians answered.
    pub answers: Answers,
}

/// What came of writing a document to its file.
pub(super) struct Written {
    pub(super) length: u64,
    pub(super) sealed: EventId,
    pub(super) answers: Answers,
}

impl Sdk {
    /// [`Sdk::read`] of a document of any length into a file, which has its name once the document was found
    /// right. Fields of it are shown by [`Sdk::read`] alone, and so is evidence of a payload that its owner
    /// sealed wrongly.
    ///
    /// # Errors
    /// As [`Sdk::read`], and [`OpenedError::File`]; nothing is left of the file then.
    pub fn read_into(
        &self,
        new: &NewAccess<'_>,
        file: NewFile,
        book: &AddressBook,
        own: &Certificate,
    ) -> Result<OpenedInto, OpenedError> {
        let (asked, receipt, access) = self.permitted(new)?;
        let written = self.decided(asked, new.name, book, own, |reading, key| {
            reading.write(key, file)
        })?;
        Ok(OpenedInto {
            length: written.length,
            sealed: written.sealed,
            receipt,
            access,
            answers: written.answers,
        })
    }
}

impl Reading<'_> {
    pub(super) fn write(
        &self,
        key: &OpeningKey,
        mut file: NewFile,
    ) -> Result<Written, OpenedError> {
        let keyed = self.gather(key)?;
        let payload = self.payload(&keyed)?;
        let length = match keyed.gathered.open_into(&keyed.wanted, payload, &mut file) {
            Ok(length) => length,
            Err(IntoError::Read(error)) => return Err(failed(error, keyed.answers, None)),
            Err(IntoError::Stream(StreamError::Read(error))) => return Err(keyed.broke_off(error)),
            Err(IntoError::Stream(error)) => return Err(OpenedError::File(error)),
        };
        let kept = file.finish();
        kept.map_err(|error| OpenedError::File(StreamError::Write(error)))?;
        Ok(Written {
            length,
            sealed: self.sealed(),
            answers: keyed.answers,
        })
    }
}
