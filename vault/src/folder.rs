//! Sealed payloads in a local folder, one file for each version of a record, or many in one pack.
//!
//! What always holds: a file under its final name is whole and on disk; to store the same bytes twice
//! is to store them once; a stored payload is never replaced by another.
//!
//! `FOLDER/<first 2 hex digits>/<record in hex>-<version>.sealed`; `FOLDER/packs/` holds what was sealed
//! together; `FOLDER/aside/` holds what is being written and is emptied when the folder is opened.

use crate::disk::{sync_folder, sync_parent};
use crate::pack::{self, Packs};
use crate::payloads::{PayloadError, StoredPayload};
use crate::seal::{MAX_SEALED, RecordVersion};
use crate::secret::random;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Take, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

pub(crate) fn io_at(path: &Path) -> impl FnOnce(io::Error) -> PayloadError {
    |source| PayloadError::Io {
        path: path.into(),
        source,
    }
}

/// A folder of sealed payloads.
pub struct Folder {
    path: PathBuf,
    packs: Mutex<Packs>,
    /// How often what was stored already was waited for.
    #[cfg(test)]
    pub(crate) syncs: crate::disk::Syncs,
}

impl Folder {
    /// Opens a folder, making it if it is not there. One process at a time: the vault holds a lock.
    ///
    /// # Errors
    /// [`PayloadError::Io`].
    pub fn open(path: &Path) -> Result<Self, PayloadError> {
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
        // What is found may be what a killed process did not wait for.
        for folder in [path, &packs] {
            sync_folder(folder).map_err(io_at(folder))?;
        }
        Ok(Self {
            path: path.into(),
            packs: Mutex::new(Packs::open(&packs)?),
            #[cfg(test)]
            syncs: crate::disk::Syncs::default(),
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
    /// [`PayloadError::Taken`] if other bytes are stored already, and [`PayloadError::Io`].
    pub fn put(&self, record: &RecordVersion, sealed: &[u8]) -> Result<(), PayloadError> {
        match self.get(record) {
            Ok(stored) if stored == sealed => return self.sync(record),
            Ok(_) => return Err(PayloadError::Taken { record: *record }),
            Err(PayloadError::Missing { .. }) => {}
            Err(other) => return Err(other),
        }
        let aside = self.write_aside(|file| file.write_all(sealed))?;
        self.place(&aside, record)
    }

    /// Waits for what is stored already: whoever stored it may have been killed before it did.
    pub(crate) fn sync(&self, record: &RecordVersion) -> Result<(), PayloadError> {
        let Some((path, file)) = self.opened(record)? else {
            return Ok(()); // a pack is written before it has its name, which the opening waits for
        };
        let sync = || {
            #[cfg(test)]
            self.syncs.next()?;
            file.sync_all()?;
            sync_parent(&path)
        };
        sync().map_err(io_at(&path))
    }

    /// Stores what `write` writes, if it succeeds, under a name where nothing is; it is on disk then.
    pub(crate) fn put_stream<T, E: From<PayloadError>>(
        &self,
        record: &RecordVersion,
        write: impl FnOnce(&mut dyn Write) -> Result<T, E>,
    ) -> Result<T, E> {
        let (path, mut file) = self.new_aside()?;
        let written = write(&mut file).and_then(|answer| {
            file.sync_all().map_err(io_at(&path))?;
            self.place(&path, record)?;
            Ok(answer)
        });
        if written.is_err() {
            // The next opening of the folder removes it if this fails.
            let _ = fs::remove_file(&path);
        }
        written
    }

    /// Gives a file that was written aside its name, if nothing has that.
    fn place(&self, aside: &Path, record: &RecordVersion) -> Result<(), PayloadError> {
        let target = self.file(record);
        let shelf = target.parent().unwrap_or(&self.path);
        if !shelf.exists() {
            fs::create_dir_all(shelf)
                .and_then(|()| sync_parent(shelf))
                .map_err(io_at(shelf))?;
        }
        match name_new(aside, &target) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(PayloadError::Taken { record: *record })
            }
            named => named
                .and_then(|()| sync_parent(&target))
                .map_err(io_at(&target)),
        }
    }

    /// Stores sealed payloads of which none is stored yet, with two syncs however many they are; all
    /// are on disk when this returns, and none is there if it fails.
    ///
    /// # Errors
    /// [`PayloadError::Io`].
    pub(crate) fn put_new(
        &self,
        payloads: &[(RecordVersion, Vec<u8>)],
    ) -> Result<(), PayloadError> {
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
    ) -> Result<PathBuf, PayloadError> {
        let (path, mut file) = self.new_aside()?;
        write(&mut file)
            .and_then(|()| file.sync_all())
            .map_err(io_at(&path))?;
        Ok(path)
    }

    fn new_aside(&self) -> Result<(PathBuf, File), PayloadError> {
        let path = self.path.join("aside").join(hex::encode(random::<16>()?));
        let mut options = OpenOptions::new();
        let file = options.write(true).create_new(true).open(&path);
        let file = file.map_err(io_at(&path))?;
        Ok((path, file))
    }

    /// The file of a record's version; none if it stands in a pack, or nowhere.
    fn opened(&self, record: &RecordVersion) -> Result<Option<(PathBuf, File)>, PayloadError> {
        let path = self.file(record);
        match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Ok(file) => Ok(Some((path, file))),
            Err(error) => Err(io_at(&path)(error)),
        }
    }

    fn packed(&self, record: &RecordVersion) -> Result<Take<File>, PayloadError> {
        let packed = self.packs().reader(record)?;
        packed.ok_or(PayloadError::Missing { record: *record })
    }

    /// Whether the payload of a record's version is there.
    pub(crate) fn has(&self, record: &RecordVersion) -> Result<bool, PayloadError> {
        Ok(self.opened(record)?.is_some() || self.packs().has(record))
    }

    /// The sealed payload of a record's version, from its beginning.
    pub(crate) fn reader(&self, record: &RecordVersion) -> Result<StoredPayload, PayloadError> {
        let Some((path, file)) = self.opened(record)? else {
            let packed = self.packed(record)?;
            return Ok(StoredPayload::new(packed.limit(), packed));
        };
        let length = file.metadata().map_err(io_at(&path))?.len();
        Ok(StoredPayload::new(length, file))
    }

    /// The sealed payload of a record's version.
    ///
    /// # Errors
    /// [`PayloadError::Missing`], [`PayloadError::TooLarge`], [`PayloadError::Io`].
    pub fn get(&self, record: &RecordVersion) -> Result<Vec<u8>, PayloadError> {
        let stored = self.reader(record)?;
        let length = usize::try_from(stored.length()).unwrap_or(usize::MAX);
        if length > MAX_SEALED {
            return Err(PayloadError::TooLarge { record: *record });
        }
        let mut sealed = Vec::with_capacity(length);
        stored
            .take(MAX_SEALED as u64)
            .read_to_end(&mut sealed)
            .map_err(io_at(&self.file(record)))?;
        Ok(sealed)
    }

    /// Removes a payload; removing what is not there is no error.
    ///
    /// # Errors
    /// [`PayloadError::Io`].
    pub fn remove(&self, record: &RecordVersion) -> Result<(), PayloadError> {
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

/// Moves a file to a name, unless there is anything of that name.
fn name_new(from: &Path, to: &Path) -> io::Result<()> {
    match fs::hard_link(from, to) {
        // What is left under the first name, the next opening of the folder removes.
        Ok(()) => {
            let _ = fs::remove_file(from);
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
        // A file system without such links: one call at a time writes a version.
        Err(_) if to.exists() => Err(io::ErrorKind::AlreadyExists.into()),
        Err(_) => fs::rename(from, to),
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
            Err(PayloadError::Taken { .. })
        ));
        assert_eq!(folder.get(&record(1)).unwrap(), b"sealed");
        assert!(matches!(
            folder.get(&record(2)),
            Err(PayloadError::Missing { .. })
        ));
        folder.remove(&record(1)).unwrap();
        folder.remove(&record(1)).unwrap();
        assert!(matches!(
            folder.get(&record(1)),
            Err(PayloadError::Missing { .. })
        ));
    }

    /// Whoever was slower renamed its file over the other's.
    #[test]
    fn of_two_streams_of_one_version_the_second_is_refused_and_leaves_nothing() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Folder::open(temporary.path()).unwrap();
        let put = |bytes: &[u8], meanwhile: &dyn Fn()| {
            folder.put_stream(&record(1), |target| {
                target.write_all(bytes).unwrap();
                meanwhile();
                Ok::<_, PayloadError>(())
            })
        };
        let slower = put(b"slower", &|| put(b"quicker", &|| ()).unwrap());
        assert!(matches!(slower, Err(PayloadError::Taken { .. })));
        assert_eq!(folder.get(&record(1)).unwrap(), b"quicker");
        let aside = fs::read_dir(temporary.path().join("aside")).unwrap();
        assert_eq!(aside.count(), 0);
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
                    Err(PayloadError::Taken { .. })
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
            assert!(matches!(
                folder.get(gone),
                Err(PayloadError::Missing { .. })
            ));
            assert_eq!(folder.get(&many(5)[4].0).unwrap(), many(5)[4].1);
        }
        let mut packs = fs::read_dir(temporary.path().join("packs")).unwrap();
        let bytes = fs::read(packs.next().unwrap().unwrap().path()).unwrap();
        let found = bytes.windows(sealed.len()).any(|window| window == sealed);
        assert!(!found);
    }

    /// Each reader had the whole payload in memory, of up to 64 MiB.
    #[test]
    fn whoever_reads_from_a_pack_reads_the_file_and_its_own_payload_alone() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Folder::open(temporary.path()).unwrap();
        folder.put_new(&many(5)).unwrap();
        let (record, sealed) = &many(5)[3];
        let [mut one, mut other] = [(); 2].map(|()| folder.reader(record).unwrap());
        assert_eq!(one.length(), sealed.len() as u64);
        let mut read = Vec::new();
        one.read_to_end(&mut read).unwrap();
        assert_eq!(read, *sealed);
        folder.remove(record).unwrap();
        read.clear();
        other.read_to_end(&mut read).unwrap();
        assert_eq!(read, vec![0; sealed.len()], "nothing was read ahead");
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
            Err(PayloadError::Missing { .. })
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
            assert!(matches!(refused, Some(PayloadError::Pack { .. })));
        }
    }
}
