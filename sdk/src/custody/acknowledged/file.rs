//! The file of acknowledgements, for many records at a time.
//!
//! What always holds: what was kept is on disk, however many sharings in one transaction, for a file of each
//! would cost more than all that is computed for it; what was kept of a sharing last stands for it; a damaged
//! file is an error and no end of the process. The file is not read through when it is opened, for that would
//! take minutes once it is large: what a disk altered within may be missed, or come back as it is now, which no
//! signature fits. A sharing that is anchored has acknowledgements, so none says that the back-up is needed.
//!
//! | in the folder | |
//! |---|---|
//! | `acknowledgements.redb` | one table, from the 24 bytes of [`Sharing::encode`] to the list of acknowledgements, in the order of places |
//! | `acknowledgements.redb.part` | what a crash left of it when it was made |
//! | `acknowledgements/RECORD-VERSION-EPOCH` | what earlier builds kept: taken over when the file is made, and needless then |

use super::Sharing;
use crate::durable;
use medanchor_ledger::RecordHandle;
use redb::{Database, ReadOnlyTable, ReadableDatabase, Table, TableDefinition};
use std::io::{self, ErrorKind};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Memory for pages; they are rarely read.
const CACHE: usize = 1 << 20;
/// The most bytes of a file of an earlier build.
const MAX_FORMER: u64 = 256 << 10;

const TABLE: TableDefinition<'_, &[u8; 24], &[u8]> = TableDefinition::new("acknowledgements/1");

type Rows<'t> = Table<'t, &'static [u8; 24], &'static [u8]>;

/// The file, opened when it is first needed; whoever has nothing in custody has none.
pub(crate) struct Acknowledgements {
    path: PathBuf,
    former: PathBuf,
    open: Mutex<Option<Database>>,
}

impl Acknowledgements {
    pub(crate) fn new(folder: &Path) -> Self {
        Self {
            path: folder.join("acknowledgements.redb"),
            former: folder.join("acknowledgements"),
            open: Mutex::new(None),
        }
    }

    #[cfg(feature = "client")]
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Keeps the acknowledgements of each sharing, in the place of earlier ones; on disk when it returns.
    #[cfg(feature = "client")]
    pub(super) fn keep(&self, rows: &[(Sharing, Vec<u8>)]) -> io::Result<()> {
        self.with(|database| {
            write(database, |table| {
                let mut rows = rows.iter();
                rows.try_for_each(|(sharing, list)| insert(table, sharing, list))
            })
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
        if !self.path.try_exists()? && !self.former.try_exists()? {
            return Ok(none);
        }
        self.with(|database| work(&database.begin_read()?.open_table(TABLE)?))
    }

    fn with<T>(&self, work: impl FnOnce(&Database) -> Result<T, redb::Error>) -> io::Result<T> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let worked = unless_panic(|| {
            let database = match open.take() {
                Some(database) => database,
                None => self.open()?,
            };
            work(open.insert(database))
        });
        worked.map_err(|error| {
            // It is opened again before anything else is said of it.
            close(open.take());
            said(error)
        })
    }

    fn open(&self) -> Result<Database, redb::Error> {
        let mut builder = redb::Builder::new();
        builder.set_cache_size(CACHE);
        if !self.path.try_exists()? {
            self.make(&builder)?;
        }
        // It may have had its name for less than the disk knows.
        durable::sync_folder_of(&self.path)?;
        Ok(builder.open(&self.path)?)
    }

    /// Makes the file aside, so that whoever finds it finds it whole, with what earlier builds kept.
    fn make(&self, builder: &redb::Builder) -> Result<(), redb::Error> {
        let aside = durable::aside_of(&self.path);
        durable::remove_file(&aside)?;
        let database = builder.create(&aside)?;
        write(&database, |table| {
            each_former(&self.former, |sharing, list| insert(table, &sharing, &list))
        })?;
        drop(database);
        Ok(durable::rename(&aside, &self.path)?)
    }
}

impl Drop for Acknowledgements {
    fn drop(&mut self) {
        let open = self.open.get_mut();
        close(open.unwrap_or_else(PoisonError::into_inner).take());
    }
}

/// What was kept is on disk, so nothing is lost where it cannot be closed.
fn close(database: Option<Database>) {
    let _ = unless_panic(|| {
        drop(database);
        Ok(())
    });
}

/// Writes in one transaction; it is on disk when this returns.
fn write(
    database: &Database,
    fill: impl FnOnce(&mut Rows<'_>) -> Result<(), redb::Error>,
) -> Result<(), redb::Error> {
    let mut transaction = database.begin_write()?;
    transaction.set_two_phase_commit(true);
    transaction.set_quick_repair(true);
    fill(&mut transaction.open_table(TABLE)?)?;
    Ok(transaction.commit()?)
}

fn insert(table: &mut Rows<'_>, sharing: &Sharing, list: &[u8]) -> Result<(), redb::Error> {
    table.insert(&sharing.encode(), list)?;
    Ok(())
}

/// Gives what earlier builds kept, in a file for each sharing, to `each`.
fn each_former(
    folder: &Path,
    mut each: impl FnMut(Sharing, Vec<u8>) -> Result<(), redb::Error>,
) -> Result<(), redb::Error> {
    let files = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        files => files?,
    };
    for file in files {
        let path = file?.path();
        // What has another name was never whole.
        let Some(sharing) = path.file_name().and_then(|name| sharing_of(name.to_str()?)) else {
            continue;
        };
        let list = durable::read_bounded(&path, MAX_FORMER).map_err(|error| {
            io::Error::new(error.kind(), format!("{}: {error}", path.display()))
        })?;
        list.map_or(Ok(()), |list| each(sharing, list))?;
    }
    Ok(())
}

/// The sharing that `RECORD-VERSION-EPOCH` names.
fn sharing_of(name: &str) -> Option<Sharing> {
    let mut parts = name.splitn(3, '-');
    Some(Sharing {
        record: parts.next()?.parse().ok()?,
        version: parts.next()?.parse().ok()?,
        epoch: parts.next()?.parse().ok()?,
    })
}

/// What a disk lost is met with a panic in places.
fn unless_panic<T>(work: impl FnOnce() -> Result<T, redb::Error>) -> Result<T, redb::Error> {
    let panicked = |_| Err(redb::Error::Corrupted("it cannot be read".into()));
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(panicked)
}

/// What to do about it.
fn said(error: redb::Error) -> io::Error {
    let why = match error {
        redb::Error::DatabaseAlreadyOpen => {
            let why = "another process has acknowledgements.redb open; stop that first";
            return io::Error::new(ErrorKind::ResourceBusy, why);
        }
        redb::Error::Io(error) => match error.kind() {
            ErrorKind::InvalidData | ErrorKind::UnexpectedEof => error.to_string(),
            _ => return error,
        },
        other => other.to_string(),
    };
    let what_to_do = "start again, and restore it from the back-up if that stays";
    let why = format!("acknowledgements.redb is damaged ({why}); {what_to_do}");
    io::Error::new(ErrorKind::InvalidData, why)
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

    /// One sharing in a file that was closed, and its bytes.
    fn one(folder: &Path) -> (PathBuf, Vec<u8>) {
        let kept = Acknowledgements::new(folder);
        kept.keep(&[(sharing(1, 1), vec![1; 1_500])]).unwrap();
        drop(kept);
        let path = folder.join("acknowledgements.redb");
        let bytes = std::fs::read(&path).unwrap();
        (path, bytes)
    }

    #[test]
    fn a_damaged_file_is_an_error_and_is_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let (path, good) = one(folder.path());
        let text = b"this is no database, whatever its name says".repeat(200);
        let zeros = vec![0; good.len()];
        for damaged in [&good[..good.len() / 2], &good[..100], &text, &zeros, &[]] {
            std::fs::write(&path, damaged).unwrap();
            let kept = Acknowledgements::new(folder.path());
            let refused = kept.get(&sharing(1, 1)).unwrap_err();
            assert!(refused.to_string().contains("restore it from the back-up"));
            assert!(kept.keep(&[(sharing(2, 1), Vec::new())]).is_err());
            drop(kept);
            assert!(std::fs::read(&path).unwrap() == damaged);
        }
        std::fs::write(&path, &good).unwrap();
        let kept = Acknowledgements::new(folder.path());
        assert_eq!(kept.get(&sharing(1, 1)).unwrap(), Some(vec![1; 1_500]));
    }

    /// A panic of the database's would end a service.
    #[test]
    fn no_byte_that_differs_ends_the_process() {
        let folder = tempfile::tempdir().unwrap();
        let (path, good) = one(folder.path());
        let used = good.iter().enumerate().filter(|(_, byte)| **byte != 0);
        let mut refused = 0;
        for (place, _) in used.step_by(41) {
            let mut damaged = good.clone();
            damaged[place] ^= 0x55;
            std::fs::write(&path, damaged).unwrap();
            let kept = Acknowledgements::new(folder.path());
            let [one, other] = [(); 2].map(|()| kept.get(&sharing(1, 1)));
            let more = kept.keep(&[(sharing(2, 1), Vec::new())]);
            refused += usize::from(one.is_err() || other.is_err() || more.is_err());
        }
        assert!(refused > 0);
    }

    /// The power went, or the disk was full, while it was made.
    #[test]
    fn a_file_that_was_not_made_to_its_end_is_made_again() {
        let folder = tempfile::tempdir().unwrap();
        let aside = folder.path().join("acknowledgements.redb.part");
        std::fs::write(&aside, vec![0; 1 << 20]).unwrap();
        let (_, good) = one(folder.path());
        assert!(!aside.exists());
        for torn in [&good[..], &good[..5_000]] {
            let folder = tempfile::tempdir().unwrap();
            let aside = folder.path().join("acknowledgements.redb.part");
            std::fs::write(aside, torn).unwrap();
            let kept = Acknowledgements::new(folder.path());
            assert_eq!(kept.get(&sharing(1, 1)).unwrap(), None);
            kept.keep(&[(sharing(2, 1), Vec::new())]).unwrap();
            assert_eq!(kept.get(&sharing(1, 1)).unwrap(), None);
        }
    }

    #[test]
    fn what_earlier_builds_kept_is_taken_over() {
        let folder = tempfile::tempdir().unwrap();
        let former = folder.path().join("acknowledgements");
        std::fs::create_dir(&former).unwrap();
        for number in 1..=3 {
            let Sharing { record, epoch, .. } = sharing(number, 9);
            let name = format!("{record}-1-{epoch}");
            std::fs::write(former.join(name), [number; 100]).unwrap();
        }
        std::fs::write(former.join("half.part"), b"half").unwrap();
        for _ in 0..2 {
            let kept = Acknowledgements::new(folder.path());
            assert!(kept.has(sharing(2, 0).record, 1).unwrap());
            for number in 1..=3 {
                let found = kept.get(&sharing(number, 9)).unwrap();
                assert_eq!(found, Some(vec![number; 100]));
            }
        }
        let kept = Acknowledgements::new(folder.path());
        kept.keep(&[(sharing(1, 9), b"newer".to_vec())]).unwrap();
        drop(kept);
        let kept = Acknowledgements::new(folder.path());
        assert_eq!(kept.get(&sharing(1, 9)).unwrap(), Some(b"newer".to_vec()));
    }
}
