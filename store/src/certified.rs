//! What of the file of certificates stands when a home is opened.
//!
//! What always holds: a record that holds for a block of the journal is never cut, so a checkpoint that
//! is published does not lose the certificates under it, whenever a start ends. What is cut is torn,
//! damaged or of another block; the journal has it, and the replay appends it again.

use crate::log::checkpoint_size;
use crate::reader::LogReader;
use crate::snapshot::Snapshot;
use crate::{Journal, StoreError};
use medanchor_ledger::block::Block;
use medanchor_ledger::certificate::Certificate;
use medanchor_ledger::execute::Head;
use medanchor_ledger::genesis::Genesis;
use medanchor_ledger::{Height, Size};
use std::collections::VecDeque;

const WRONG: StoreError = StoreError::Contradiction {
    what: "file of certificates",
};

/// The records of the file of certificates that stand.
#[derive(Debug)]
pub(crate) struct Certified {
    /// Where those of the heights after the saved one begin, height by height.
    pub(crate) places: VecDeque<u64>,
    /// Where those of the saved heights end.
    pub(crate) saved: u64,
    /// Where the last one that stands ends.
    pub(crate) end: u64,
}

impl Certified {
    /// Reads on from the certificates of the saved heights. A height may have several certificates:
    /// the one in the file stays if it holds and a published checkpoint covers its block.
    ///
    /// # Errors
    /// When certificates of saved heights are gone, or certificates of blocks that the journal does
    /// not have are published.
    pub(crate) fn read(
        saved: &Snapshot,
        log: &LogReader,
        head: &Head,
        journal: &Journal,
        genesis: &Genesis,
    ) -> Result<Self, StoreError> {
        let published = checkpoint_size(log)?;
        let holds = |certificate: &Certificate| {
            let checked = certificate.verify(genesis.validators(), genesis.network_id());
            checked.is_ok()
        };
        let saved = saved_end(saved, log, head)?;
        let (mut places, mut end) = (VecDeque::new(), saved);
        let (mut next, mut before) = (head.height.next(), head.frontier.size());
        let (mut records, mut stand) = (log.certificates(end)?, true);
        while let Some(Ok(record)) = records.next() {
            let Ok(certificate) = Certificate::decode(&record) else {
                break;
            };
            if certificate.height() != next {
                break;
            }
            if next > journal.tip() {
                return Err(StoreError::Missing {
                    path: log.folder().to_owned(),
                    what: "the journal of blocks whose certificates are published",
                });
            }
            let block = journal.block(next)?.ok_or(WRONG)?;
            let is_other =
                || before < published && certificate.value() == block.value && holds(&certificate);
            stand &= record == block.certificate || is_other();
            if stand {
                places.push_back(end);
                end = records.position();
            }
            (next, before) = (next.next(), size_after(&block.body)?);
        }
        Ok(Self { places, saved, end })
    }
}

fn size_after(body: &[u8]) -> Result<Size, StoreError> {
    let what = "journal";
    let block = Block::decode(body).ok();
    let size = block.and_then(|block| block.seal.size_after());
    size.ok_or(StoreError::Contradiction { what })
}

/// Where the certificates of the saved heights end in their file.
fn saved_end(saved: &Snapshot, log: &LogReader, head: &Head) -> Result<u64, StoreError> {
    if head.height == Height(0) {
        return Ok(0);
    }
    let row = saved.height(head.height)?.ok_or(WRONG)?;
    let mut records = log.certificates(row.certificate)?;
    let last = records.next().ok_or(WRONG)??;
    let height = Certificate::decode(&last).map_err(|_| WRONG)?.height();
    if height == head.height {
        Ok(records.position())
    } else {
        Err(WRONG)
    }
}
