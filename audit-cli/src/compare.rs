//! Holds two signed checkpoints of one log against each other.
//!
//! What always holds: "consistent" and "forked" are both proved by hashes that lead to the roots that
//! were signed; tiles that lead nowhere are a fault of whoever served them and prove nothing about
//! who signed.

use crate::fault::{Failure, Fault};
use crate::source::Source;
use crate::tiles::{CheckedTiles, unreadable};
use medanchor_ledger::TreeHash;
use medanchor_ledger::checkpoint::Checkpoint;
use medanchor_ledger::fork::{Fork, ForkError, LaterRoot};
use medanchor_ledger::merkle::tile::TileNodes;
use medanchor_ledger::merkle::{NoProof, consistency_proof, root_at, verify_consistency};
use medanchor_ledger::note::Note;

/// A note and the checkpoint that it signs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Signed {
    pub(crate) note: Note,
    pub(crate) checkpoint: Checkpoint,
}

impl Signed {
    /// Reads a note; whose signatures it has is not judged.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        let note = Note::parse(bytes)?;
        let checkpoint = note
            .text()
            .parse()
            .map_err(|cause| Fault::Checkpoint { cause })?;
        Ok(Self { note, checkpoint })
    }
}

/// What two checkpoints of one log are to each other.
pub(crate) enum Compared {
    /// The larger log begins with the smaller one, by this proof.
    Consistent(Vec<TreeHash>),
    /// They cannot both be true.
    Forked(Box<Fork>),
}

/// Compares two checkpoints of one origin, in any order; `source` has the tiles of the larger one and
/// is not asked for any if the sizes are equal.
pub(crate) fn compare(
    one: &Signed,
    other: &Signed,
    source: &dyn Source,
) -> Result<Compared, Failure> {
    let (smaller, larger) = match one.checkpoint.size <= other.checkpoint.size {
        true => (one, other),
        false => (other, one),
    };
    let (old, new) = (&smaller.checkpoint, &larger.checkpoint);
    if old.size == new.size {
        return equal_sizes(smaller, larger);
    }
    let nodes = TileNodes::new(CheckedTiles::new(source), new.size);
    let proof = match consistency_proof(&nodes, old.size, new.size) {
        Ok(proof) => proof,
        Err(NoProof::Read(error)) => return Err(unreadable(&error).into()),
        Err(_) => return Err(Fault::EmptyLog.into()),
    };
    if verify_consistency(old.size, &old.root, new.size, &new.root, &proof).is_ok() {
        return Ok(Compared::Consistent(proof));
    }
    let root = root_at(&nodes, old.size).map_err(|error| unreadable(&error))?;
    let later = Some(LaterRoot { root, proof });
    match Fork::new(smaller.note.clone(), larger.note.clone(), later) {
        Ok(fork) => Ok(Compared::Forked(Box::new(fork))),
        Err(_) => Err(Fault::Root { size: new.size }.into()),
    }
}

/// Compares two checkpoints of one size.
pub(crate) fn equal_sizes(one: &Signed, other: &Signed) -> Result<Compared, Failure> {
    match Fork::new(one.note.clone(), other.note.clone(), None) {
        Ok(fork) => Ok(Compared::Forked(Box::new(fork))),
        Err(ForkError::Consistent) => Ok(Compared::Consistent(Vec::new())),
        Err(ForkError::OtherLog) => {
            let wanted = one.checkpoint.origin.to_string();
            let found = other.checkpoint.origin.to_string();
            Err(Fault::OtherNetwork { wanted, found }.into())
        }
        Err(_) => Err(Fault::Root {
            size: one.checkpoint.size,
        }
        .into()),
    }
}

/// The name of a file of evidence: the same bytes always have the same one.
pub(crate) fn evidence_name(kind: &str, bytes: &[u8], extension: &str) -> String {
    let hash = medanchor_ledger::sha256(&[bytes]);
    let name: String = hash
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("{kind}-{name}.{extension}")
}
