//! Signed checkpoints of published sizes, the newest and older ones.
//!
//! What always holds: a checkpoint is given only with a quorum whose signatures were judged just now,
//! under the root that this node computed itself.

use medanchor_ledger::checkpoint::Checkpoint;
use medanchor_ledger::cosignature::Gathering;
use medanchor_ledger::genesis::Genesis;
use medanchor_ledger::merkle::root_at;
use medanchor_ledger::{ReadFailed, Size};
use medanchor_store::Store;

/// The quorum that signed the checkpoint of `size`; none if that size was not published.
///
/// # Errors
/// If storage cannot be read.
pub fn at(store: &Store, genesis: &Genesis, size: Size) -> Result<Option<Gathering>, ReadFailed> {
    if size > store.published() {
        return Ok(None);
    }
    let records = store.published_log().cosignatures_of(size)?;
    if records.is_empty() {
        return Ok(None);
    }
    let checkpoint = Checkpoint {
        origin: genesis.origin().clone(),
        size,
        root: root_at(&store.nodes(), size)?,
    };
    let mut gathering = Gathering::new(checkpoint, genesis.validators().clone());
    for record in &records {
        // What does not hold is not counted.
        let _ = gathering.add(record);
    }
    Ok((gathering.missing() == 0).then_some(gathering))
}
