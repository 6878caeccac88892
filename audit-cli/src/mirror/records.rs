//! The append-only files of a mirror, and of them the certificates, by height.
//!
//! What always holds: a certificate is appended only if a quorum decided by it the very block that
//! the entries have at its height. What a kill left half written is cut before anything is appended.

use super::folder::Folder;
use super::remote::Remote;
use crate::entries::{FULL, fetch};
use crate::fault::{Failure, Fault, Trouble};
use crate::records::Records;
use crate::tiles::{CheckedTiles, unreadable};
use medanchor_ledger::certificate::Certificate;
use medanchor_ledger::genesis::Genesis;
use medanchor_ledger::merkle::bundle::{BundleId, read_entries};
use medanchor_ledger::merkle::tile::TileNodes;
use medanchor_ledger::merkle::{Frontier, NodeReader, leaf_hash};
use medanchor_ledger::seal::{EntryKind, Seal, value_id};
use medanchor_ledger::{Height, Index, Size};
use std::fs::File;
use std::io::{BufWriter, Seek, SeekFrom, Write};

const CERTIFICATES: &str = "certificates";

/// Brings the file of certificates from the heights of the smaller log to those of the larger one,
/// whose entries are in the folder.
pub(crate) fn certificates(
    remote: &Remote,
    folder: &Folder,
    genesis: &Genesis,
    old: Size,
    new: Size,
) -> Result<(), Failure> {
    remote.attempt(|| {
        let (start, position) = match kept(folder, old, new)? {
            Some(position) => (old, position),
            // The file has less than the log's heights: all of it is fetched again.
            None => (Size(0), 0),
        };
        let mut appending = Appending::open(folder, CERTIFICATES, position)?;
        let mut feed = Feed::open(remote, position)?;
        seals(folder, start, new, |height, sealed, frontier| {
            let value = value_id(height, frontier.size(), &frontier.root());
            let record = feed.of(height)?;
            let at = |cause| Fault::Certificate { height, cause };
            let certificate = Certificate::decode(&record).map_err(at)?;
            if certificate.height() != height || certificate.value() != value {
                return Err(Fault::OtherValue { height }.into());
            }
            let decided = certificate.round();
            if sealed.round > decided {
                let sealed = sealed.round;
                return Err(Fault::Rounds {
                    height,
                    sealed,
                    decided,
                }
                .into());
            }
            certificate
                .verify(genesis.validators(), genesis.network_id())
                .map_err(at)?;
            Ok(appending.record(&record)?)
        })?;
        Ok(appending.finish()?)
    })
}

/// Where the certificates of the smaller log's heights end in the folder's file; none if they are
/// not all there.
fn kept(folder: &Folder, old: Size, new: Size) -> Result<Option<u64>, Failure> {
    let Some(last) = old.0.checked_sub(1) else {
        return Ok(Some(0));
    };
    let mut height = Height(0);
    entries(folder, Size(last), Size(old.0), new, |_, entry| {
        height = seal(entry, Index(last))?.height;
        Ok(())
    })?;
    let mut records = Records::open(folder.log(), CERTIFICATES, Certificate::MAX_BYTES)?;
    for _ in 0..height.0 {
        match records.next() {
            Ok(Some(_)) => {}
            Ok(None) | Err(Failure::Fault(_)) => return Ok(None),
            Err(trouble) => return Err(trouble),
        }
    }
    Ok(Some(records.position()))
}

/// Gives each seal above height 0 from entry `start` on, with the log after it.
fn seals(
    folder: &Folder,
    start: Size,
    end: Size,
    mut each: impl FnMut(Height, Seal, &Frontier) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let nodes = TileNodes::new(CheckedTiles::new(folder.log()), end);
    let mut frontier = frontier_at(&nodes, start)?;
    entries(folder, start, end, end, |index, entry| {
        frontier.append(leaf_hash(entry));
        if EntryKind::of(entry) == EntryKind::Event || index == Index(0) {
            return Ok(());
        }
        let seal = seal(entry, index)?;
        each(seal.height, seal, &frontier)
    })
}

fn seal(entry: &[u8], index: Index) -> Result<Seal, Fault> {
    let height = Height(0);
    Seal::decode(entry).map_err(|cause| Fault::Decode {
        index,
        height,
        cause,
    })
}

/// The entries from `start` up to `end` of the folder's log of `size` entries.
fn entries(
    folder: &Folder,
    start: Size,
    end: Size,
    size: Size,
    mut each: impl FnMut(Index, &[u8]) -> Result<(), Failure>,
) -> Result<(), Failure> {
    for number in start.0 / FULL..end.0.div_ceil(FULL) {
        let missing = || Fault::Missing {
            path: format!("bundle {number}"),
        };
        let id = BundleId::at(number, size).ok_or_else(missing)?;
        let bytes = fetch(folder.log(), id)?;
        let path = id.to_string();
        let shape = |cause| Fault::TileShape { path, cause };
        let found = read_entries(id, &bytes).map_err(shape)?;
        for (index, entry) in (number * FULL..).zip(found) {
            if (start.0..end.0).contains(&index) {
                each(Index(index), entry)?;
            }
        }
    }
    Ok(())
}

/// The right edge of the log of the first `size` entries.
fn frontier_at(nodes: &impl NodeReader, size: Size) -> Result<Frontier, Failure> {
    let (mut bytes, mut next) = (size.0.to_be_bytes().to_vec(), 0u64);
    for level in (0..64u8).rev().filter(|level| size.0 >> level & 1 == 1) {
        let hash = nodes.node(level, next >> level);
        let hash = hash.map_err(|error| unreadable(&error))?;
        bytes.extend_from_slice(hash.as_bytes());
        next += 1 << level;
    }
    Frontier::decode(&bytes).map_err(|_| Fault::Root { size }.into())
}

/// The source's certificates, from some height on.
struct Feed<'r> {
    remote: &'r Remote,
    records: Records,
    /// Whether the place to begin at was found.
    found: bool,
}

impl<'r> Feed<'r> {
    /// Certificates of different nodes differ in length, so `position`, which is that of the folder's
    /// file, is only a first guess.
    fn open(remote: &'r Remote, position: u64) -> Result<Self, Failure> {
        let longest = Certificate::MAX_BYTES;
        let records = Records::open_at(&*remote.source, CERTIFICATES, position, longest)?;
        Ok(Self {
            remote,
            records,
            found: false,
        })
    }

    fn of(&mut self, height: Height) -> Result<Vec<u8>, Failure> {
        if !self.found {
            self.found = true;
            if let Ok(Some((_, record))) = self.records.next()
                && is_of(&record, height)
            {
                return Ok(record);
            }
            let longest = Certificate::MAX_BYTES;
            self.records = Records::open(&*self.remote.source, CERTIFICATES, longest)?;
            for _ in 1..height.0 {
                self.records
                    .next()?
                    .ok_or(Fault::NoCertificate { height })?;
            }
        }
        let (_, record) = self
            .records
            .next()?
            .ok_or(Fault::NoCertificate { height })?;
        Ok(record)
    }
}

fn is_of(record: &[u8], height: Height) -> bool {
    Certificate::decode(record).is_ok_and(|certificate| certificate.height() == height)
}

/// A file of records that is being appended to.
pub(super) struct Appending(BufWriter<File>);

impl Appending {
    /// Cuts the file at `position` and appends from there.
    pub(super) fn open(folder: &Folder, name: &str, position: u64) -> Result<Self, Trouble> {
        let open = || {
            let path = folder.path(name);
            let mut file = File::options()
                .create(true)
                .truncate(false)
                .write(true)
                .open(path)?;
            file.set_len(position)?;
            file.seek(SeekFrom::End(0))?;
            Ok(Self(BufWriter::new(file)))
        };
        open().map_err(disk)
    }

    pub(super) fn record(&mut self, record: &[u8]) -> Result<(), Trouble> {
        let length = u32::try_from(record.len()).unwrap_or(u32::MAX);
        let written = self.0.write_all(&length.to_be_bytes());
        written
            .and_then(|()| self.0.write_all(record))
            .map_err(disk)
    }

    pub(super) fn finish(mut self) -> Result<(), Trouble> {
        let flushed = self.0.flush();
        flushed
            .and_then(|()| self.0.get_ref().sync_data())
            .map_err(disk)
    }
}

fn disk(error: std::io::Error) -> Trouble {
    Trouble::Mirror(format!(
        "{error}; check the disk and run the same command again"
    ))
}
