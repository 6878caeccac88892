//! Checkpoints that the user saved elsewhere.
//!
//! What always holds: each counts by the policy of its size as any copy's does, judged anew in every round by
//! the longest chain that is known; they are few and bounded, the largest first.

use crate::compare::Signed;
use crate::fault::{Fault, Trouble};
use crate::file;
use crate::trust::Trust;
use medanchor_ledger::note::Note;
use medanchor_ledger::policy::CheckpointPolicy;
use std::cmp::Reverse;
use std::path::{Path, PathBuf};

/// How many the user may give: each is held against a copy's tiles in every round.
pub(super) const MOST: usize = 32;

/// A checkpoint in a file; whose signatures it has is not yet judged.
pub(crate) struct Saved {
    pub(super) path: PathBuf,
    pub(super) signed: Signed,
}

/// Reads the files; one that is no checkpoint is the user's mistake.
pub(super) fn read(paths: &[PathBuf]) -> Result<Vec<Saved>, Trouble> {
    let one = |path: &PathBuf| -> Result<Saved, Trouble> {
        let bytes = file::read(path, Note::MAX_BYTES as u64)?;
        let signed = Signed::parse(&bytes).map_err(|fault| refused(path, &fault))?;
        let path = path.clone();
        Ok(Saved { path, signed })
    };
    let mut saved: Vec<Saved> = paths.iter().map(one).collect::<Result<_, _>>()?;
    saved.sort_by_key(|saved| Reverse(saved.signed.checkpoint.size));
    Ok(saved)
}

/// Those that count. One that does not is the user's mistake, once a copy has `told` its chain: before
/// that its signers may only not be known yet, and it is left out.
pub(super) fn counting<'s>(
    saved: &'s [Saved],
    trust: &Trust,
    told: bool,
) -> Result<Vec<&'s Saved>, Trouble> {
    let mut counting = Vec::new();
    for one in saved {
        match trust.verify_checkpoint(&one.signed.note) {
            Ok(_) => counting.push(one),
            Err(why) if told => return Err(refused(&one.path, &why.into())),
            Err(_) => {}
        }
    }
    Ok(counting)
}

fn refused(path: &Path, fault: &Fault) -> Trouble {
    let path = path.display().to_string();
    let cause = fault.to_string();
    Trouble::File { path, cause }
}
