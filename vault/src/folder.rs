//! Sealed payloads in a local folder, one file for each version of a record, or many in one pack.
//!
//! What always holds: a file under its final name is whole and on disk; to store the same bytes twice
//! is to store them once; a stored payload is never replaced by another.
//!
//! `FOLDER/<first 2 hex digits>/<record in hex>-<version>.sealed`; `FOLDER/packs/` holds what was sealed
//! together; `FOLDER/aside/` holds what is being written and is emptied when the folder is opened.

use crate::pack::{self, Packs};
use crate::seal::{MAX_SEALED, RecordVersion};
use crate::secret::{RandomFailed, random};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Why a payload was not stored, found or removed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FolderError {
    /// Another payload stands under this record and version.
    #[error("record {} version {} is stored with other content; seal the new content as the next version", record.record, record.version)]
    Taken {
        /// The record.
        record: RecordVersion,
    },
    /// Nothing stands under this record and version.
    #[error("no payload of record {} version {} is stored; restore the payload folder from a back-up", record.record, record.version)]
    Missing {
        /// The record.
        record: RecordVersion,
    },
    /// Larger than any sealed payload.
    #[error("the payload of record {} version {} is larger than any sealed payload; restore it from a back-up", record.record, record.version)]
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
    /// No random bytes.
    #[error(transparent)]
    Random(#[from] RandomFailed),
}

pub(crate) fn io_at(path: &Path) -> impl FnOnce(io::Error) -> FolderError {
    |source| FolderError::Io {
        path: path.into(),
        source,
    }
}

/// Makes the entry of `path` in its folder durable.
pub(crate) fn sync_parent(path: &Path) -> io::Result<()> {
    path.parent()
        .map_or(Ok(()), |parent| File::open(parent)?.sync_all())
}

/// A folder of sealed payloads.
pub struct Folder {
    path: PathBuf,
    packs: Mutex<Packs>,
}

impl Folder {
    /// Opens a folder, making it if it is not there. One process at a time: the vault holds a lock.
    ///
    /// # Errors
    /// [`FolderError::Io`].
    pub fn open(path: &Path) -> Result<Self, FolderError> {
        let aside = path.join("aside");
        fs::create_dir_all(&aside).map_err(io_at(&aside))?;
        for entry in fs::read_dir(&aside).map_err(io_at(&aside))? {
            let left_over = entry.map_err(io_at(&aside))?.path();
            fs::remove_file(&left_over).map_err(io_at(&left_over))?;
        }
        let packs = path.join("packs");
        if !packs.exists() {
            fs::create_dir(&packs)
                .and_then(|()| sync_parent(&packs))
                .map_err(io_at(&packs))?;
        }
        Ok(Self {
            path: path.into(),
            packs: Mutex::new(Packs::open(&packs)?),
        })
    }

    fn packs(&self) -> MutexGuard<'_, Packs> {
        // A pack is known once it is whole, so a panic elsewhere spoils nothing.
        self.packs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn file(&self, record: &RecordVersion) -> PathBuf {
        let name = record.record.to_string();
        let shelf = name.get(..2).unwrap_or_default();
        self.path
            .join(shelf)
            .join(format!("{name}-{}.sealed", record.version))
    }

    /// Stores a sealed payload; it is on disk when this returns.
    ///
    /// # Errors
    /// [`FolderError::Taken`] if other bytes are stored already, and [`FolderError::Io`].
    pub fn put(&self, record: &RecordVersion, sealed: &[u8]) -> Result<(), FolderError> {
        match self.get(record) {
            Ok(stored) if stored == sealed => return Ok(()),
            Ok(_) => return Err(FolderError::Taken { record: *record }),
            Err(FolderError::Missing { .. }) => {}
            Err(other) => return Err(other),
        }
        let aside = self.write_aside(|file| file.write_all(sealed))?;
        let target = self.file(record);
        let shelf = target.parent().unwrap_or(&self.path);
        if !shelf.exists() {
            fs::create_dir_all(shelf)
                .and_then(|()| sync_parent(shelf))
                .map_err(io_at(shelf))?;
        }
        fs::rename(&aside, &target)
            .and_then(|()| sync_parent(&target))
            .map_err(io_at(&target))
    }

    /// Stores sealed payloads of which none is stored yet, with two syncs however many they are; all
    /// are on disk when this returns, and none is there if it fails.
    ///
    /// # Errors
    /// [`FolderError::Io`].
    pub(crate) fn put_new(&self, payloads: &[(RecordVersion, Vec<u8>)]) -> Result<(), FolderError> {
        if payloads.is_empty() {
            return Ok(());
        }
        let aside = self.write_aside(|file| pack::write(file, payloads))?;
        let name = aside.file_name().unwrap_or_default();
        let target = self.path.join("packs").join(name);
        self.packs().take(&aside, target)
    }

    fn write_aside(
        &self,
        write: impl FnOnce(&mut File) -> io::Result<()>,
    ) -> Result<PathBuf, FolderError> {
        let path = self.path.join("aside").join(hex::encode(random::<16>()?));
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&path)
            .map_err(io_at(&path))?;
        write(&mut file)
            .and_then(|()| file.sync_all())
            .map_err(io_at(&path))?;
        Ok(path)
    }

    /// The sealed payload of a record's version.
    ///
    /// # Errors
    /// [`FolderError::Missing`], [`FolderError::TooLarge`], [`FolderError::Io`].
    pub fn get(&self, record: &RecordVersion) -> Result<Vec<u8>, FolderError> {
        let path = self.file(record);
        let file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let packed = self.packs().get(record)?;
                return packed.ok_or(FolderError::Missing { record: *record });
            }
            other => other.map_err(io_at(&path))?,
        };
        let mut sealed = Vec::new();
        let most = u64::try_from(MAX_SEALED)
            .unwrap_or(u64::MAX)
            .saturating_add(1);
        file.take(most)
            .read_to_end(&mut sealed)
            .map_err(io_at(&path))?;
        if sealed.len() > MAX_SEALED {
            Err(FolderError::TooLarge { record: *record })
        } else {
            Ok(sealed)
        }
    }

    /// Removes a payload; removing what is not there is no error.
    ///
    /// # Errors
    /// [`FolderError::Io`].
    pub fn remove(&self, record: &RecordVersion) -> Result<(), FolderError> {
        self.packs().remove(record)?;
        let path = self.file(record);
        match fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other
                .and_then(|()| sync_parent(&path))
                .map_err(io_at(&path)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use medanchor_ledger::{NetworkId, RecordHandle};

    fn record(version: u32) -> RecordVersion {
        RecordVersion {
            network: NetworkId::new([1; 16]),
            record: RecordHandle::new([0xab; 16]),
            version,
        }
    }

    #[test]
    fn a_payload_is_stored_once_and_never_replaced() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Folder::open(temporary.path()).unwrap();
        folder.put(&record(1), b"sealed").unwrap();
        folder.put(&record(1), b"sealed").unwrap();
        assert!(matches!(
            folder.put(&record(1), b"other"),
            Err(FolderError::Taken { .. })
        ));
        assert_eq!(folder.get(&record(1)).unwrap(), b"sealed");
        assert!(matches!(
            folder.get(&record(2)),
            Err(FolderError::Missing { .. })
        ));
        folder.remove(&record(1)).unwrap();
        folder.remove(&record(1)).unwrap();
        assert!(matches!(
            folder.get(&record(1)),
            Err(FolderError::Missing { .. })
        ));
    }

    #[test]
    fn what_a_crash_left_aside_is_removed_and_what_was_stored_stays() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Folder::open(temporary.path()).unwrap();
        folder.put(&record(1), b"sealed").unwrap();
        folder.write_aside(|file| file.write_all(b"half")).unwrap();
        let folder = Folder::open(temporary.path()).unwrap();
        assert_eq!(
            fs::read_dir(temporary.path().join("aside"))
                .unwrap()
                .count(),
            0
        );
        assert_eq!(folder.get(&record(1)).unwrap(), b"sealed");
    }

    fn many(count: u8) -> Vec<(RecordVersion, Vec<u8>)> {
        let one = |number: u8| {
            let handle = RecordHandle::new([number; 16]);
            let record = RecordVersion {
                record: handle,
                ..record(1)
            };
            (record, vec![number; usize::from(number) * 10])
        };
        (0..count).map(one).collect()
    }

    #[test]
    fn what_is_stored_together_stands_in_one_file_and_comes_back() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Folder::open(temporary.path()).unwrap();
        folder.put_new(&many(40)).unwrap();
        folder.put_new(&[]).unwrap();
        folder.put(&record(1), b"alone").unwrap();
        for _ in 0..2 {
            let folder = Folder::open(temporary.path()).unwrap();
            for (record, sealed) in many(40) {
                assert_eq!(folder.get(&record).unwrap(), sealed);
                assert!(matches!(
                    folder.put(&record, b"other"),
                    Err(FolderError::Taken { .. })
                ));
            }
            assert_eq!(folder.get(&record(1)).unwrap(), b"alone");
        }
        let packs = fs::read_dir(temporary.path().join("packs")).unwrap();
        assert_eq!(packs.count(), 1);
    }

    #[test]
    fn what_is_removed_from_a_pack_is_overwritten_and_its_neighbours_stay() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Folder::open(temporary.path()).unwrap();
        folder.put_new(&many(5)).unwrap();
        let (gone, sealed) = &many(5)[3];
        folder.remove(gone).unwrap();
        folder.remove(gone).unwrap();
        for folder in [folder, Folder::open(temporary.path()).unwrap()] {
            assert!(matches!(folder.get(gone), Err(FolderError::Missing { .. })));
            assert_eq!(folder.get(&many(5)[4].0).unwrap(), many(5)[4].1);
        }
        let mut packs = fs::read_dir(temporary.path().join("packs")).unwrap();
        let bytes = fs::read(packs.next().unwrap().unwrap().path()).unwrap();
        let found = bytes.windows(sealed.len()).any(|window| window == sealed);
        assert!(!found);
    }

    /// A power cut comes before the pack has its name, or after it is whole.
    #[test]
    fn a_pack_is_there_whole_or_not_at_all() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Folder::open(temporary.path()).unwrap();
        let whole = |file: &mut File| pack::write(file, &many(3));
        folder.write_aside(whole).unwrap();
        let folder = Folder::open(temporary.path()).unwrap();
        assert!(matches!(
            folder.get(&many(3)[1].0),
            Err(FolderError::Missing { .. })
        ));
        folder.put_new(&many(3)).unwrap();
        let mut packs = fs::read_dir(temporary.path().join("packs")).unwrap();
        let path = packs.next().unwrap().unwrap().path();
        let bytes = fs::read(&path).unwrap();
        for damaged in [
            &bytes[..bytes.len() - 1],
            &bytes[..40],
            &[0; 200],
            &[&bytes[..], b"more"].concat(),
        ] {
            fs::write(&path, damaged).unwrap();
            let refused = Folder::open(temporary.path()).err();
            assert!(matches!(refused, Some(FolderError::Pack { .. })));
        }
    }
}
