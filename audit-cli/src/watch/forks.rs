//! Forks: every two checkpoints that count, of now, of before and saved ones, held against each other.

use super::asked::Before;
use super::round::{Copy, FORK, Finding, Round, Wrong};
use crate::compare::{Compared, Signed, compare, equal_sizes};
use crate::fault::Failure;
use crate::observation::Kind;
use medanchor_ledger::fork::Fork;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// A checkpoint that counts.
#[derive(Clone)]
struct Head<'h, 'w> {
    /// Whose it is.
    of: &'h str,
    /// The copy that shows or showed it; none if the user saved it, or names that copy no longer.
    copy: Option<&'w str>,
    /// Whether it was seen before and is not shown now.
    before: bool,
    signed: &'h Signed,
}

/// What came of holding the checkpoints against each other.
#[derive(Default)]
pub(super) struct Held<'w> {
    /// The copies that take part in a fork.
    forked: BTreeSet<&'w str>,
    /// The copies whose own tiles show that they continue what was seen of them before.
    continued: BTreeSet<&'w str>,
    /// The copies that gave no answer when they were asked for tiles. They are asked no more in this
    /// round: each question may take as long as a user allows, and there are hundreds of checkpoints.
    silent: BTreeSet<&'w str>,
    /// The copies whose tiles are not there or lead nowhere.
    wrong: BTreeMap<&'w str, Vec<Wrong>>,
    findings: Vec<Finding>,
}

impl<'w> Held<'w> {
    /// Whether what a copy shows may take the place of what was seen of it before.
    pub(super) fn may_replace(&self, target: &str, before: Option<&Signed>) -> bool {
        let continues = before.is_none() || self.continued.contains(target);
        continues && !self.forked.contains(target)
    }

    /// Each copy's fault once, whatever its tiles could not be held against.
    fn blame(&mut self, target: &'w str, wrong: Wrong) {
        let wrongs = self.wrong.entry(target).or_default();
        if !wrongs.iter().any(|other| other.is_alike(&wrong)) {
            wrongs.push(wrong);
        }
    }
}

impl<'w> Round<'w> {
    /// Holds every checkpoint against the larger ones of now, and those that nobody serves now against
    /// each other as far as that needs no tiles.
    pub(super) fn forks(
        &self,
        copies: &[Copy<'w>],
        before: &[Before<'w>],
        findings: &mut Vec<Finding>,
    ) -> Result<Held<'w>, Failure> {
        let mut held = Held::default();
        let saved: Vec<_> = self.saved.iter().map(|saved| saved.of()).collect();
        let gone = gone(copies, before, &saved);
        let now = copies.iter().map(|copy| Head {
            of: copy.target,
            copy: Some(copy.target),
            before: false,
            signed: &copy.signed,
        });
        for head in now.chain(gone.iter().cloned()) {
            self.hold(&head, copies, &mut held)?;
        }
        for (at, one) in gone.iter().enumerate() {
            let size = one.signed.checkpoint.size;
            let same_size = |other: &&Head<'_, '_>| other.signed.checkpoint.size == size;
            for other in gone.iter().skip(at + 1).filter(same_size) {
                if let Ok(Compared::Forked(fork)) = equal_sizes(one.signed, other.signed) {
                    let of = format!("{} and {}", one.of, other.of);
                    held.findings.push(self.fork(&fork, of)?);
                    held.forked
                        .extend([one.copy, other.copy].into_iter().flatten());
                }
            }
        }
        for (target, wrongs) in std::mem::take(&mut held.wrong) {
            for wrong in Wrong::by_kind(wrongs) {
                findings.push(self.observe(target, wrong)?);
            }
        }
        findings.append(&mut held.findings);
        Ok(held)
    }

    /// Holds one checkpoint against the copies that are as large, the one that showed it before any other,
    /// until one shows that it continues it.
    fn hold(
        &self,
        head: &Head<'_, 'w>,
        copies: &[Copy<'w>],
        held: &mut Held<'w>,
    ) -> Result<(), Failure> {
        let signed = head.signed;
        let is_own = |copy: &Copy<'_>| head.copy == Some(copy.target);
        let mut larger: Vec<&Copy<'w>> = copies.iter().collect();
        larger.retain(|copy| copy.signed.checkpoint.size >= signed.checkpoint.size);
        larger.sort_by_key(|copy| Reverse(is_own(copy)));
        for copy in larger {
            let needs_tiles = copy.signed.checkpoint.size != signed.checkpoint.size;
            let in_vain = needs_tiles && held.silent.contains(copy.target);
            if copy.signed == *signed || in_vain {
                continue;
            }
            match compare(signed, &copy.signed, &*copy.source) {
                Ok(Compared::Consistent(_)) => {
                    held.continued.extend(head.copy.filter(|_| is_own(copy)));
                    break;
                }
                Ok(Compared::Forked(fork)) => {
                    let of = format!("{} and {}", head.of, copy.target);
                    held.findings.push(self.fork(&fork, of)?);
                    held.forked
                        .extend(head.copy.into_iter().chain([copy.target]));
                }
                Err(failure) => {
                    if matches!(failure, Failure::Trouble(_)) {
                        held.silent.insert(copy.target);
                    }
                    held.blame(copy.target, no_tiles(head, copy, &failure));
                }
            }
        }
        Ok(())
    }

    fn fork(&self, fork: &Fork, of: String) -> Result<Finding, Failure> {
        let (earlier, later) = (fork.earlier().size, fork.later().size);
        let says = format!("checkpoints of {earlier} and {later} entries cannot both be true");
        let filed = self.kept.keep_fork(fork, &of)?;
        Ok(Finding {
            kind: FORK,
            of,
            says: filed.told(says),
            evidence: filed.path,
            proved: true,
            attested: false,
        })
    }
}

/// What was seen before and nobody shows now, and what was saved.
fn gone<'h, 'w>(
    copies: &[Copy<'w>],
    before: &'h [Before<'w>],
    saved: &'h [(String, &'h Signed)],
) -> Vec<Head<'h, 'w>> {
    // Its own copy must show what continues it; of a silent one it is enough that any shows the same.
    let is_shown = |one: &&Before<'_>| {
        let own = copies.iter().find(|copy| one.copy == Some(copy.target));
        let same = |copy: &Copy<'_>| copy.signed == one.signed;
        own.map_or_else(|| copies.iter().any(same), same)
    };
    let before = before.iter().filter(|one| !is_shown(one)).map(|one| Head {
        of: &one.of,
        copy: one.copy,
        before: true,
        signed: &one.signed,
    });
    let saved = saved.iter().map(|(of, signed)| Head {
        of,
        copy: None,
        before: false,
        signed,
    });
    before.chain(saved).collect()
}

/// That a copy could not be held against a checkpoint, which is named if it was seen before.
fn no_tiles(head: &Head<'_, '_>, copy: &Copy<'_>, failure: &Failure) -> Wrong {
    let kind = match failure {
        Failure::Fault(_) => Kind::Broken,
        Failure::Trouble(_) => Kind::Unreachable,
    };
    if !head.before {
        return Wrong::with(kind, format!("its tiles: {failure}"), &copy.signed);
    }
    let (size, of) = (head.signed.checkpoint.size, head.of);
    let says = format!(
        "its tiles, beside the checkpoint of {size} entries that was seen before of {of}, which is kept: {failure}"
    );
    Wrong::with(kind, says, &copy.signed).beside(head.signed)
}
