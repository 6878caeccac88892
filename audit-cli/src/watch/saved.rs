//! Checkpoints that the user saved elsewhere.
//!
//! What always holds: each counts by the policy of its size as any copy's does, judged anew in every round by
//! the longest chain that is known, and one that does not count is a finding; they are few and bounded, the
//! largest first.

use super::round::{Finding, Round};
use crate::compare::Signed;
use crate::fault::{Fault, Trouble};
use crate::file;
use crate::observation::Kind;
use medanchor_ledger::note::{KeyName, Note};
use medanchor_ledger::policy::{CheckpointPolicy, Distrust};
use std::cmp::Reverse;
use std::path::{Path, PathBuf};

/// How many the user may give: each is held against a copy's tiles in every round.
pub(super) const MOST: usize = 32;

/// A checkpoint in a file; whose signatures it has is not yet judged.
pub(crate) struct Saved {
    pub(super) path: PathBuf,
    pub(super) signed: Signed,
}

impl Saved {
    /// The file, as findings name it, and what it has.
    pub(super) fn of(&self) -> (String, &Signed) {
        (self.path.display().to_string(), &self.signed)
    }
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

/// One of another network is the user's mistake.
pub(super) fn of_network(saved: &[Saved], network: &KeyName) -> Result<(), Trouble> {
    let other = |one: &&Saved| one.signed.checkpoint.origin != *network;
    saved.iter().find(other).map_or(Ok(()), |one| {
        let (wanted, found) = (
            network.to_string(),
            one.signed.checkpoint.origin.to_string(),
        );
        Err(refused(&one.path, &Fault::OtherNetwork { wanted, found }))
    })
}

impl Round<'_> {
    /// Takes those that count, and tells of the others: what a copy serves ends no watcher. Nothing is told
    /// before a copy has `told` its chain, when their signers may only not be known yet.
    pub(super) fn judge_saved(&mut self, told: bool) -> Vec<Finding> {
        self.saved.clear();
        let mut findings = Vec::new();
        for one in self.given {
            match self.trust.verify_checkpoint(&one.signed.note) {
                Ok(_) => self.saved.push(one),
                Err(why) if told => findings.push(self.does_not_count(one, &why)),
                Err(_) => {}
            }
        }
        findings
    }

    /// The user's own file is what shows it.
    fn does_not_count(&self, saved: &Saved, why: &Distrust) -> Finding {
        let what = match self.trust.may_come(&saved.signed.checkpoint, why) {
            true => {
                "cannot be judged yet, a quorum of its validators is in no chain of policies that a copy shows"
            }
            false => "does not count",
        };
        let evidence = saved.path.clone();
        Finding {
            kind: Kind::Broken.name(),
            of: evidence.display().to_string(),
            says: format!("the saved checkpoint {what}: {why}"),
            evidence,
            proved: false,
            attested: false,
        }
    }
}

fn refused(path: &Path, fault: &Fault) -> Trouble {
    let path = path.display().to_string();
    let cause = fault.to_string();
    Trouble::File { path, cause }
}
