//! Packs: many sealed payloads in one file, so that a batch waits for the disk as often as one payload.
//!
//! What always holds: a pack under its final name is whole and on disk, and never grows; a payload in it
//! is only ever overwritten with zeros, once its record is erased.
//!
//! A pack is a header, entries of 32 bytes each, and then the payloads in the order of the entries:
//!
//! | bytes | header | entry |
//! |---|---|---|
//! | 0 | magic `medanchor/pack/1` (16 bytes) | record (a handle, 16 bytes) |
//! | 16..20 | number of entries, big-endian | version, big-endian; 0 once it is removed |
//! | 20..24 | zero | zero |
//! | 24..32 | zero | length of the payload, big-endian |
//!
//! An entry lies within one disk sector, so a removal is whole or did not happen. Nothing here needs a
//! checksum: a sealed payload says which record it is, and opens only if it is.

use crate::disk::sync_parent;
use crate::folder::io_at;
use crate::payloads::PayloadError;
use crate::seal::{MAX_SEALED, RecordVersion};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Take, Write};
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 16] = b"medanchor/pack/1";
const ROW: usize = 32;
const ROW_BYTES: u64 = 32;

/// A record's handle and version: the folder is one network's.
type Name = ([u8; 16], u32);

/// Where a payload stands.
#[derive(Clone, Copy)]
struct Place {
    pack: usize,
    entry: u64,
    at: u64,
    length: usize,
}

/// The packs of a folder, with the place of every payload in memory.
#[derive(Default)]
pub(crate) struct Packs {
    files: Vec<PathBuf>,
    places: BTreeMap<Name, Place>,
}

impl Packs {
    /// Reads the entries of every pack in `folder`.
    pub(crate) fn open(folder: &Path) -> Result<Self, PayloadError> {
        let mut files = Vec::new();
        for entry in fs::read_dir(folder).map_err(io_at(folder))? {
            files.push(entry.map_err(io_at(folder))?.path());
        }
        files.sort();
        let mut packs = Self::default();
        for file in files {
            let places = packs.read(&file)?;
            packs.know(file, places);
        }
        Ok(packs)
    }

    /// The places in a file that is to be the next pack.
    fn read(&self, path: &Path) -> Result<Vec<(Name, Place)>, PayloadError> {
        let damaged = || PayloadError::Pack { path: path.into() };
        let file = File::open(path).map_err(io_at(path))?;
        let size = file.metadata().map_err(io_at(path))?.len();
        let mut reader = BufReader::new(file);
        let mut row = [0; ROW];
        reader.read_exact(&mut row).map_err(|_| damaged())?;
        let count = entries(&row).ok_or_else(damaged)?;
        let mut places = Vec::new();
        let mut at = ROW_BYTES * (u64::from(count) + 1);
        for entry in (1..=u64::from(count)).map(|place| place * ROW_BYTES) {
            reader.read_exact(&mut row).map_err(|_| damaged())?;
            let (name, length) = named(&row).ok_or_else(damaged)?;
            let place = Place {
                pack: self.files.len(),
                entry,
                at,
                length,
            };
            if name.1 != 0 {
                places.push((name, place));
            }
            at += length as u64;
        }
        match at == size {
            true => Ok(places),
            false => Err(damaged()),
        }
    }

    fn know(&mut self, path: PathBuf, places: Vec<(Name, Place)>) {
        for (name, place) in places {
            self.places.entry(name).or_insert(place);
        }
        self.files.push(path);
    }

    /// Whether a pack has the payload of a record's version.
    pub(crate) fn has(&self, record: &RecordVersion) -> bool {
        self.find(record).is_some()
    }

    /// The payload of a record's version, from its beginning to its end, if a pack has it.
    pub(crate) fn reader(
        &self,
        record: &RecordVersion,
    ) -> Result<Option<Take<File>>, PayloadError> {
        let Some((path, place)) = self.find(record) else {
            return Ok(None);
        };
        let open = || {
            let mut file = File::open(path)?;
            file.seek(SeekFrom::Start(place.at))?;
            Ok(file.take(place.length as u64))
        };
        open().map(Some).map_err(io_at(path))
    }

    /// Takes a pack that was written to `aside` into the folder: it is on disk when this returns.
    pub(crate) fn take(&mut self, aside: &Path, target: PathBuf) -> Result<(), PayloadError> {
        // What can fail is done first. A pack whose call failed is not to be found at the next opening, since
        // its payloads may be sealed anew by then.
        let places = self.read(aside)?;
        fs::rename(aside, &target).map_err(io_at(&target))?;
        if let Err(error) = sync_parent(&target) {
            let _ = fs::remove_file(&target);
            return Err(io_at(&target)(error));
        }
        self.know(target, places);
        Ok(())
    }

    /// Overwrites the payload of a record's version, if a pack has it, and forgets it.
    pub(crate) fn remove(&mut self, record: &RecordVersion) -> Result<(), PayloadError> {
        let Some((path, place)) = self.find(record) else {
            return Ok(());
        };
        let overwrite = || {
            let mut file = OpenOptions::new().write(true).open(path)?;
            file.seek(SeekFrom::Start(place.at))?;
            io::copy(
                &mut io::repeat(0).take(place.length as u64),
                &mut BufWriter::new(&mut file),
            )?;
            file.sync_data()?;
            // Only now, since whoever finds the version gone does not overwrite again.
            file.seek(SeekFrom::Start(place.entry + 16))?;
            file.write_all(&[0; 4])?;
            file.sync_data()
        };
        overwrite().map_err(io_at(path))?;
        self.places.remove(&name(record));
        Ok(())
    }

    fn find(&self, record: &RecordVersion) -> Option<(&Path, Place)> {
        let place = self.places.get(&name(record))?;
        Some((self.files.get(place.pack)?, *place))
    }
}

fn name(record: &RecordVersion) -> Name {
    (*record.record.as_bytes(), record.version)
}

/// Writes a pack.
pub(crate) fn write(file: &mut File, payloads: &[(RecordVersion, Vec<u8>)]) -> io::Result<()> {
    let mut writer = BufWriter::new(file);
    let count = u32::try_from(payloads.len()).map_err(io::Error::other)?;
    writer.write_all(MAGIC)?;
    writer.write_all(&count.to_be_bytes())?;
    writer.write_all(&[0; 12])?;
    for (record, sealed) in payloads {
        writer.write_all(record.record.as_bytes())?;
        writer.write_all(&record.version.to_be_bytes())?;
        writer.write_all(&[0; 4])?;
        writer.write_all(&(sealed.len() as u64).to_be_bytes())?;
    }
    for (_, sealed) in payloads {
        writer.write_all(sealed)?;
    }
    writer.flush()
}

/// The number of entries that a header says.
fn entries(header: &[u8; ROW]) -> Option<u32> {
    let (count, zeros) = header.strip_prefix(MAGIC)?.split_first_chunk::<4>()?;
    let zeros = zeros.iter().all(|byte| *byte == 0);
    zeros.then_some(u32::from_be_bytes(*count))
}

/// Which payload an entry is of, and its length.
fn named(entry: &[u8; ROW]) -> Option<(Name, usize)> {
    let (handle, rest) = entry.split_first_chunk::<16>()?;
    let (version, rest) = rest.split_first_chunk::<4>()?;
    let (zeros, length) = rest.split_first_chunk::<4>()?;
    let length = u64::from_be_bytes(length.try_into().ok()?);
    let length = usize::try_from(length).ok()?;
    let sound = *zeros == [0; 4] && length <= MAX_SEALED;
    sound.then_some(((*handle, u32::from_be_bytes(*version)), length))
}

#[cfg(test)]
mod tests {
    use super::*;
    use medanchor_ledger::{NetworkId, RecordHandle};

    #[test]
    fn the_format_is_frozen() {
        let record = RecordVersion {
            network: NetworkId::new([1; 16]),
            record: RecordHandle::new([0xab; 16]),
            version: 2,
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("one");
        let mut file = File::create(&path).unwrap();
        write(&mut file, &[(record, b"sealed".to_vec())]).unwrap();
        let expected = [
            "6d6564616e63686f722f7061636b2f31",
            "00000001000000000000000000000000",
            "abababababababababababababababab",
            "00000002000000000000000000000006",
            "7365616c6564",
        ];
        assert_eq!(hex::encode(fs::read(&path).unwrap()), expected.concat());
    }
}
