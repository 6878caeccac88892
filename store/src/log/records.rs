//! Append-only files of records, each after its length in four bytes, big-endian: the certificates
//! and the cosignatures of a published log.

use crate::StoreError;
use crate::files::write_again;
use std::fs::File;
use std::io::{BufReader, ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// A record as it stands in a file.
pub(crate) fn framed(record: &[u8]) -> Result<Vec<u8>, StoreError> {
    let too_long = StoreError::Refused {
        what: "a record",
        why: "it is longer than 4 GiB",
    };
    let length = u32::try_from(record.len()).map_err(|_| too_long)?;
    Ok([length.to_be_bytes().as_slice(), record].concat())
}

/// The writing side.
#[derive(Debug)]
pub(crate) struct RecordFile {
    path: PathBuf,
    file: File,
    written: u64,
}

impl RecordFile {
    /// Opens the file, or makes it.
    pub(crate) fn open(path: PathBuf) -> Result<Self, StoreError> {
        let open = || {
            let mut options = File::options();
            let file = options
                .create(true)
                .truncate(false)
                .read(true)
                .write(true)
                .open(&path)?;
            let written = file.metadata()?.len();
            Ok((file, written))
        };
        let (file, written) = open().map_err(|error| StoreError::io("open", &path, error))?;
        Ok(Self {
            path,
            file,
            written,
        })
    }

    /// Bytes written, all of them durable.
    pub(crate) const fn written(&self) -> u64 {
        self.written
    }

    /// Cuts everything from `end` on, and makes what follows `saved` durable. A file that is shorter has
    /// lost what was durable.
    pub(crate) fn cut(&mut self, saved: u64, end: u64) -> Result<(), StoreError> {
        if self.written < end {
            let what = "records that were written are gone from here on";
            let path = self.path.clone();
            return Err(StoreError::Damaged {
                path,
                position: self.written,
                what,
            });
        }
        if self.written > end {
            let cut = self.file.set_len(end);
            cut.map_err(|error| StoreError::io("cut", &self.path, error))?;
            self.written = end;
        }
        let settled = write_again(&self.file, saved, end);
        settled.map_err(|error| StoreError::io("write", &self.path, error))
    }

    /// Cuts what follows the last whole record from `start` on that `good` accepts.
    pub(crate) fn cut_bad_tail(
        &mut self,
        start: u64,
        longest: usize,
        good: impl Fn(&[u8]) -> bool,
    ) -> Result<(), StoreError> {
        let mut end = start;
        let mut records = Records::open(&self.path, start, longest)?;
        while let Some(Ok(record)) = records.next() {
            if !good(&record) {
                break;
            }
            end = records.position();
        }
        self.cut(start, end)
    }

    /// Appends framed records, durably.
    pub(crate) fn append(&mut self, framed: &[u8]) -> Result<(), StoreError> {
        if framed.is_empty() {
            return Ok(());
        }
        self.file
            .write_all_at(framed, self.written)
            .and_then(|()| self.file.sync_data())
            .map_err(|error| StoreError::io("write", &self.path, error))?;
        self.written += framed.len() as u64;
        Ok(())
    }
}

/// The records of a file, one after the other, from the first or from a later one on. Ends after
/// the first that is not whole or longer than it may be, which is given as an error.
#[derive(Debug)]
pub struct Records {
    path: PathBuf,
    file: Option<BufReader<File>>,
    position: u64,
    longest: usize,
}

impl Records {
    /// Opens a file at `position`; one that does not exist has no records.
    pub(crate) fn open(path: &Path, position: u64, longest: usize) -> Result<Self, StoreError> {
        let open = || {
            let mut file = match File::open(path) {
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
                opened => opened?,
            };
            file.seek(SeekFrom::Start(position))?;
            Ok(Some(BufReader::new(file)))
        };
        let file = open().map_err(|error| StoreError::io("read", path, error))?;
        Ok(Self {
            path: path.to_owned(),
            file,
            position,
            longest,
        })
    }

    /// Where the next record begins.
    #[must_use]
    pub const fn position(&self) -> u64 {
        self.position
    }

    fn read(&mut self) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(file) = &mut self.file else {
            return Ok(None);
        };
        let failed = |error| StoreError::io("read", &self.path, error);
        let mut length = [0; 4];
        let got = read_up_to(file, &mut length).map_err(failed)?;
        if got == 0 {
            return Ok(None);
        }
        let size = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if got < length.len() || size == 0 || size > self.longest {
            return Err(self.damaged("not the length of a record"));
        }
        let mut record = vec![0; size];
        if read_up_to(file, &mut record).map_err(failed)? < size {
            return Err(self.damaged("a record is cut short"));
        }
        self.position += 4 + size as u64;
        Ok(Some(record))
    }

    fn damaged(&self, what: &'static str) -> StoreError {
        StoreError::Damaged {
            path: self.path.clone(),
            position: self.position,
            what,
        }
    }
}

impl Iterator for Records {
    type Item = Result<Vec<u8>, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        let record = self.read();
        if record.is_err() {
            self.file = None;
        }
        record.transpose()
    }
}

fn read_up_to(file: &mut impl Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read(rest) {
            Ok(0) => break,
            Ok(more) => filled += more,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
