//! Reading a published log: for an auditor over a folder it does not trust, and for the node over
//! its own.
//!
//! What always holds: every file is read up to the largest size its kind may have and no further;
//! tiles and bundles have exactly the shape their names demand. What they say is not checked here:
//! that is what an audit does.

use crate::StoreError;
use crate::cosigned::records_of;
use crate::files::read_bounded;
use crate::log::records::Records;
use medanchor_ledger::certificate::Certificate;
use medanchor_ledger::cosignature::Cosignature;
use medanchor_ledger::merkle::bundle::{BundleId, MAX_ENTRY, read_entries};
use medanchor_ledger::merkle::tile::{Tile, TileId, TileReader};
use medanchor_ledger::note::Note;
use medanchor_ledger::policy::{Policy, PolicyChain};
use medanchor_ledger::{PolicyHash, ReadFailed, Size};
use std::fmt::Display;
use std::path::{Path, PathBuf};

/// The most bytes of a genesis file that are read.
pub const MAX_GENESIS: usize = 1 << 20;
const MAX_TILE: u64 = 256 * 32;
const MAX_BUNDLE: u64 = 256 * (2 + MAX_ENTRY as u64);

/// A folder that holds a published log. Keeps nothing open and nothing in memory.
#[derive(Clone, Debug)]
pub struct LogReader {
    folder: PathBuf,
}

impl LogReader {
    /// The log under `folder`; nothing is read yet.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
        }
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The bytes of `checkpoint`, a signed note; `None` before the first.
    ///
    /// # Errors
    ///
    /// When it cannot be read or is too large.
    pub fn checkpoint(&self) -> Result<Option<Vec<u8>>, StoreError> {
        read_bounded(&self.folder.join("checkpoint"), Note::MAX_BYTES as u64)
    }

    /// The bytes of `witnessed`, a signed note; `None` before the first.
    ///
    /// # Errors
    ///
    /// When it cannot be read or is too large.
    pub fn witnessed(&self) -> Result<Option<Vec<u8>>, StoreError> {
        read_bounded(&self.folder.join("witnessed"), Note::MAX_BYTES as u64)
    }

    /// The bytes of `genesis`.
    ///
    /// # Errors
    ///
    /// When it cannot be read or is too large.
    pub fn genesis(&self) -> Result<Option<Vec<u8>>, StoreError> {
        read_bounded(&self.folder.join("genesis"), MAX_GENESIS as u64)
    }

    /// The bytes of the policy file with this hash.
    ///
    /// # Errors
    ///
    /// When it cannot be read or is too large.
    pub fn policy(&self, hash: &PolicyHash) -> Result<Option<Vec<u8>>, StoreError> {
        let path = self.folder.join("policies").join(hash.to_string());
        read_bounded(&path, Policy::MAX_BYTES as u64)
    }

    /// The bytes of `policy-chain`.
    ///
    /// # Errors
    ///
    /// When it cannot be read or is too large.
    pub fn policy_chain(&self) -> Result<Option<Vec<u8>>, StoreError> {
        let limit = PolicyChain::MAX_BYTES as u64;
        read_bounded(&self.folder.join("policy-chain"), limit)
    }

    /// The bytes of a bundle of entries: the file of that width, or that of the full bundle, which
    /// replaces it. [`read_entries`] takes both.
    ///
    /// # Errors
    ///
    /// When there is neither, or it cannot be read or is too large.
    pub fn bundle(&self, id: BundleId) -> Result<Vec<u8>, StoreError> {
        self.either(&id, &id.full(), MAX_BUNDLE)
    }

    /// Hands the entries of a bundle to `each`, in order.
    ///
    /// # Errors
    ///
    /// As [`Self::bundle`], and when the file has not exactly the entries its name demands.
    pub fn entries<T>(
        &self,
        id: BundleId,
        each: impl FnOnce(&[&[u8]]) -> T,
    ) -> Result<T, StoreError> {
        let bytes = self.bundle(id)?;
        let entries = read_entries(id, &bytes).map_err(|_| self.misshapen(&id))?;
        Ok(each(&entries))
    }

    /// The tile, from the file of that width or from the full one.
    ///
    /// # Errors
    ///
    /// When there is neither, or it has not exactly the hashes its name demands.
    pub fn read_tile(&self, id: TileId) -> Result<Tile, StoreError> {
        let bytes = self.either(&id, &id.full(), MAX_TILE)?;
        Tile::decode(id, &bytes).map_err(|_| self.misshapen(&id))
    }

    /// The certificates, by height from 1 on, as bytes; `position` is that of a record, or 0.
    ///
    /// # Errors
    ///
    /// When the file cannot be opened.
    pub fn certificates(&self, position: u64) -> Result<Records, StoreError> {
        Records::open(
            &self.folder.join("certificates"),
            position,
            Certificate::MAX_BYTES,
        )
    }

    /// The cosignature records, in the order in which they came, as bytes.
    ///
    /// # Errors
    ///
    /// When the file cannot be opened.
    pub fn cosignatures(&self) -> Result<Records, StoreError> {
        Records::open(&self.folder.join("cosignatures"), 0, Cosignature::MAX_BYTES)
    }

    /// The cosignature records of one size, not judged; none if that size was not published.
    ///
    /// # Errors
    ///
    /// When the file cannot be read.
    pub fn cosignatures_of(&self, size: Size) -> Result<Vec<Cosignature>, StoreError> {
        records_of(&self.folder.join("cosignatures"), size)
    }

    fn either(
        &self,
        name: &dyn Display,
        full: &dyn Display,
        limit: u64,
    ) -> Result<Vec<u8>, StoreError> {
        for name in [name, full] {
            if let Some(bytes) = read_bounded(&self.folder.join(name.to_string()), limit)? {
                return Ok(bytes);
            }
        }
        let path = self.folder.join(name.to_string());
        Err(StoreError::Missing {
            path,
            what: "a file of the log",
        })
    }

    fn misshapen(&self, name: &dyn Display) -> StoreError {
        StoreError::Damaged {
            path: self.folder.join(name.to_string()),
            position: 0,
            what: "it has another shape than its name demands",
        }
    }
}

impl TileReader for LogReader {
    fn tile(&self, id: TileId) -> Result<Tile, ReadFailed> {
        Ok(self.read_tile(id)?)
    }
}
