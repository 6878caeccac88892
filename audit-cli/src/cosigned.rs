//! Checks every cosignature that the log's node kept.
//!
//! What always holds: each record's signatures hold under the keys of a validator, for a size at
//! which a block ends and for the root that the entries have there; sizes never go back, so no record
//! is counted twice. Two records of one validator for one size with different roots would be proof of
//! a fork; one of them fails here.

use crate::entries::{FULL, fetch, take_entry};
use crate::fault::{Failure, Fault};
use crate::records::Records;
use crate::source::Source;
use crate::tiles::{CheckedTiles, unreadable};
use medanchor_ledger::checkpoint::Checkpoint;
use medanchor_ledger::cosignature::{Added, Cosignature, Gathering};
use medanchor_ledger::genesis::Genesis;
use medanchor_ledger::merkle::bundle::BundleId;
use medanchor_ledger::merkle::root_at;
use medanchor_ledger::merkle::tile::TileNodes;
use medanchor_ledger::seal::{EntryKind, Seal};
use medanchor_ledger::{Size, Time, TreeHash};

/// How many records held, and of how many sizes.
#[derive(Debug, Default)]
pub(crate) struct Cosigned {
    /// Whether the log has the file at all.
    pub(crate) published: bool,
    pub(crate) records: u64,
    pub(crate) sizes: u64,
    /// Records of sizes beyond the checkpoint: their signatures hold, their roots are not judged.
    pub(crate) beyond: u64,
    /// Whether the file ends with a part of one more record.
    pub(crate) incomplete_tail: bool,
}

/// Checks the records of the log up to the size of `checkpoint`, whose tiles were all checked. `tick`
/// is told of each record what was counted so far, and, if it is new and its root was judged, the
/// record itself and the time of the block that ends at its size.
pub(crate) fn check(
    source: &dyn Source,
    genesis: &Genesis,
    checkpoint: &Checkpoint,
    mut tick: impl FnMut(&Cosigned, Option<(&Cosignature, Time)>),
) -> Result<Cosigned, Failure> {
    let mut records = Records::open(source, "cosignatures", Cosignature::MAX_BYTES)?;
    let mut judging = Judging::new(source, genesis, checkpoint);
    judging.counts.published = records.is_there();
    while let Some((position, bytes)) = records.next()? {
        let new = judging.judge(position, &bytes)?;
        let new = new.as_ref().map(|(record, time)| (record, *time));
        tick(&judging.counts, new);
    }
    judging.counts.incomplete_tail = records.has_incomplete_tail();
    Ok(judging.counts)
}

/// Judges cosignatures of a log one after another.
pub(crate) struct Judging<'s> {
    genesis: &'s Genesis,
    checkpoint: &'s Checkpoint,
    tiles: TileNodes<CheckedTiles<'s>>,
    ends: BlockEnds<'s>,
    /// The size that is open, and the time of its block.
    gathering: Option<(Gathering, Time)>,
    /// The size of the record before.
    newest: Size,
    pub(crate) counts: Cosigned,
}

impl<'s> Judging<'s> {
    /// `source` has the tiles of the log of `checkpoint`, which were all checked.
    pub(crate) fn new(
        source: &'s dyn Source,
        genesis: &'s Genesis,
        checkpoint: &'s Checkpoint,
    ) -> Self {
        Self {
            genesis,
            checkpoint,
            tiles: TileNodes::new(CheckedTiles::new(source), checkpoint.size),
            ends: BlockEnds {
                source,
                size: checkpoint.size,
                last: None,
            },
            gathering: None,
            newest: Size(0),
            counts: Cosigned::default(),
        }
    }

    /// Judges a record that begins at `position` of its file; what is new of the checkpoint's log is
    /// given back, with the time of the block at whose end it was signed.
    pub(crate) fn judge(
        &mut self,
        position: u64,
        bytes: &[u8],
    ) -> Result<Option<(Cosignature, Time)>, Failure> {
        let at = |cause| Fault::Cosignature { position, cause };
        let record = Cosignature::decode(bytes).map_err(at)?;
        if record.size < self.newest {
            return Err(out_of_order(position).into());
        }
        self.newest = record.size;
        if record.size > self.checkpoint.size {
            // Its root is not known here, but whoever signed it must be a validator.
            self.gathering_of(record.size, record.root)
                .add(&record)
                .map_err(at)?;
            self.counts.beyond += 1;
            return Ok(None);
        }
        let open = self.gathering.take();
        let open = open.filter(|(open, _)| open.checkpoint().size == record.size);
        let (mut open, time) = match open {
            Some(open) => open,
            None => self.next_size(&record, position)?,
        };
        let new = open.add(&record).map_err(at)? != Added::Known;
        self.gathering = Some((open, time));
        self.counts.records += u64::from(new);
        Ok(new.then_some((record, time)))
    }

    fn next_size(
        &mut self,
        record: &Cosignature,
        position: u64,
    ) -> Result<(Gathering, Time), Failure> {
        let time = self.ends.time(record, position)?;
        let root = root_at(&self.tiles, record.size).map_err(|error| unreadable(&error))?;
        self.counts.sizes += 1;
        Ok((self.gathering_of(record.size, root), time))
    }

    fn gathering_of(&self, size: Size, root: TreeHash) -> Gathering {
        let head = Checkpoint {
            size,
            root,
            ..self.checkpoint.clone()
        };
        Gathering::new(head, self.genesis.validators().clone())
    }
}

/// What is wrong with a record at `position` that stands behind one of a larger size.
fn out_of_order(position: u64) -> Fault {
    Fault::Records {
        path: "cosignatures",
        position,
        what: "a record of a smaller size than the one before; nodes keep them in order".to_owned(),
    }
}

/// Says at which sizes blocks end; keeps the bundle that was looked into last.
struct BlockEnds<'s> {
    source: &'s dyn Source,
    size: Size,
    last: Option<(BundleId, Vec<u8>)>,
}

impl BlockEnds<'_> {
    /// The time of the block that ends at the record's size; a record whose size ends with no seal is
    /// refused.
    fn time(&mut self, record: &Cosignature, position: u64) -> Result<Time, Failure> {
        if let Some(seal) = self.seal(record.size)? {
            return Ok(seal.time);
        }
        let (validator, size) = (record.validator.clone(), record.size);
        Err(Fault::NoBlockEnd {
            position,
            validator,
            size,
        }
        .into())
    }

    fn seal(&mut self, size: Size) -> Result<Option<Seal>, Failure> {
        let Some(last) = size.0.checked_sub(1) else {
            return Ok(None);
        };
        let Some(id) = BundleId::at(last / FULL, self.size) else {
            return Ok(None);
        };
        if self.last.as_ref().is_none_or(|(kept, _)| *kept != id) {
            self.last = Some((id, fetch(self.source, id)?));
        }
        let mut rest = self.last.as_ref().map_or(&[][..], |(_, bytes)| bytes);
        let entries = (0..=last % FULL).map(|_| take_entry(&mut rest));
        let found = entries.last().flatten();
        let found = found.filter(|entry| EntryKind::of(entry) == EntryKind::Seal);
        Ok(found.and_then(|entry| Seal::decode(entry).ok()))
    }
}
