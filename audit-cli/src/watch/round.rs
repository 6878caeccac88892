//! One look at all copies of a log.
//!
//! What always holds: a checkpoint counts only if the policy of its size accepts it, by the longest
//! chain that any copy showed, as far as no two of them part; every two that count are held against each other by the tiles of the
//! larger one, those of earlier rounds and those that the user saved included; what one copy serves can
//! hide nothing that another shows. What was seen of a copy is replaced only by what its own tiles prove
//! to continue it.

use super::ObserverKey;
use super::asked::Served;
use super::kept::Kept;
use super::saved::Saved;
use crate::attestation::Statement;
use crate::compare::Signed;
use crate::fault::{Failure, Fault, Trouble};
use crate::mirror::now;
use crate::observation::{Kind, Seen};
use crate::parties::{Head, backwards};
use crate::source::Source;
use crate::trust::Trust;
use medanchor_ledger::note::{KeyName, Note};
use medanchor_ledger::policy::Distrust;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// The kind of a finding that two checkpoints contradict each other.
pub(crate) const FORK: &str = "fork";

/// The kind of a finding that a quorum named two successors.
pub(crate) const POLICY_FORK: &str = "policy-fork";

/// What a round looks at and by what.
pub(crate) struct Round<'w> {
    pub(crate) targets: &'w [String],
    pub(crate) network: &'w KeyName,
    pub(crate) trust: Trust,
    pub(crate) kept: &'w Kept,
    /// What the user saved.
    pub(crate) given: &'w [Saved],
    /// What of it counts in this round.
    pub(crate) saved: Vec<&'w Saved>,
    /// The chains that part, by the file that has one of two.
    pub(crate) parted: BTreeMap<PathBuf, Finding>,
    /// Whether those that were kept before are among what is known.
    pub(crate) remembers: bool,
    /// Who signs what is found.
    pub(crate) key: Option<&'w ObserverKey>,
    pub(crate) patience: Duration,
    pub(crate) stall_after: u64,
    pub(crate) behind_after: u64,
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    /// [`FORK`], [`POLICY_FORK`], or the name of an observation's kind.
    pub(crate) kind: &'static str,
    pub(crate) of: String,
    pub(crate) says: String,
    pub(crate) evidence: PathBuf,
    /// Whether the network's own signatures prove it.
    pub(crate) proved: bool,
    /// Whether the observer signed the evidence.
    pub(crate) attested: bool,
}

impl Finding {
    /// Whether it is proved once and for all, and so is never over.
    pub(crate) fn is_fork(&self) -> bool {
        matches!(self.kind, FORK | POLICY_FORK)
    }
}

/// A copy whose checkpoint counts.
pub(super) struct Copy<'w> {
    pub(super) target: &'w str,
    pub(super) signed: Signed,
    /// When it was signed, by cosigners of whom one at least is honest.
    pub(super) seconds: u64,
    pub(super) source: Box<dyn Source>,
    /// Whether what was seen of it before no longer counts.
    pub(super) forgot: bool,
}

/// Something wrong with a copy, and what shows it.
pub(super) struct Wrong {
    kind: Kind,
    says: String,
    served: Option<Vec<u8>>,
    /// What it was held against.
    known: Option<Note>,
    proved: bool,
}

impl Wrong {
    /// With what it served, if it served anything.
    pub(super) fn new(kind: Kind, says: String, served: Option<Vec<u8>>) -> Self {
        Self {
            kind,
            says,
            served,
            known: None,
            proved: false,
        }
    }

    /// With the checkpoint that it served.
    pub(super) fn with(kind: Kind, says: String, served: &Signed) -> Self {
        Self::new(kind, says, Some(served.note.to_string().into_bytes()))
    }

    pub(super) fn of(failure: &Failure, served: Option<Vec<u8>>) -> Self {
        let kind = match failure {
            Failure::Trouble(_) => Kind::Unreachable,
            Failure::Fault(Fault::Distrust(Distrust::NoQuorum { .. })) => Kind::NoQuorum,
            Failure::Fault(_) => Kind::Broken,
        };
        Self::new(kind, failure.to_string(), served)
    }

    /// Beside another checkpoint.
    pub(super) fn beside(self, known: &Signed) -> Self {
        let known = Some(known.note.clone());
        Self { known, ..self }
    }

    /// Whether it says the same.
    pub(super) fn is_alike(&self, other: &Self) -> bool {
        (self.kind, &self.says) == (other.kind, &other.says)
    }

    /// What is wrong with one copy, each kind once.
    pub(super) fn by_kind(wrongs: Vec<Self>) -> Vec<Self> {
        let mut kinds: Vec<Self> = Vec::new();
        for wrong in wrongs {
            match kinds.iter_mut().find(|other| other.kind == wrong.kind) {
                Some(same) => {
                    same.says = format!("{}; {}", same.says, wrong.says);
                    same.served = same.served.take().or(wrong.served);
                    same.known = same.known.take().or(wrong.known);
                }
                None => kinds.push(wrong),
            }
        }
        kinds
    }
}

/// What a round saw.
pub(crate) struct Looked {
    pub(crate) findings: Vec<Finding>,
    /// Each copy that counts, and how many entries it has.
    pub(crate) sizes: Vec<(String, u64)>,
}

impl<'w> Round<'w> {
    /// Looks at all copies, keeps what was seen and the evidence of what is wrong.
    pub(crate) fn look(&mut self) -> Result<Looked, Failure> {
        let mut asked = self.ask_all()?;
        self.learn(&mut asked)?;
        let told = asked.iter().flatten().any(Served::told);
        let mut findings = self.judge_saved(told);
        findings.extend(self.parted.values().cloned());
        let (mut copies, mut before) = (Vec::new(), Vec::new());
        for (target, asked) in self.targets.iter().zip(asked) {
            let taken = self.take(target, asked, &mut findings)?;
            copies.extend(taken.copy);
            before.extend(taken.before);
        }
        before.extend(self.unnamed(&mut findings)?);
        copies.sort_by_key(|copy| std::cmp::Reverse(copy.signed.checkpoint.size));
        let held = self.forks(&copies, &before, &mut findings)?;
        for copy in &copies {
            let was = before.iter().find(|was| was.copy == Some(copy.target));
            let was = was.map(|was| &was.signed);
            findings.extend(self.rollback(copy, was)?);
            self.judge(copy, copies.first(), &mut findings)?;
            if !copy.forgot && held.may_replace(copy.target, was) {
                self.keep(copy, was)?;
            }
        }
        findings.sort();
        findings.dedup();
        let sizes = copies
            .iter()
            .map(|copy| (copy.target.to_owned(), copy.signed.checkpoint.size.0));
        Ok(Looked {
            sizes: sizes.collect(),
            findings,
        })
    }

    /// What is wrong with one copy, by itself and beside the largest.
    fn judge(
        &self,
        copy: &Copy<'_>,
        largest: Option<&Copy<'_>>,
        findings: &mut Vec<Finding>,
    ) -> Result<(), Failure> {
        let size = copy.signed.checkpoint.size;
        let Some(largest) = largest else {
            return Ok(());
        };
        let lag = largest.seconds.saturating_sub(copy.seconds);
        if size < largest.signed.checkpoint.size && lag > self.behind_after {
            let says = format!(
                "{size} entries, while {} has {} since {lag} s later",
                largest.target, largest.signed.checkpoint.size
            );
            let wrong = Wrong::with(Kind::Behind, says, &copy.signed).beside(&largest.signed);
            findings.push(self.observe(copy.target, wrong)?);
        }
        let age = now().saturating_sub(copy.seconds);
        let newest = copy.target == largest.target;
        if newest && self.stall_after > 0 && age > self.stall_after {
            let says = format!(
                "the newest checkpoint, of {size} entries, was cosigned more than {} s ago",
                self.stall_after
            );
            let wrong = Wrong::with(Kind::Stall, says, &copy.signed);
            findings.push(self.observe(copy.target, wrong)?);
        }
        Ok(())
    }

    fn keep(&self, copy: &Copy<'_>, before: Option<&Signed>) -> Result<(), Trouble> {
        let size = copy.signed.checkpoint.size;
        if before.is_none_or(|before| before.checkpoint.size < size) {
            self.kept.keep_seen(copy.target, &copy.signed)?;
        }
        Ok(())
    }

    /// A copy that has less than was seen of it, or than the user saved. Of several checkpoints it is held
    /// against one that proves it by signatures, if there is one, else against the largest.
    fn rollback(
        &self,
        copy: &Copy<'_>,
        before: Option<&Signed>,
    ) -> Result<Option<Finding>, Trouble> {
        let size = copy.signed.checkpoint.size;
        let served = Head::of(&copy.signed.note, &self.trust);
        let proves =
            |known: &Signed| !backwards(&served, &Head::of(&known.note, &self.trust)).is_empty();
        let before = before.into_iter().map(|signed| (signed, true));
        let saved = self.saved.iter().map(|saved| (&saved.signed, false));
        let larger: Vec<_> = before
            .chain(saved)
            .filter(|(known, _)| known.checkpoint.size > size)
            .collect();
        let proving = larger.iter().find(|(known, _)| proves(known));
        let Some((known, seen)) = proving.or(larger.first()) else {
            return Ok(None);
        };
        let was = known.checkpoint.size;
        let says = match seen {
            true => format!("a checkpoint of {size} entries, after one of {was} had been seen"),
            false => format!("a checkpoint of {size} entries, while a saved one has {was}"),
        };
        let wrong = Wrong::with(Kind::Rollback, says, &copy.signed).beside(known);
        let proved = proving.is_some();
        let found = self.observe(copy.target, Wrong { proved, ..wrong })?;
        Ok(Some(found))
    }

    /// Keeps what a copy showed, signed if there is a key.
    pub(super) fn observe(&self, target: &str, wrong: Wrong) -> Result<Finding, Trouble> {
        let Wrong {
            kind,
            says,
            served,
            known,
            proved,
        } = wrong;
        let seen = Seen::new(kind, now(), target, &says);
        let (of, says) = (seen.of.clone(), seen.says.clone());
        let network = self.network.clone();
        let statement = Statement {
            network,
            seen,
            served,
            known,
        };
        let filed = match self.key {
            None => self.kept.keep_observation(statement, proved)?,
            Some(key) => self.kept.keep_attestation(statement, key, proved)?,
        };
        Ok(Finding {
            kind: kind.name(),
            of,
            says: filed.told(says),
            evidence: filed.path,
            proved,
            attested: self.key.is_some(),
        })
    }
}

/// What came of a copy, or what is wrong with it.
pub(super) type Asked<T> = Result<T, Wrong>;
