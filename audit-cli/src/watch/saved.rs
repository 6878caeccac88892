//! Checkpoints that the user saved elsewhere.
//!
//! What always holds: each meets the policy as any copy's must; they are few and bounded, the largest first.

use crate::compare::Signed;
use crate::fault::{Failure, Fault, Trouble};
use crate::file;
use crate::opened::accept;
use medanchor_ledger::genesis::Genesis;
use medanchor_ledger::note::Note;
use medanchor_ledger::policy::Policy;
use std::cmp::Reverse;
use std::path::{Path, PathBuf};

/// How many the user may give: each is held against a copy's tiles in every round.
pub(super) const MOST: usize = 32;

/// A checkpoint in a file.
pub(crate) struct Saved {
    pub(super) path: PathBuf,
    pub(super) signed: Signed,
}

/// Reads the files; one that is no checkpoint of this network with a quorum is the user's mistake.
pub(super) fn read(
    paths: &[PathBuf],
    genesis: &Genesis,
    given: Option<&Policy>,
) -> Result<Vec<Saved>, Failure> {
    let one = |path: &PathBuf| -> Result<Saved, Failure> {
        let bytes = file::read(path, Note::MAX_BYTES as u64)?;
        let signed = judged(&bytes, genesis, given).map_err(|fault| refused(path, &fault))?;
        let path = path.clone();
        Ok(Saved { path, signed })
    };
    let mut saved: Vec<Saved> = paths.iter().map(one).collect::<Result<_, _>>()?;
    saved.sort_by_key(|saved| Reverse(saved.signed.checkpoint.size));
    Ok(saved)
}

fn judged(bytes: &[u8], genesis: &Genesis, given: Option<&Policy>) -> Result<Signed, Fault> {
    let signed = Signed::parse(bytes)?;
    accept(&signed.note, genesis, given)?;
    Ok(signed)
}

fn refused(path: &Path, fault: &Fault) -> Trouble {
    let path = path.display().to_string();
    let cause = fault.to_string();
    Trouble::File { path, cause }
}
