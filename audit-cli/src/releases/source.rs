//! A custodian's log of releases, as it gives it away.
//!
//! ```text
//! file = pages, one after the other        (a CBOR sequence, RFC 8742)
//! page = [size, root, [entries as byte strings]]
//! ```
//!
//! What always holds: there are as many entries as the last page says the log has, and their tree has the
//! root that it says.

use super::args::Given;
use crate::fault::Trouble;
use crate::file;
use crate::source::unreadable;
use medanchor_ledger::cbor::{CborError, Reader};
use medanchor_ledger::genesis::Genesis;
use medanchor_ledger::merkle::{leaf_hash, root_of_leaves};
use medanchor_ledger::{NetworkId, ParticipantName, TreeHash};
use medanchor_vault::custody::Released;

/// The longest file that is read.
const MAX_FILE: u64 = 256 << 20;
/// The most entries of a page.
const MAX_PAGE: usize = 1 << 16;
/// The longest entry.
const MAX_ENTRY: usize = 192;

/// A custodian's log of releases.
pub(super) struct Exported {
    pub(super) custodian: ParticipantName,
    pub(super) entries: Vec<Released>,
}

/// Why a file is no log of releases.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoLog {
    #[error("it is no log of releases ({0})")]
    Cbor(#[from] CborError),
    #[error("it is empty")]
    Empty,
    #[error("it has {found} entries of a log of {size}; fetch the pages that are missing")]
    Part { found: usize, size: u64 },
    #[error("its entries do not have the root that it says")]
    Root,
    #[error("it is a log of another network")]
    Network,
}

impl Given {
    /// Reads the file whole.
    pub(super) fn read(&self, genesis: &Genesis) -> Result<Exported, Trouble> {
        let bytes = file::read(&self.file, MAX_FILE)?;
        let entries = read(&bytes, genesis.network_id());
        let shown = self.file.display().to_string();
        Ok(Exported {
            custodian: self.custodian.clone(),
            entries: entries.map_err(|cause| unreadable(&shown, &cause))?,
        })
    }
}

/// The entries of a log, in their order.
pub(crate) fn read(bytes: &[u8], network: NetworkId) -> Result<Vec<Released>, NoLog> {
    let mut reader = Reader::new(bytes);
    let (mut entries, mut last) = (Vec::new(), None);
    while !reader.is_empty() {
        last = Some(read_page(&mut reader, &mut entries)?);
    }
    let (size, root) = last.ok_or(NoLog::Empty)?;
    let found = entries.len();
    if u64::try_from(found) != Ok(size) {
        return Err(NoLog::Part { found, size });
    }
    if root_of_leaves(entries.iter().map(|entry| leaf_hash(&entry.encode()))) != root {
        return Err(NoLog::Root);
    }
    let foreign = |entry: &Released| entry.record.record.network != network;
    match entries.iter().any(foreign) {
        true => Err(NoLog::Network),
        false => Ok(entries),
    }
}

/// Adds a page's entries; gives the size and root of the whole log.
fn read_page(
    reader: &mut Reader<'_>,
    entries: &mut Vec<Released>,
) -> Result<(u64, TreeHash), CborError> {
    reader.array(3..=3)?;
    let size = reader.uint()?;
    let root = TreeHash::new(reader.fixed()?);
    for _ in 0..reader.array(0..=MAX_PAGE)? {
        entries.push(Released::decode(reader.bytes(MAX_ENTRY)?)?);
    }
    Ok((size, root))
}
