//! Payloads on their way to another place.
//!
//! What always holds: a payload that opens is removed from the folder only once it stands at the vault's
//! place, byte for byte, and never from a bucket; to copy again what was copied is no error, and a payload
//! that stands there with other bytes is one. What is left of an erased record goes to no other place: it is
//! removed wherever it is found.

use super::error::io_at;
use super::under_way::Sealing;
use super::{PayloadPlace, Vault, VaultError, slot_name};
use crate::disk::sync_folder;
use crate::folder::Folder;
use crate::payloads::{PayloadError, Payloads};
use crate::seal::RecordVersion;
use crate::secret::DerivationRoot;
#[cfg(feature = "objects")]
use crate::secret::hmac_sha256;
use crate::slots::Kind;
use medanchor_ledger::RecordHandle;
use std::io::{self, Read};
use std::path::Path;
use std::sync::PoisonError;

/// What is compared and copied in memory; what is longer goes as a stream.
const IN_MEMORY: u64 = 8 * 1024 * 1024;

/// What was copied to another place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    /// How many payloads.
    pub payloads: u64,
    /// The versions that have a key and no payload, here or there: it was lost, or its sealing cut off.
    pub missing: Vec<RecordVersion>,
}

impl Vault {
    /// Copies every payload to another place, which is claimed as this vault's first. What is left of erased
    /// records is removed, here and there.
    ///
    /// # Errors
    /// [`VaultError::Payload`]; call it again.
    pub fn copy_payloads(&self, to: &PayloadPlace) -> Result<Copied, VaultError> {
        self.copy_to(&Self::place(&self.folder, &self.root, to)?)
    }

    fn copy_to(&self, to: &Payloads) -> Result<Copied, VaultError> {
        // Also where nothing is copied: a slip is found now, and not at the first sealing.
        to.claim()?;
        let mut copied = Copied {
            payloads: 0,
            missing: Vec::new(),
        };
        for (record, erased) in self.every_version() {
            if erased {
                self.payloads.remove(&record)?;
                to.remove(&record)?;
            } else if copy(&self.payloads, to, &record)? {
                copied.payloads += 1;
            } else if !to.has(&record)? {
                copied.missing.push(record);
            }
        }
        Ok(copied)
    }

    /// Removes from the vault's own folder what stands at the vault's place too, copying it there first if
    /// it does not; what is left of erased records is removed, here and there. Nothing to do where that
    /// place is the folder. For after a move.
    ///
    /// # Errors
    /// [`VaultError::Payload`]; call it again.
    pub fn clear_folder(&self) -> Result<(), VaultError> {
        self.in_left_folder(|folder| {
            for (record, erased) in self.every_version() {
                if erased {
                    folder.remove(&record)?;
                    self.payloads.remove(&record)?;
                    continue;
                }
                let _turn = self.under_way.turn(&[record], Sealing::Stream)?;
                if copy(folder, &self.payloads, &record)? {
                    folder.remove(&record)?;
                }
            }
            Ok(())
        })
    }

    /// The versions that have a key and no payload at the vault's place: it was lost, or its sealing cut
    /// off.
    ///
    /// # Errors
    /// [`VaultError::Payload`].
    pub fn missing_payloads(&self) -> Result<Vec<RecordVersion>, VaultError> {
        let mut missing = Vec::new();
        for (record, erased) in self.every_version() {
            if !erased && !self.payloads.has(&record)? {
                missing.push(record);
            }
        }
        Ok(missing)
    }

    /// Removes what there is of a version's payload, also what a move that was cut off left in the folder.
    pub(super) fn remove_payload(&self, record: &RecordVersion) -> Result<(), VaultError> {
        self.in_left_folder(|folder| Ok(folder.remove(record)?))?;
        Ok(self.payloads.remove(record)?)
    }

    /// Does something in the vault's own folder, if there is one beside the bucket that has the payloads.
    fn in_left_folder(
        &self,
        act: impl FnOnce(&Payloads) -> Result<(), VaultError>,
    ) -> Result<(), VaultError> {
        let path = self.folder.join("payloads");
        if matches!(self.payloads, Payloads::Folder(_)) || !path.exists() {
            return Ok(());
        }
        // Nothing is half done in it that a panic could have left.
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = match left.take() {
            Some(folder) => folder,
            None => Payloads::Folder(Folder::open(&path)?),
        };
        act(left.insert(folder))
    }

    /// The payloads of the vault in this folder, at a place that may not be the one it uses.
    #[cfg_attr(not(feature = "objects"), allow(unused_variables))]
    pub(super) fn place(
        path: &Path,
        root: &DerivationRoot,
        place: &PayloadPlace,
    ) -> Result<Payloads, VaultError> {
        match place {
            PayloadPlace::Folder => {
                let folder = Folder::open(&path.join("payloads"))?;
                // It may have been made just now, or by a process that was killed.
                sync_folder(path).map_err(io_at(path))?;
                Ok(Payloads::Folder(folder))
            }
            #[cfg(feature = "objects")]
            PayloadPlace::Bucket(bucket) => {
                let mark = hmac_sha256(root.expose(), &[b"medanchor/payloads-of/v1"]);
                let objects = crate::objects::Objects::open(bucket, hex::encode(mark))?;
                Ok(Payloads::Objects(objects))
            }
        }
    }

    /// Every version that there is or was, and whether it was erased.
    fn every_version(&self) -> Vec<(RecordVersion, bool)> {
        let slots = self.slots();
        let mut all = Vec::new();
        for handle in slots.handles(Kind::Vault) {
            for version in slots.versions(Kind::Vault, handle) {
                let record = self.version(RecordHandle::new(handle), version);
                all.push((record, slots.is_erased(&slot_name(Kind::Vault, &record))));
            }
        }
        all
    }
}

/// Whether there was a payload to copy.
fn copy(from: &Payloads, to: &Payloads, record: &RecordVersion) -> Result<bool, PayloadError> {
    let mut source = match from.reader(record) {
        Ok(source) => source,
        Err(error) if error.is_missing() => return Ok(false),
        Err(error) => return Err(error),
    };
    let lost = |source| PayloadError::Moving {
        record: *record,
        source,
    };
    let mut head = Vec::new();
    (&mut source)
        .take(IN_MEMORY)
        .read_to_end(&mut head)
        .map_err(lost)?;
    if (head.len() as u64) < IN_MEMORY {
        to.put(record, &head)?;
        return Ok(true);
    }
    let mut whole = head.as_slice().chain(source);
    match to.reader(record) {
        Ok(there) => match same(whole, there).map_err(lost)? {
            true => to.sync(record).map(|()| true),
            false => Err(PayloadError::Taken { record: *record }),
        },
        Err(error) if error.is_missing() => to.put_stream(record, |target| {
            io::copy(&mut whole, target).map_err(lost)?;
            Ok(true)
        }),
        Err(error) => Err(error),
    }
}

fn same(mut one: impl Read, mut other: impl Read) -> io::Result<bool> {
    let (mut here, mut there) = (Vec::new(), Vec::new());
    loop {
        here.clear();
        there.clear();
        (&mut one).take(1 << 16).read_to_end(&mut here)?;
        (&mut other).take(1 << 16).read_to_end(&mut there)?;
        if here != there || here.is_empty() {
            return Ok(here == there);
        }
    }
}

#[cfg(all(test, feature = "objects"))]
mod tests;
