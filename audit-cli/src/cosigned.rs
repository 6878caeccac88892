//! Checks every cosignature that the log's node kept.
//!
//! What always holds: each record's signatures hold under the keys of a validator, for a size at
//! which a block ends and for the root that the entries have there; sizes never go back, so no record
//! is counted twice. Two records of one validator for one size with different roots would be proof of
//! a fork; one of them fails here. What is read for this, tiles and seals, is proved under the checkpoint
//! once more: where a source serves something else than before, that is the source's fault and nobody's
//! who signed.

use crate::entries::{FULL, fetch, take_entry};
use crate::fault::{Failure, Fault};
use crate::records::Records;
use crate::source::Source;
use crate::tiles::{CheckedTiles, unreadable};
use medanchor_ledger::checkpoint::Checkpoint;
use medanchor_ledger::cosignature::{Added, Cosignature, Gathering};
use medanchor_ledger::genesis::Genesis;
use medanchor_ledger::merkle::bundle::BundleId;
use medanchor_ledger::merkle::tile::TileNodes;
use medanchor_ledger::merkle::{
    NoProof, consistency_proof, inclusion_proof, leaf_hash, root_at, verify_consistency,
    verify_inclusion,
};
use medanchor_ledger::seal::{EntryKind, Seal};
use medanchor_ledger::{Index, Size, Time, TreeHash};

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

/// Checks the records of the log up to the size of `checkpoint`. `tick`
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
    /// `source` has the tiles and the bundles of the log of `checkpoint`.
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
        let size = record.size;
        let no_block_end = || {
            let validator = record.validator.clone();
            Fault::NoBlockEnd {
                position,
                validator,
                size,
            }
        };
        let last = size.0.checked_sub(1).ok_or_else(no_block_end)?;
        let root = self.proved_root(size)?;
        let seal = self.ends.seal(&self.tiles, Index(last), &root)?;
        let time = seal.ok_or_else(no_block_end)?.time;
        self.counts.sizes += 1;
        Ok((self.gathering_of(size, root), time))
    }

    /// The root of the first `size` entries, of which tiles prove that the checkpoint's log goes on from it.
    fn proved_root(&self, size: Size) -> Result<TreeHash, Failure> {
        let (whole, signed) = (self.checkpoint.size, &self.checkpoint.root);
        let root = root_at(&self.tiles, size).map_err(|error| unreadable(&error))?;
        let proof = proof(consistency_proof(&self.tiles, size, whole), whole)?;
        let proved = verify_consistency(size, &root, whole, signed, &proof);
        proved.map_err(|_| Fault::Root { size: whole })?;
        Ok(root)
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

/// The last entries of blocks; keeps the bundle that was looked into last.
struct BlockEnds<'s> {
    source: &'s dyn Source,
    size: Size,
    last: Option<(BundleId, Vec<u8>)>,
}

impl BlockEnds<'_> {
    /// The entry at `last`, if it is a seal; it is proved to be the last one under `root`.
    fn seal(
        &mut self,
        tiles: &TileNodes<CheckedTiles<'_>>,
        last: Index,
        root: &TreeHash,
    ) -> Result<Option<Seal>, Failure> {
        let size = Size(last.0.saturating_add(1));
        let Some(id) = BundleId::at(last.0 / FULL, self.size) else {
            return Ok(None);
        };
        if self.last.as_ref().is_none_or(|(kept, _)| *kept != id) {
            self.last = Some((id, fetch(self.source, id)?));
        }
        let mut rest = self.last.as_ref().map_or(&[][..], |(_, bytes)| bytes);
        let entries = (0..=last.0 % FULL).map(|_| take_entry(&mut rest));
        let entry = entries.last().flatten();
        let proof = proof(inclusion_proof(tiles, last, size), self.size)?;
        let is_proved =
            |entry: &&[u8]| verify_inclusion(last, size, &leaf_hash(entry), &proof, root).is_ok();
        let entry = entry.filter(is_proved).ok_or_else(|| Fault::Differs {
            path: id.to_string(),
            index: last,
        })?;
        let seal = Some(entry).filter(|entry| EntryKind::of(entry) == EntryKind::Seal);
        Ok(seal.and_then(|entry| Seal::decode(entry).ok()))
    }
}

/// A proof from the tiles of a log of `size` entries; what makes none is no tile of it.
fn proof(made: Result<Vec<TreeHash>, NoProof>, size: Size) -> Result<Vec<TreeHash>, Failure> {
    made.map_err(|no_proof| match no_proof {
        NoProof::Read(error) => unreadable(&error).into(),
        _ => Fault::Root { size }.into(),
    })
}
