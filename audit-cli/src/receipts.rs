//! Receipts of a log's entries, made from its tiles.
//!
//! What always holds: a receipt is under the checkpoint that the log was opened with; whether its hashes are
//! those of the log is judged when it is verified.

use crate::entries::{FULL, fetch};
use crate::fault::{Failure, Fault};
use crate::opened::Log;
use crate::tiles::{CheckedTiles, unreadable};
use medanchor_ledger::merkle::bundle::{BundleId, read_entries};
use medanchor_ledger::merkle::tile::TileNodes;
use medanchor_ledger::merkle::{NoProof, inclusion_proof};
use medanchor_ledger::receipt::Receipt;
use medanchor_ledger::{Index, Size, TreeHash};

impl Log {
    /// The inclusion hashes of an entry under the log's checkpoint.
    pub(crate) fn inclusion(&self, index: Index) -> Result<Vec<TreeHash>, Failure> {
        let size = self.head().size;
        let tiles = TileNodes::new(CheckedTiles::new(&*self.source), size);
        match inclusion_proof(&tiles, index, size) {
            Ok(proof) => Ok(proof),
            Err(NoProof::Read(error)) => Err(unreadable(&error).into()),
            Err(_) => Err(Fault::NoEntry { index, size }.into()),
        }
    }

    /// The receipt of an entry, without an extra line.
    pub(crate) fn receipt(&self, index: Index) -> Result<Receipt, Failure> {
        Ok(Receipt {
            index,
            proof: self.inclusion(index)?,
            checkpoint: self.note.clone(),
            extra: None,
        })
    }

    /// The bytes of an entry.
    pub(crate) fn entry(&self, index: Index) -> Result<Vec<u8>, Failure> {
        let size: Size = self.head().size;
        let none = || Fault::NoEntry { index, size };
        if index.0 >= size.0 {
            return Err(none().into());
        }
        let id = BundleId::at(index.0 / FULL, size).ok_or_else(none)?;
        let bytes = fetch(&*self.source, id)?;
        let path = id.to_string();
        let entries = read_entries(id, &bytes).map_err(|cause| Fault::TileShape { path, cause })?;
        let place = usize::try_from(index.0 % FULL).unwrap_or(usize::MAX);
        let entry = entries.get(place).ok_or_else(none)?;
        Ok(entry.to_vec())
    }
}
