//! Custodians' acknowledgements of their shares, kept by the owner for good: each convicts a custodian
//! that later releases another share. They say nothing that is not on the ledger, so every participant
//! that asks gets them.
//!
//! `file` keeps them.

mod file;

pub(crate) use file::Acknowledgements;

use super::messages::read_messages;
#[cfg(feature = "client")]
use super::messages::write_messages;
use crate::identity::Identity;
use medanchor_ledger::RecordHandle;
use medanchor_vault::custody::{Acknowledgement, Release, Signed};
use std::io::{self, ErrorKind};
#[cfg(feature = "client")]
use std::path::Path;

/// One sharing of a record's key: what is asked for in a statement, as handle (16 bytes), version and
/// epoch (4 each, big-endian).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sharing {
    /// The record, among the owner's.
    pub record: RecordHandle,
    /// Its version.
    pub version: u32,
    /// The epoch of the custodians.
    pub epoch: u32,
}

impl Sharing {
    /// The sharing that a release is of.
    #[must_use]
    pub const fn of(release: &Release) -> Self {
        Self {
            record: release.record.record.record,
            version: release.record.record.version,
            epoch: release.place.epoch,
        }
    }

    #[cfg(feature = "client")]
    const fn acknowledged(one: &Acknowledgement) -> Self {
        Self {
            record: one.record.record.record,
            version: one.record.record.version,
            epoch: one.place.epoch,
        }
    }

    /// Its one encoding.
    #[must_use]
    pub fn encode(&self) -> [u8; 24] {
        let mut bytes = [0; 24];
        bytes[..16].copy_from_slice(self.record.as_bytes());
        bytes[16..20].copy_from_slice(&self.version.to_be_bytes());
        bytes[20..].copy_from_slice(&self.epoch.to_be_bytes());
        bytes
    }

    /// Reads what [`Sharing::encode`] gives; `None` for other bytes.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (record, rest) = bytes.split_first_chunk()?;
        let (version, rest) = rest.split_first_chunk()?;
        Some(Self {
            record: RecordHandle::new(*record),
            version: u32::from_be_bytes(*version),
            epoch: u32::from_be_bytes(rest.try_into().ok()?),
        })
    }
}

impl Identity {
    /// The custodians' acknowledgements of one sharing, as they gave them when the record was sealed or
    /// moved; `None` if there are none.
    ///
    /// # Errors
    /// What the system says; a damaged file is [`ErrorKind::InvalidData`].
    pub fn acknowledgements(
        &self,
        sharing: &Sharing,
    ) -> io::Result<Option<Vec<Signed<Acknowledgement>>>> {
        let bytes = self.acknowledgements_as_kept(sharing)?;
        let read = bytes.map(|bytes| read_messages(&bytes));
        let damaged = |error| io::Error::new(ErrorKind::InvalidData, error);
        read.transpose().map_err(damaged)
    }

    /// The same as one encoded list, for whoever asks for it.
    ///
    /// # Errors
    /// As [`Identity::acknowledgements`].
    pub fn acknowledgements_as_kept(&self, sharing: &Sharing) -> io::Result<Option<Vec<u8>>> {
        self.kept_acknowledgements().get(sharing)
    }

    /// Whether custodians have acknowledged a version: then its event may have been signed.
    pub(crate) fn is_acknowledged(&self, record: RecordHandle, version: u32) -> io::Result<bool> {
        self.kept_acknowledgements().has(record, version)
    }

    /// Keeps the acknowledgements of sharings, each in the order of the places; on disk when it returns.
    #[cfg(feature = "client")]
    pub(crate) fn keep_acknowledgements(
        &self,
        sharings: &[Vec<Signed<Acknowledgement>>],
    ) -> io::Result<()> {
        let rows = sharings.iter().filter_map(|all| {
            let sharing = Sharing::acknowledged(all.first()?.says());
            Some((sharing, write_messages(all)))
        });
        self.kept_acknowledgements().keep(&rows.collect::<Vec<_>>())
    }

    /// Where they are.
    #[cfg(feature = "client")]
    pub(crate) fn acknowledgements_path(&self) -> &Path {
        self.kept_acknowledgements().path()
    }
}
