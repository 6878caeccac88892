//! The reader's side for a document of any length: its sealed payload is opened into a target, chunk by
//! chunk.
//!
//! What always holds: the target holds the document only once [`Gathered::open_into`] has said so, which is
//! after the last chunk has authenticated, every sealed byte was hashed, and the anchored commitment was found
//! to be to the document; memory is flat in the length of a document that was sealed as a whole. One that was
//! sealed field by field has [`MAX_DOCUMENT`] bytes at most, and is read again to be committed to. Whatever is
//! wrong is named as it is in memory.

use super::reader::{Gathered, ReadError, Wanted};
use crate::commitment::Committed;
use crate::json::{Document, MAX_DOCUMENT};
use crate::seal::{Hashing, Opening, RecordVersion, StreamError, finished};
use crate::secret::DataKey;
use medanchor_ledger::CiphertextHash;
use ring::digest::{Context, SHA256};
use std::io::{self, Read, Seek, Write};
use zeroize::Zeroizing;

/// Why a document was not opened into a target; whatever was written is to be thrown away.
#[derive(Debug, thiserror::Error)]
pub enum IntoError {
    /// Something is not as its owner anchored it.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The source could not be read, the target could not be written, or the document is too long.
    #[error(transparent)]
    Stream(#[from] StreamError),
}

/// A document that was opened, and not held against its commitment yet.
struct Poured {
    length: u64,
    hash: [u8; 32],
}

impl Gathered {
    /// Opens what `sealed` gives, to its end, into an empty target; gives the document's length.
    ///
    /// # Errors
    /// [`IntoError`]: [`ReadError::Ciphertext`], [`ReadError::Open`] and [`ReadError::Commitment`] as
    /// [`Gathered::open`] says them, and [`StreamError`].
    pub fn open_into(
        &self,
        wanted: &Wanted,
        sealed: impl Read,
        target: &mut (impl Read + Write + Seek),
    ) -> Result<u64, IntoError> {
        let owner = || wanted.record.owner.clone();
        let mut sealed = Hashing::new(sealed);
        let poured = match pour(&wanted.record.record, &self.key, &mut sealed, target) {
            Err(StreamError::Open(error)) => {
                // Whether the owner sealed it so, or gave other bytes, is seen at their end.
                io::copy(&mut sealed, &mut io::sink()).map_err(StreamError::Read)?;
                Err(error)
            }
            poured => Ok(poured?),
        };
        if CiphertextHash::new(sealed.finish()) != wanted.ciphertext {
            return Err(ReadError::Ciphertext { owner: owner() }.into());
        }
        let poured = poured.map_err(ReadError::Open)?;
        match self.is_committed_to(wanted, &poured, target)? {
            true => Ok(poured.length),
            false => Err(ReadError::Commitment { owner: owner() }.into()),
        }
    }

    /// Whether the anchored commitment is to the document, as a whole or field by field.
    fn is_committed_to(
        &self,
        wanted: &Wanted,
        poured: &Poured,
        target: &mut (impl Read + Seek),
    ) -> Result<bool, StreamError> {
        let secret = self.key.record_secret();
        let is = |document: &Document| {
            Committed::new(document, &secret).commitment() == wanted.commitment
        };
        if is(&Document::opaque_of(poured.hash)) {
            return Ok(true);
        }
        let length = usize::try_from(poured.length).unwrap_or(usize::MAX);
        if length > MAX_DOCUMENT {
            return Ok(false);
        }
        let mut payload = Zeroizing::new(Vec::with_capacity(length));
        target.rewind().map_err(StreamError::Write)?;
        let mut whole = target.take(poured.length);
        whole
            .read_to_end(&mut payload)
            .map_err(StreamError::Write)?;
        Ok(Document::parse(&payload).is_ok_and(|document| is(&document)))
    }
}

fn pour(
    record: &RecordVersion,
    key: &DataKey,
    sealed: impl Read,
    target: &mut impl Write,
) -> Result<Poured, StreamError> {
    let mut opening = Opening::new(record, key, sealed)?;
    let (mut length, mut hash) = (0u64, Context::new(&SHA256));
    while let Some(chunk) = opening.chunk()? {
        target.write_all(chunk).map_err(StreamError::Write)?;
        hash.update(chunk);
        length = length.saturating_add(chunk.len() as u64);
    }
    let hash = finished(hash);
    Ok(Poured { length, hash })
}
