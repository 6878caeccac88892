//! Custodians' acknowledgements of their shares, kept by the owner for good: each convicts a custodian
//! that later releases another share. They say nothing that is not on the ledger, so every participant
//! that asks gets them.
//!
//! ```text
//! FOLDER/acknowledgements/RECORD-VERSION-EPOCH   [acknowledgements as byte strings], in the order of places
//! ```

use super::messages::{read_messages, write_messages};
use crate::durable;
use crate::identity::Identity;
use medanchor_ledger::RecordHandle;
use medanchor_vault::custody::{Acknowledgement, Release, Signed};
use std::io::ErrorKind;
use std::path::PathBuf;

/// The most bytes of a file, and of an answer that holds one.
pub(super) const MAX_FILE: u64 = 256 << 10;

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

    const fn acknowledged(one: &Acknowledgement) -> Self {
        Self {
            record: one.record.record.record,
            version: one.record.record.version,
            epoch: one.place.epoch,
        }
    }

    /// Its one encoding, 24 bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let (version, epoch) = (self.version.to_be_bytes(), self.epoch.to_be_bytes());
        [self.record.as_bytes().as_slice(), &version, &epoch].concat()
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
    ) -> std::io::Result<Option<Vec<Signed<Acknowledgement>>>> {
        let bytes = self.acknowledgements_as_kept(sharing)?;
        let read = bytes.map(|bytes| read_messages(&bytes));
        let damaged = |error| std::io::Error::new(ErrorKind::InvalidData, error);
        read.transpose().map_err(damaged)
    }

    /// The same as one encoded list, for whoever asks for it.
    ///
    /// # Errors
    /// What the system says.
    pub fn acknowledgements_as_kept(&self, sharing: &Sharing) -> std::io::Result<Option<Vec<u8>>> {
        durable::read_bounded(&self.acknowledgements_path(sharing), MAX_FILE)
    }

    /// Keeps the acknowledgements of sharings, each in the order of the places; on disk when it returns.
    pub(crate) fn keep_acknowledgements(
        &self,
        sharings: &[Vec<Signed<Acknowledgement>>],
    ) -> std::io::Result<()> {
        let named = sharings.iter().filter_map(|all| {
            let sharing = Sharing::acknowledged(all.first()?.says());
            Some((self.acknowledgements_path(&sharing), write_messages(all)))
        });
        durable::write_all(&named.collect::<Vec<_>>())
    }

    fn acknowledgements_path(&self, sharing: &Sharing) -> PathBuf {
        let Sharing {
            record,
            version,
            epoch,
        } = sharing;
        let folder = self.folder().join("acknowledgements");
        folder.join(format!("{record}-{version}-{epoch}"))
    }
}
