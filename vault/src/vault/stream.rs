//! Payloads too large for memory: imaging studies, recordings, archives.

use super::custody::ToShare;
use super::under_way::Sealing;
use super::{Sealed, Vault, VaultError, said_of};
use crate::json::Document;
use crate::payloads::StoredPayload;
use crate::seal::{self, Hashing, Opening, RecordVersion, SealedStream, StreamError};
use crate::secret::DataKey;
use medanchor_ledger::{CiphertextHash, RecordHandle};
use std::io::{self, Read};
use std::path::Path;

impl Vault {
    /// Seals what `source` gives, to its end, as a payload that is not JSON, and keeps it; memory is
    /// flat in its length, which is at most [`MAX_STREAM`](crate::seal::MAX_STREAM).
    ///
    /// # Errors
    /// As [`Vault::seal`], and [`VaultError::Stream`]; nothing is kept then but the key. While this seals,
    /// whoever would seal the same version is refused ([`VaultError::UnderWay`]).
    pub fn seal_stream(
        &self,
        record: RecordHandle,
        version: u32,
        source: impl Read,
    ) -> Result<Sealed, VaultError> {
        Ok(self.stream_with_part(record, version, source)?.sealed)
    }

    /// [`Vault::seal_to_share`] of what `source` gives, to its end, sealed as [`Vault::seal_stream`] does.
    ///
    /// # Errors
    /// As [`Vault::seal_to_share`] and [`Vault::seal_stream`].
    pub fn seal_stream_to_share(
        &self,
        record: RecordHandle,
        version: u32,
        source: impl Read,
    ) -> Result<ToShare, VaultError> {
        let one = self.stream_with_part(record, version, source)?;
        self.wrap_for_emergency(std::slice::from_ref(&one))?;
        Ok(one)
    }

    fn stream_with_part(
        &self,
        record: RecordHandle,
        version: u32,
        source: impl Read,
    ) -> Result<ToShare, VaultError> {
        let record = self.version_to_seal(record, version)?;
        let _turn = self.under_way.turn(&[record], Sealing::Stream)?;
        // One record gives one pair of parts.
        let parts = self.key_parts_or_new(&[record])?.pop();
        let (part, vault) = parts.ok_or(VaultError::NoKey { record })?;
        let key = DataKey::derive(&part, &vault, &record);
        let stream = match self.payloads.reader(&record) {
            Ok(stored) => {
                let same = same_stream(&record, &key, stored, source)?;
                self.payloads.sync(&record)?;
                same
            }
            Err(error) if error.is_missing() => self.payloads.put_stream(&record, |target| {
                Ok::<_, VaultError>(seal::seal_stream(&record, &key, source, target)?)
            })?,
            Err(error) => return Err(error.into()),
        };
        let document = Document::opaque_of(stream.payload);
        let sealed = said_of(record, &document, stream.ciphertext, &vault, &key);
        Ok(ToShare { sealed, part })
    }

    /// Opens a record into a new file, which has its name only once the whole payload has
    /// authenticated; gives its length.
    ///
    /// # Errors
    /// As [`Vault::open_record`], and [`VaultError::Stream`]; nothing of the payload is left then.
    pub fn open_to_file(
        &self,
        record: RecordHandle,
        version: u32,
        path: &Path,
    ) -> Result<u64, VaultError> {
        let record = self.version(record, version);
        let key = self.data_key(&record)?;
        let stored = self.payloads.reader(&record)?;
        Ok(seal::open_to_file(&record, &key, stored, path)?)
    }

    /// Opens a record chunk by chunk: see [`Opening::chunk`] for what a chunk says and what only the
    /// end does.
    ///
    /// # Errors
    /// As [`Vault::open_record`].
    pub fn opening(
        &self,
        record: RecordHandle,
        version: u32,
    ) -> Result<Opening<StoredPayload>, VaultError> {
        let record = self.version(record, version);
        let key = self.data_key(&record)?;
        Ok(Opening::new(&record, &key, self.payloads.reader(&record)?)?)
    }

    /// Refuses a record whose payload is too long for [`Vault::open_record`] and [`Vault::open_in_emergency`];
    /// neither key nor payload is read. What else is wrong with the payload, these say.
    ///
    /// # Errors
    /// [`PayloadError::TooLarge`](crate::PayloadError::TooLarge).
    pub fn check_fits_memory(&self, record: RecordHandle, version: u32) -> Result<(), VaultError> {
        let record = self.version(record, version);
        Ok(self.payloads.check_fits_memory(&record)?)
    }

    /// The sealed payload of a record as it is stored, for whoever may have it: it opens with both
    /// parts of the key only.
    ///
    /// # Errors
    /// What is wrong with the stored payload.
    pub fn sealed_payload(
        &self,
        record: RecordHandle,
        version: u32,
    ) -> Result<StoredPayload, VaultError> {
        Ok(self.payloads.reader(&self.version(record, version))?)
    }
}

/// What was sealed before, if it is what `source` gives.
fn same_stream(
    record: &RecordVersion,
    key: &DataKey,
    stored: impl Read,
    source: impl Read,
) -> Result<SealedStream, VaultError> {
    let (mut stored, mut source) = (Hashing::new(stored), Hashing::new(source));
    let mut length = 0u64;
    let mut opening = Opening::new(record, key, &mut stored)?;
    let mut room = zeroize::Zeroizing::new(Vec::new());
    let taken = || VaultError::Taken { record: *record };
    while let Some(chunk) = opening.chunk()? {
        room.resize(chunk.len(), 0);
        match source.read_exact(&mut room) {
            Ok(()) if room.as_slice() == chunk => {}
            Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => {
                return Err(StreamError::Read(error).into());
            }
            _ => return Err(taken()),
        }
        length = length.saturating_add(chunk.len() as u64);
    }
    drop(opening);
    if source.read(&mut [0]).map_err(StreamError::Read)? != 0 {
        return Err(taken());
    }
    Ok(SealedStream {
        length,
        payload: source.finish(),
        ciphertext: CiphertextHash::new(stored.finish()),
    })
}
