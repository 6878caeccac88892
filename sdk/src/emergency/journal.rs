//! The emergency journal's file: entries of one size, appended and synced, each chained to the one before
//! and signed.
//!
//! What always holds: an entry that was appended is on disk; entries follow one another from 1 without a
//! gap, each on the head of the one before, each signed by the identity's key of
//! then, and by no earlier one once a later one has signed. Where entries were counted and lost, one frame
//! says which. A torn last entry is cut, since nothing was opened on it; any other damage is refused with
//! its position.
//!
//! The frames are those of `frame.rs`: a header, then one for each entry, or for what is lost.

use super::JournalStanding;
use crate::durable;
use frame::{FRAME, header, kind_of};
use medanchor_ledger::NetworkId;
use medanchor_ledger::event::{AccessEmergency, JournalKeyKind};
use medanchor_ledger::signature::{PublicKey, Signature};
#[cfg(feature = "client")]
use medanchor_ledger::{JournalHead, sha256};
use medanchor_vault::torn::unfinished;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

mod frame;

pub use frame::Journalled;
pub(super) use frame::{Lost, Signed, Step};

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

/// The open file, with all its entries in memory.
pub(super) struct Journal {
    path: PathBuf,
    network: NetworkId,
    file: File,
    kind: JournalKeyKind,
    steps: Vec<Signed>,
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
            false => write_whole(path, network, JournalKeyKind::File, &[]),
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
            kind: JournalKeyKind::File,
            steps: Vec::new(),
        };
        journal.load(keys)?;
        Ok(journal)
    }

    /// Every step of a file, damaged or not, that is whole and signed by one of these keys, in the file's
    /// order; none if there is no file.
    #[cfg(feature = "client")]
    pub(super) fn salvage(
        path: &Path,
        network: NetworkId,
        keys: &[PublicKey],
    ) -> Result<Vec<Signed>, EmergencyJournalError> {
        let bytes = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            file => read_whole(path, &file.map_err(Self::failed(path))?)?,
        };
        let frames = bytes.as_chunks::<FRAME>().0.iter().skip(1);
        let read = frames.filter_map(Signed::decode);
        let signed = |read: &Signed| read.signer(network, keys).is_some();
        Ok(read.filter(signed).collect())
    }

    fn load(&mut self, mut keys: &[PublicKey]) -> Result<(), EmergencyJournalError> {
        let bytes = read_whole(&self.path, &self.file)?;
        let path = || self.path.clone();
        let (frames, torn) = bytes.as_chunks::<FRAME>();
        let parts = frames.split_first();
        let parts = parts.and_then(|(first, rest)| Some((kind_of(first, self.network)?, rest)));
        let Some((kind, frames)) = parts else {
            return Err(EmergencyJournalError::Format { path: path() });
        };
        self.kind = kind;
        let mut cut = !torn.is_empty();
        for (place, frame) in frames.iter().enumerate() {
            let read = Signed::decode(frame).filter(|read| read.step.follows(&self.standing()));
            let read = read.and_then(|read| Some((read.signer(self.network, keys)?, read)));
            match read {
                Some((signer, read)) => {
                    keys = keys.get(signer..).unwrap_or_default();
                    self.steps.push(read);
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
        let kept = match cut {
            true => self.file.set_len(self.end()),
            false => Ok(()),
        };
        // A killed process may not have waited for what it wrote last, and it is anchored on the word of it.
        let synced = kept.and_then(|()| self.file.sync_all());
        synced.map_err(Self::failed(&self.path))
    }

    /// Where the next entry goes.
    fn end(&self) -> u64 {
        let frames = (self.steps.len() as u64).saturating_add(1);
        frames.saturating_mul(FRAME as u64)
    }

    pub(super) fn standing(&self) -> JournalStanding {
        let last = self.steps.last();
        last.map_or(JournalStanding::EMPTY, |last| last.step.standing())
    }

    /// The head after entry `counter`, if the journal has come so far and knows it.
    #[cfg(feature = "client")]
    pub(super) fn head_at(&self, counter: u64) -> Option<JournalHead> {
        if counter == 0 {
            return Some(JournalHead::EMPTY);
        }
        let found = self
            .steps
            .binary_search_by_key(&counter, |one| one.step.standing().counter);
        let step = self.steps.get(found.ok()?)?;
        Some(step.step.standing().head)
    }

    /// Where its key is kept, as it is stated.
    pub(super) const fn kind(&self) -> JournalKeyKind {
        self.kind
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = &AccessEmergency> {
        self.steps.iter().filter_map(|one| one.step.entry())
    }

    pub(super) fn steps(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().map(|one| &one.step)
    }

    pub(super) fn into_entries(self) -> Vec<Journalled> {
        let entries = self.steps.into_iter();
        entries.filter_map(Signed::into_journalled).collect()
    }

    /// States from now on that its key is kept so. The header is a part of one sector, so that a power cut
    /// leaves the old one or the new one.
    pub(super) fn restate(&mut self, kind: JournalKeyKind) -> Result<(), EmergencyJournalError> {
        if self.kind == kind {
            return Ok(());
        }
        let mut write = || {
            self.file.seek(SeekFrom::Start(0))?;
            self.file.write_all(&header(self.network, kind))?;
            self.file.sync_all()
        };
        write().map_err(Self::failed(&self.path))?;
        self.kind = kind;
        Ok(())
    }

    /// Appends the next step; it is on disk when this returns. Gives the signature.
    pub(super) fn append(
        &mut self,
        step: Step,
        sign: impl Fn(&[u8]) -> Signature,
    ) -> Result<Signature, EmergencyJournalError> {
        let signed = Signed::new(self.network, step, sign);
        let end = self.end();
        let mut write = || {
            self.file.seek(SeekFrom::Start(end))?;
            self.file.write_all(&signed.encode())?;
            self.file.sync_all()
        };
        if let Err(error) = write() {
            // Nothing is opened on it, and it may never reach the disk: it must not be gone on from. If it
            // cannot be cut off either, it is found, whole or torn, when the journal is opened again.
            let _ = self.file.set_len(end).and_then(|()| self.file.sync_all());
            return Err(Self::failed(&self.path)(error));
        }
        let signature = signed.signature;
        self.steps.push(signed);
        Ok(signature)
    }
}

/// Writes a journal anew with other steps, its key in a file as far as it says, and keeps the file that there
/// was, if any, beside it.
#[cfg(feature = "client")]
pub(super) fn replace(
    path: &Path,
    network: NetworkId,
    steps: &[Step],
    sign: impl Fn(&[u8]) -> Signature,
) -> Result<(), EmergencyJournalError> {
    let sign = |step: &Step| Signed::new(network, step.clone(), &sign);
    let steps: Vec<Signed> = steps.iter().map(sign).collect();
    let replace = || {
        if path.try_exists()? {
            let old = std::fs::read(path)?;
            let name = hex::encode(&sha256(&[&old])[..8]);
            let kept = path.with_extension(name);
            durable::write(&kept, &old)?;
        }
        write_whole(path, network, JournalKeyKind::File, &steps)
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
fn write_whole(
    path: &Path,
    network: NetworkId,
    kind: JournalKeyKind,
    steps: &[Signed],
) -> io::Result<()> {
    let mut bytes = header(network, kind).to_vec();
    let frames = steps.iter().map(Signed::encode);
    frames.for_each(|frame| bytes.extend_from_slice(&frame));
    durable::write(path, &bytes)
}

#[cfg(test)]
mod tests;
