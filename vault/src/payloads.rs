//! Where sealed payloads are: a local folder, or a bucket of an S3-compatible service.
//!
//! What always holds, wherever they are: a payload under its name is whole; to store the same bytes
//! twice is to store them once; a stored payload is never replaced by another. A place holds nothing
//! that opens a payload.

use crate::folder::Folder;
#[cfg(feature = "objects")]
use crate::objects::Objects;
use crate::seal::{MAX_SEALED, RecordVersion};
use crate::secret::RandomFailed;
use std::io::{self, Read, Write};
use std::path::PathBuf;

/// Why a payload was not stored, found or removed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PayloadError {
    /// Another payload stands under this record and version.
    #[error("record {} version {} is stored with other content; seal the new content as the next version", record.record, record.version)]
    Taken {
        /// The record.
        record: RecordVersion,
    },
    /// Nothing stands under this record and version.
    #[error("no payload of record {} version {} is stored; restore the payloads from a back-up", record.record, record.version)]
    Missing {
        /// The record.
        record: RecordVersion,
    },
    /// Larger than what is opened in memory.
    #[error("the payload of record {} version {} is too large to be opened in memory; open it into a file", record.record, record.version)]
    TooLarge {
        /// The record.
        record: RecordVersion,
    },
    /// A pack is not what was written.
    #[error("the pack of payloads {path} is damaged; restore it from a back-up")]
    Pack {
        /// The file.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error(
        "the payload folder could not be used at {path}: {source}; check the disk and its permissions"
    )]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A payload could not be read or written on its way to another place.
    #[error(
        "the payload of record {} version {} could not be moved: {source}; try again", record.record, record.version
    )]
    Moving {
        /// The record.
        record: RecordVersion,
        /// What went wrong.
        source: io::Error,
    },
    /// What is said of the bucket cannot be used.
    #[error("the bucket cannot be used: {what}")]
    Config {
        /// What is wrong, and what to give.
        what: String,
    },
    /// The service refused.
    #[error("the object store, asked for {name}: {what}; try again")]
    Store {
        /// The object.
        name: String,
        /// What it said, in our words.
        what: &'static str,
    },
    /// Another vault's payloads are in the bucket.
    #[error(
        "another vault keeps its payloads at this place of the bucket; give each a prefix of its own"
    )]
    OtherVault,
    /// No random bytes.
    #[error(transparent)]
    Random(#[from] RandomFailed),
}

/// A sealed payload that is read from where it is kept, from its beginning.
pub struct StoredPayload {
    length: u64,
    bytes: Box<dyn Read + Send>,
}

impl StoredPayload {
    pub(crate) fn new(length: u64, bytes: impl Read + Send + 'static) -> Self {
        let bytes = Box::new(bytes);
        Self { length, bytes }
    }

    /// How many bytes there were when it was opened.
    #[must_use]
    pub const fn length(&self) -> u64 {
        self.length
    }
}

impl Read for StoredPayload {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        self.bytes.read(room)
    }
}

impl PayloadError {
    pub(crate) const fn is_missing(&self) -> bool {
        matches!(self, Self::Missing { .. })
    }
}

/// The payloads of one vault.
pub(crate) enum Payloads {
    Folder(Folder),
    #[cfg(feature = "objects")]
    Objects(Objects),
}

impl Payloads {
    /// The sealed payload of a record's version, in memory.
    pub(crate) fn get(&self, record: &RecordVersion) -> Result<Vec<u8>, PayloadError> {
        match self {
            Self::Folder(folder) => folder.get(record),
            #[cfg(feature = "objects")]
            Self::Objects(objects) => objects.get(record),
        }
    }

    /// The sealed payload of a record's version, from its beginning.
    pub(crate) fn reader(&self, record: &RecordVersion) -> Result<StoredPayload, PayloadError> {
        match self {
            Self::Folder(folder) => folder.reader(record),
            #[cfg(feature = "objects")]
            Self::Objects(objects) => {
                let reader = objects.reader(record)?;
                Ok(StoredPayload::new(reader.size(), reader))
            }
        }
    }

    /// How many bytes the sealed payload of a record's version has.
    fn length(&self, record: &RecordVersion) -> Result<u64, PayloadError> {
        match self {
            Self::Folder(folder) => Ok(folder.reader(record)?.length()),
            #[cfg(feature = "objects")]
            Self::Objects(objects) => objects.length(record),
        }
    }

    /// Refuses a payload of which it is known that it is too long to be opened in memory.
    pub(crate) fn check_fits_memory(&self, record: &RecordVersion) -> Result<(), PayloadError> {
        match self.length(record) {
            Ok(length) if length > MAX_SEALED as u64 => {
                Err(PayloadError::TooLarge { record: *record })
            }
            _ => Ok(()),
        }
    }

    /// Finds that the place is this vault's, or makes it so.
    pub(crate) fn claim(&self) -> Result<(), PayloadError> {
        match self {
            Self::Folder(_) => Ok(()),
            #[cfg(feature = "objects")]
            Self::Objects(objects) => objects.claim(),
        }
    }

    /// Whether the payload of a record's version is there.
    pub(crate) fn has(&self, record: &RecordVersion) -> Result<bool, PayloadError> {
        match self {
            Self::Folder(folder) => folder.has(record),
            #[cfg(feature = "objects")]
            Self::Objects(objects) => objects.has(record),
        }
    }

    /// Stores a sealed payload; it is there for good when this returns.
    pub(crate) fn put(&self, record: &RecordVersion, sealed: &[u8]) -> Result<(), PayloadError> {
        match self {
            Self::Folder(folder) => folder.put(record, sealed),
            #[cfg(feature = "objects")]
            Self::Objects(objects) => objects.put(record, sealed),
        }
    }

    /// Waits for a payload that was found: whoever stored it may have been killed before it did.
    pub(crate) fn sync(&self, record: &RecordVersion) -> Result<(), PayloadError> {
        match self {
            Self::Folder(folder) => folder.sync(record),
            #[cfg(feature = "objects")]
            Self::Objects(_) => Ok(()), // an object that is found is there for good
        }
    }

    /// How often what a folder had already was waited for.
    #[cfg(test)]
    pub(crate) fn syncs(&self) -> &crate::disk::Syncs {
        match self {
            Self::Folder(folder) => &folder.syncs,
            #[cfg(feature = "objects")]
            Self::Objects(_) => panic!("nothing of a bucket is waited for"),
        }
    }

    /// Stores sealed payloads of which none is stored yet.
    pub(crate) fn put_new(
        &self,
        payloads: &[(RecordVersion, Vec<u8>)],
    ) -> Result<(), PayloadError> {
        match self {
            Self::Folder(folder) => folder.put_new(payloads),
            #[cfg(feature = "objects")]
            Self::Objects(objects) => objects.put_new(payloads),
        }
    }

    /// Stores what `write` writes, if it succeeds, under a name where nothing is.
    pub(crate) fn put_stream<T, E: From<PayloadError>>(
        &self,
        record: &RecordVersion,
        write: impl FnOnce(&mut dyn Write) -> Result<T, E>,
    ) -> Result<T, E> {
        match self {
            Self::Folder(folder) => folder.put_stream(record, write),
            #[cfg(feature = "objects")]
            Self::Objects(objects) => objects.put_stream(record, write),
        }
    }

    /// Removes a payload; removing what is not there is no error.
    pub(crate) fn remove(&self, record: &RecordVersion) -> Result<(), PayloadError> {
        match self {
            Self::Folder(folder) => folder.remove(record),
            #[cfg(feature = "objects")]
            Self::Objects(objects) => objects.remove(record),
        }
    }
}
