//! Payloads too large for memory: imaging studies, recordings, archives.

use super::{Sealed, Vault, VaultError, said_of};
use crate::json::Document;
use crate::seal::{self, Opening, RecordVersion, SealedStream, StreamError};
use crate::secret::DataKey;
use medanchor_ledger::{CiphertextHash, RecordHandle};
use ring::digest::{Context, SHA256};
use std::io::{self, Read};
use std::path::Path;

impl Vault {
    /// Seals what `source` gives, to its end, as a payload that is not JSON, and keeps it; memory is
    /// flat in its length, which is at most [`MAX_STREAM`](crate::seal::MAX_STREAM).
    ///
    /// # Errors
    /// As [`Vault::seal`], and [`VaultError::Stream`]; nothing is kept then but the key.
    pub fn seal_stream(
        &self,
        record: RecordHandle,
        version: u32,
        source: impl Read,
    ) -> Result<Sealed, VaultError> {
        let record = self.version_to_seal(record, version)?;
        let parts = self.key_parts_or_new(&[record])?;
        // One record gives one pair of parts.
        let (custody, vault) = parts.first().ok_or(VaultError::NoKey { record })?;
        let key = DataKey::derive(custody, vault, &record);
        let stream = match self.payloads.reader(&record) {
            Ok(stored) => same_stream(&record, &key, stored, source)?,
            Err(error) if error.is_missing() => self.payloads.put_stream(&record, |target| {
                Ok::<_, VaultError>(seal::seal_stream(&record, &key, source, target)?)
            })?,
            Err(error) => return Err(error.into()),
        };
        let document = Document::opaque_of(stream.payload);
        Ok(said_of(record, &document, stream.ciphertext, vault, &key))
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
    ) -> Result<Opening<Box<dyn Read + Send>>, VaultError> {
        let record = self.version(record, version);
        let key = self.data_key(&record)?;
        Ok(Opening::new(&record, &key, self.payloads.reader(&record)?)?)
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
    ) -> Result<Box<dyn Read + Send>, VaultError> {
        Ok(self.payloads.reader(&self.version(record, version))?)
    }
}

/// A source that hashes what is read from it.
struct Hashing<R> {
    source: R,
    hash: Context,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(room)?;
        self.hash.update(room.get(..read).unwrap_or_default());
        Ok(read)
    }
}

fn finished(hash: Context) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(hash.finish().as_ref()); // a SHA-256 digest is 32 bytes
    bytes
}

/// What was sealed before, if it is what `source` gives.
fn same_stream(
    record: &RecordVersion,
    key: &DataKey,
    stored: impl Read,
    mut source: impl Read,
) -> Result<SealedStream, VaultError> {
    let mut stored = Hashing {
        source: stored,
        hash: Context::new(&SHA256),
    };
    let mut payload = Context::new(&SHA256);
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
        payload.update(chunk);
        length = length.saturating_add(chunk.len() as u64);
    }
    drop(opening);
    if source.read(&mut [0]).map_err(StreamError::Read)? != 0 {
        return Err(taken());
    }
    Ok(SealedStream {
        length,
        payload: finished(payload),
        ciphertext: CiphertextHash::new(finished(stored.hash)),
    })
}
