//! The emergency journal's file: entries of one size, appended and synced, each chained to the one before
//! and signed.
//!
//! What always holds: an entry that was appended is on disk; entries follow one another from 1 without a
//! gap, each on the head of the one before, each signed by the identity's key of
//! then, and by no earlier one once a later one has signed. A torn last entry is cut,
//! since nothing was opened on it; any other damage is refused with its position.
//!
//! | bytes | header | entry |
//! |---|---|---|
//! | 0..8 | magic `medanchor/ejrn/1` (16 bytes) | counter, big-endian, as all numbers |
//! | 8..24 | | record |
//! | 24..28 | network id (16..32) | version |
//! | 28..36 | | claimed time, in milliseconds since 1970 |
//! | 36..68 | zero (32..188) | head before |
//! | 68..101 | | commitment to who reads and why |
//! | 101..104 | | zero |
//! | 104..168 | | Ed25519 over "medanchor/emergency-entry/v1" || network || counter || head after |
//! | 168..188 | | zero |
//! | 188..192 | first bytes of SHA-256 of what stands before | the same |

use super::JournalStanding;
use crate::durable;
use medanchor_ledger::event::AccessEmergency;
use medanchor_ledger::signature::{PublicKey, Signature, verify};
use medanchor_ledger::{Commitment, JournalHead, NetworkId, RecordHandle, Time, TreeHash, sha256};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 16] = b"medanchor/ejrn/1";
const FRAME: usize = 192;
const BODY: usize = FRAME - 4;
/// What a disk writes at once, at least.
const SECTOR: u64 = 512;
/// The largest file that is opened: some 350,000 entries.
const MAX_FILE: u64 = 64 << 20;

/// Why the emergency journal cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmergencyJournalError {
    /// The system refused.
    #[error("cannot use the emergency journal {path}: {source}; nothing was opened", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is an emergency key, and its journal is gone.
    #[error("the emergency journal {path} is missing; restore the file, or write it anew from the ledger: `medanchor vault emergency anchor --restore`", path = path.display())]
    Missing {
        /// Where it should be.
        path: PathBuf,
    },
    /// Not such a journal, or one of another network.
    #[error("{path} is not an emergency journal of this network; restore the file, or write it anew from the ledger: `medanchor vault emergency anchor --restore`", path = path.display())]
    Format {
        /// The file.
        path: PathBuf,
    },
    /// Damage inside.
    #[error("the emergency journal {path} is damaged at byte {at}; restore the file, or write it anew from the ledger and from what is sound in it: `medanchor vault emergency anchor --restore`", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where the damaged entry begins.
        at: u64,
    },
    /// Larger than any journal.
    #[error("the emergency journal {path} is larger than 64 MiB, which no journal is; restore the file", path = path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
}

/// One entry, with the identity's signature over counter and head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Journalled {
    /// What was opened, in the words of the ledger.
    pub entry: AccessEmergency,
    /// The signature.
    pub signature: Signature,
}

/// The open file, with all its entries in memory.
pub(super) struct Journal {
    path: PathBuf,
    network: NetworkId,
    file: File,
    entries: Vec<Journalled>,
}

/// What an entry's signature is over.
fn signed(network: NetworkId, entry: &AccessEmergency) -> Vec<u8> {
    let head = entry.head();
    let parts: [&[u8]; 4] = [
        b"medanchor/emergency-entry/v1",
        network.as_bytes(),
        &entry.counter.to_be_bytes(),
        head.as_bytes(),
    ];
    parts.concat()
}

fn header(network: NetworkId) -> [u8; FRAME] {
    let mut frame = [0; FRAME];
    frame[..16].copy_from_slice(MAGIC);
    frame[16..32].copy_from_slice(network.as_bytes());
    checked(frame)
}

/// The frame with its last four bytes set to the checksum of the others.
fn checked(mut frame: [u8; FRAME]) -> [u8; FRAME] {
    let (body, sum) = frame.split_at_mut(BODY);
    sum.copy_from_slice(&sha256(&[body])[..4]);
    frame
}

impl Journalled {
    fn encode(&self) -> [u8; FRAME] {
        let (entry, mut frame) = (&self.entry, [0; FRAME]);
        frame[..8].copy_from_slice(&entry.counter.to_be_bytes());
        frame[8..24].copy_from_slice(entry.record.as_bytes());
        frame[24..28].copy_from_slice(&entry.version.to_be_bytes());
        frame[28..36].copy_from_slice(&entry.claimed.0.to_be_bytes());
        frame[36..68].copy_from_slice(entry.previous.as_bytes());
        frame[68..101].copy_from_slice(&entry.commitment.to_bytes());
        frame[104..168].copy_from_slice(self.signature.as_bytes());
        checked(frame)
    }

    /// What [`Journalled::encode`] gives, and nothing else.
    fn decode(frame: &[u8; FRAME]) -> Option<Self> {
        let [suite, root @ ..] = part::<{ Commitment::LENGTH }>(frame, 68)?;
        let entry = AccessEmergency {
            counter: u64::from_be_bytes(part(frame, 0)?),
            record: RecordHandle::new(part(frame, 8)?),
            version: u32::from_be_bytes(part(frame, 24)?),
            claimed: Time(u64::from_be_bytes(part(frame, 28)?)),
            previous: JournalHead::new(part(frame, 36)?),
            commitment: Commitment::new(TreeHash::new(root)),
        };
        let signature = Signature::new(part(frame, 104)?);
        let read = Self { entry, signature };
        (suite == Commitment::SUITE && read.encode() == *frame).then_some(read)
    }

    /// Whether it follows a journal that stands so.
    fn follows(&self, standing: &JournalStanding) -> bool {
        let next = standing.counter.checked_add(1) == Some(self.entry.counter);
        next && self.entry.previous == standing.head
    }

    /// Which of these keys signed it.
    fn signer(&self, network: NetworkId, keys: &[PublicKey]) -> Option<usize> {
        let message = signed(network, &self.entry);
        let signs = |key| verify(key, &message, &self.signature).is_ok();
        keys.iter()
            .position(signs)
            .filter(|_| self.entry.version > 0)
    }
}

fn part<const N: usize>(frame: &[u8; FRAME], at: usize) -> Option<[u8; N]> {
    frame.get(at..)?.first_chunk().copied()
}

impl Journal {
    fn failed(path: &Path) -> impl FnOnce(io::Error) -> EmergencyJournalError {
        |source| EmergencyJournalError::Io {
            path: path.into(),
            source,
        }
    }

    /// Makes an empty journal, unless there is one. Only whoever makes the emergency key does: a journal
    /// that is missing later was lost, and an empty one in its place would hide that.
    pub(super) fn make(path: &Path, network: NetworkId) -> Result<(), EmergencyJournalError> {
        let make = || match path.try_exists()? {
            true => Ok(()),
            false => write_whole(path, network, &[]),
        };
        make().map_err(Self::failed(path))
    }

    /// Opens the journal of an identity, which has signed with these keys, one after the other.
    pub(super) fn open(
        path: &Path,
        network: NetworkId,
        keys: &[PublicKey],
    ) -> Result<Self, EmergencyJournalError> {
        let mut options = OpenOptions::new();
        let file = match options.read(true).write(true).open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(EmergencyJournalError::Missing { path: path.into() });
            }
            file => file.map_err(Self::failed(path))?,
        };
        let mut journal = Self {
            path: path.into(),
            network,
            file,
            entries: Vec::new(),
        };
        journal.load(keys)?;
        Ok(journal)
    }

    /// Every entry of a file, damaged or not, that is whole and signed by one of these keys, in the file's
    /// order; none if there is no file.
    #[cfg(feature = "client")]
    pub(super) fn salvage(
        path: &Path,
        network: NetworkId,
        keys: &[PublicKey],
    ) -> Result<Vec<Journalled>, EmergencyJournalError> {
        let bytes = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            file => read_whole(path, &file.map_err(Self::failed(path))?)?,
        };
        let frames = bytes.as_chunks::<FRAME>().0.iter().skip(1);
        let read = frames.filter_map(Journalled::decode);
        let signed = |read: &Journalled| read.signer(network, keys).is_some();
        Ok(read.filter(signed).collect())
    }

    fn load(&mut self, mut keys: &[PublicKey]) -> Result<(), EmergencyJournalError> {
        let bytes = read_whole(&self.path, &self.file)?;
        let path = || self.path.clone();
        let (frames, torn) = bytes.as_chunks::<FRAME>();
        let Some((_, frames)) = frames
            .split_first()
            .filter(|(first, _)| **first == header(self.network))
        else {
            return Err(EmergencyJournalError::Format { path: path() });
        };
        let mut cut = !torn.is_empty();
        for (place, frame) in frames.iter().enumerate() {
            let read = Journalled::decode(frame).filter(|read| read.follows(&self.standing()));
            let read = read.and_then(|read| Some((read.signer(self.network, keys)?, read)));
            match read {
                Some((signer, read)) => {
                    keys = keys.get(signer..).unwrap_or_default();
                    self.entries.push(read);
                }
                // Its length reached the disk before its end did, and it was never acted on.
                None => {
                    let at = (place as u64)
                        .saturating_add(1)
                        .saturating_mul(FRAME as u64);
                    let is_last = place + 1 == frames.len() && torn.is_empty();
                    if !(is_last && unfinished(frame, at)) {
                        return Err(EmergencyJournalError::Damaged { path: path(), at });
                    }
                    cut = true;
                }
            }
        }
        if cut {
            let kept = self.end();
            let shortened = self.file.set_len(kept).and_then(|()| self.file.sync_all());
            shortened.map_err(Self::failed(&self.path))?;
        }
        Ok(())
    }

    /// Where the next entry goes.
    fn end(&self) -> u64 {
        let frames = (self.entries.len() as u64).saturating_add(1);
        frames.saturating_mul(FRAME as u64)
    }

    pub(super) fn standing(&self) -> JournalStanding {
        let last = self.entries.last();
        JournalStanding {
            counter: last.map_or(0, |last| last.entry.counter),
            head: last.map_or(JournalHead::EMPTY, |last| last.entry.head()),
        }
    }

    /// The head after entry `counter`, if there are so many.
    #[cfg(any(feature = "client", test))]
    pub(super) fn head_at(&self, counter: u64) -> Option<JournalHead> {
        let Some(place) = counter.checked_sub(1) else {
            return Some(JournalHead::EMPTY);
        };
        let entry = self.entries.get(usize::try_from(place).ok()?)?;
        Some(entry.entry.head())
    }

    pub(super) fn entries(&self) -> &[Journalled] {
        &self.entries
    }

    pub(super) fn into_entries(self) -> Vec<Journalled> {
        self.entries
    }

    /// Appends the next entry; it is on disk when this returns.
    pub(super) fn append(
        &mut self,
        entry: &AccessEmergency,
        sign: impl FnOnce(&[u8]) -> Signature,
    ) -> Result<(), EmergencyJournalError> {
        let journalled = Journalled {
            entry: entry.clone(),
            signature: sign(&signed(self.network, entry)),
        };
        let end = self.end();
        let mut write = || {
            self.file.seek(SeekFrom::Start(end))?;
            self.file.write_all(&journalled.encode())?;
            self.file.sync_all()
        };
        if let Err(error) = write() {
            // Nothing is opened on it, and it may never reach the disk: it must not be gone on from. If it
            // cannot be cut off either, it is found, whole or torn, when the journal is opened again.
            let _ = self.file.set_len(end).and_then(|()| self.file.sync_all());
            return Err(Self::failed(&self.path)(error));
        }
        self.entries.push(journalled);
        Ok(())
    }
}

/// Writes a journal anew with other entries, and keeps the file that there was, if any, beside it.
#[cfg(feature = "client")]
pub(super) fn replace(
    path: &Path,
    network: NetworkId,
    entries: &[AccessEmergency],
    sign: impl Fn(&[u8]) -> Signature,
) -> Result<(), EmergencyJournalError> {
    let sign = |entry: &AccessEmergency| Journalled {
        entry: entry.clone(),
        signature: sign(&signed(network, entry)),
    };
    let entries: Vec<Journalled> = entries.iter().map(sign).collect();
    let replace = || {
        if path.try_exists()? {
            let old = std::fs::read(path)?;
            let name = hex::encode(&sha256(&[&old])[..8]);
            let kept = path.with_extension(name);
            durable::write(&kept, &old)?;
        }
        write_whole(path, network, &entries)
    };
    replace().map_err(Journal::failed(path))
}

/// The bytes of a journal's file.
fn read_whole(path: &Path, file: &File) -> Result<Vec<u8>, EmergencyJournalError> {
    let mut bytes = Vec::new();
    let read = file.take(MAX_FILE + 1).read_to_end(&mut bytes);
    read.map_err(Journal::failed(path))?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(EmergencyJournalError::TooLarge { path: path.into() });
    }
    Ok(bytes)
}

/// Writes a whole file, in the place of one that is there.
fn write_whole(path: &Path, network: NetworkId, entries: &[Journalled]) -> io::Result<()> {
    let mut bytes = header(network).to_vec();
    entries
        .iter()
        .for_each(|entry| bytes.extend_from_slice(&entry.encode()));
    durable::write(path, &bytes)
}

/// What a power cut leaves of a last entry, at byte `at`, whose length had reached the disk: zeros at its
/// end, or in one of the two sectors that it lies in.
fn unfinished(frame: &[u8; FRAME], at: u64) -> bool {
    let to_sector = usize::try_from(SECTOR - at % SECTOR).unwrap_or(FRAME);
    let one_sector = match frame.split_at_checked(to_sector) {
        Some((before, after)) => [before, after]
            .iter()
            .any(|part| !part.is_empty() && part.iter().all(|byte| *byte == 0)),
        None => false,
    };
    one_sector || frame.ends_with(&[0; 4])
}

#[cfg(test)]
mod tests;
