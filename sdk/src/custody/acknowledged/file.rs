//! The file of acknowledgements, for many records at a time.
//!
//! What always holds: what was kept is on disk, however many sharings in one transaction, for a file of each
//! would cost more than all that is computed for it; what was kept of a sharing last stands for it; a damaged
//! file is an error and no end of the process.
//!
//! `FOLDER/acknowledgements.redb` has one table, from the 24 bytes of [`Sharing::encode`] to the list of
//! acknowledgements, in the order of places.

use super::Sharing;
use crate::durable;
use medanchor_ledger::RecordHandle;
use redb::{Database, ReadOnlyTable, ReadableDatabase, TableDefinition, TableError};
use std::io::{self, ErrorKind};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Memory for pages; they are rarely read.
const CACHE: usize = 1 << 20;

const TABLE: TableDefinition<'_, &[u8; 24], &[u8]> = TableDefinition::new("acknowledgements/1");

/// The file, opened when it is first needed; whoever has nothing in custody has none.
pub(crate) struct Acknowledgements {
    path: PathBuf,
    open: Mutex<Option<Database>>,
}

impl Acknowledgements {
    pub(crate) fn new(folder: &Path) -> Self {
        Self {
            path: folder.join("acknowledgements.redb"),
            open: Mutex::new(None),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Keeps the acknowledgements of each sharing, in the place of earlier ones; on disk when it returns.
    #[cfg(feature = "client")]
    pub(super) fn keep(&self, rows: &[(Sharing, Vec<u8>)]) -> io::Result<()> {
        self.with(|database| {
            let mut transaction = database.begin_write()?;
            transaction.set_two_phase_commit(true);
            transaction.set_quick_repair(true);
            {
                let mut table = transaction.open_table(TABLE)?;
                for (sharing, acknowledgements) in rows {
                    table.insert(&sharing.encode(), acknowledgements.as_slice())?;
                }
            }
            Ok(transaction.commit()?)
        })
    }

    /// The acknowledgements of a sharing.
    pub(super) fn get(&self, sharing: &Sharing) -> io::Result<Option<Vec<u8>>> {
        self.read(None, |table| {
            let row = table.get(&sharing.encode())?;
            Ok(row.map(|row| row.value().to_vec()))
        })
    }

    /// Whether there are any of a version, in whatever epoch.
    pub(super) fn has(&self, record: RecordHandle, version: u32) -> io::Result<bool> {
        let [first, last] = [0, u32::MAX].map(|epoch| {
            let sharing = Sharing {
                record,
                version,
                epoch,
            };
            sharing.encode()
        });
        self.read(false, |table| {
            let mut rows = table.range::<&[u8; 24]>(&first..=&last)?;
            Ok(rows.next().transpose()?.is_some())
        })
    }

    /// What the table says; `none` where nothing was ever kept.
    fn read<T>(
        &self,
        none: T,
        work: impl FnOnce(&ReadOnlyTable<&'static [u8; 24], &'static [u8]>) -> Result<T, redb::Error>,
    ) -> io::Result<T> {
        if !self.path.try_exists()? {
            return Ok(none);
        }
        self.with(|database| match database.begin_read()?.open_table(TABLE) {
            Err(TableError::TableDoesNotExist(_)) => Ok(none),
            table => work(&table?),
        })
    }

    fn with<T>(&self, work: impl FnOnce(&Database) -> Result<T, redb::Error>) -> io::Result<T> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        // What a disk lost is met with a panic in places.
        let worked = catch_unwind(AssertUnwindSafe(|| {
            let database = match open.take() {
                Some(database) => database,
                None => open_file(&self.path)?,
            };
            work(open.insert(database))
        }));
        worked
            .unwrap_or_else(|_| Err(redb::Error::Corrupted(String::new())))
            .map_err(|error| {
                // What the file holds is read again before anything else is said of it.
                *open = None;
                match error {
                    redb::Error::Io(error) => error,
                    redb::Error::Corrupted(_) => ErrorKind::InvalidData.into(),
                    other => io::Error::other(other),
                }
            })
    }
}

fn open_file(path: &Path) -> Result<Database, redb::Error> {
    let database = redb::Builder::new().set_cache_size(CACHE).create(path)?;
    // It may have been made just now.
    durable::sync_folder_of(path)?;
    Ok(database)
}

#[cfg(all(test, feature = "client"))]
mod tests {
    use super::*;

    fn sharing(number: u8, epoch: u32) -> Sharing {
        Sharing {
            record: RecordHandle::new([number; 16]),
            version: 1,
            epoch,
        }
    }

    #[test]
    fn what_is_kept_is_found_by_whoever_opens_the_file_next() {
        let folder = tempfile::tempdir().unwrap();
        let kept = Acknowledgements::new(folder.path());
        assert_eq!(kept.get(&sharing(1, 1)).unwrap(), None);
        assert!(!kept.path().exists(), "a question makes no file");
        let rows = (0..200).map(|number| (sharing(number, 7), vec![number; 1_500]));
        kept.keep(&rows.collect::<Vec<_>>()).unwrap();
        kept.keep(&[
            (sharing(3, 7), b"newer".to_vec()),
            (sharing(3, 8), Vec::new()),
        ])
        .unwrap();
        drop(kept);
        let kept = Acknowledgements::new(folder.path());
        for number in (0..200).filter(|number| *number != 3) {
            assert_eq!(
                kept.get(&sharing(number, 7)).unwrap(),
                Some(vec![number; 1_500])
            );
        }
        assert_eq!(kept.get(&sharing(3, 7)).unwrap(), Some(b"newer".to_vec()));
        assert_eq!(kept.get(&sharing(3, 8)).unwrap(), Some(Vec::new()));
        assert_eq!(kept.get(&sharing(3, 9)).unwrap(), None);
        let record = sharing(3, 0).record;
        assert!(kept.has(record, 1).unwrap());
        assert!(!kept.has(record, 2).unwrap());
        assert!(!kept.has(sharing(200, 0).record, 1).unwrap());
    }

    /// Care waits for nothing here, so whoever asks goes on with an error.
    #[test]
    fn a_damaged_file_is_an_error_and_is_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let kept = Acknowledgements::new(folder.path());
        kept.keep(&[(sharing(1, 1), vec![1; 1_500])]).unwrap();
        drop(kept);
        let path = folder.path().join("acknowledgements.redb");
        let good = std::fs::read(&path).unwrap();
        let text = b"this is no database, whatever its name says".repeat(200);
        for damaged in [&good[..good.len() / 2], &good[..100], &text] {
            std::fs::write(&path, damaged).unwrap();
            let kept = Acknowledgements::new(folder.path());
            assert!(kept.get(&sharing(1, 1)).is_err());
            assert!(kept.keep(&[(sharing(2, 1), Vec::new())]).is_err());
            drop(kept);
            assert!(std::fs::read(&path).unwrap() == damaged);
        }
        std::fs::write(&path, &good).unwrap();
        let kept = Acknowledgements::new(folder.path());
        assert_eq!(kept.get(&sharing(1, 1)).unwrap(), Some(vec![1; 1_500]));
    }
}
