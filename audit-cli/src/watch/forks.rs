//! Forks: every two checkpoints that count, of now, of before and saved ones, held against each other.

use super::round::{Copy, FORK, Finding, Round, Wrong};
use crate::compare::{Compared, Signed, compare, equal_sizes};
use crate::fault::Failure;
use crate::observation::Kind;
use medanchor_ledger::fork::Fork;
use std::collections::BTreeSet;

/// A checkpoint that counts.
#[derive(Clone)]
struct Head<'h, 'w> {
    /// Whose it is.
    of: String,
    /// The copy that shows or showed it; none if the user saved it.
    copy: Option<&'w str>,
    signed: &'h Signed,
}

impl<'w> Round<'w> {
    /// Holds every checkpoint against the larger ones of now, and those that nobody serves now against
    /// each other as far as that needs no tiles; the copies that take part in a fork.
    pub(super) fn forks(
        &self,
        copies: &[Copy<'w>],
        findings: &mut Vec<Finding>,
    ) -> Result<BTreeSet<&'w str>, Failure> {
        let mut parties = BTreeSet::new();
        let now = copies.iter().map(|copy| Head {
            of: copy.target.to_owned(),
            copy: Some(copy.target),
            signed: &copy.signed,
        });
        let gone = self.gone(copies);
        for head in now.chain(gone.iter().cloned()) {
            parties.extend(self.hold(&head, copies, findings)?);
        }
        for (at, one) in gone.iter().enumerate() {
            let size = one.signed.checkpoint.size;
            let same_size = |other: &&Head<'_, '_>| other.signed.checkpoint.size == size;
            for other in gone.iter().skip(at + 1).filter(same_size) {
                if let Ok(Compared::Forked(fork)) = equal_sizes(one.signed, other.signed) {
                    findings.push(self.fork(&fork, format!("{} and {}", one.of, other.of))?);
                    parties.extend([one.copy, other.copy].into_iter().flatten());
                }
            }
        }
        Ok(parties)
    }

    /// What was seen before and what was saved.
    fn gone<'h>(&'h self, copies: &'h [Copy<'w>]) -> Vec<Head<'h, 'w>> {
        let before = copies.iter().filter_map(|copy| {
            Some(Head {
                of: copy.target.to_owned(),
                copy: Some(copy.target),
                signed: copy.before.as_ref()?,
            })
        });
        let saved = self.saved.iter().map(|saved| Head {
            of: saved.path.display().to_string(),
            copy: None,
            signed: &saved.signed,
        });
        before.chain(saved).collect()
    }

    /// Holds one checkpoint against the copies that are as large, until one shows that it continues it;
    /// the copies that take part in a fork.
    fn hold(
        &self,
        head: &Head<'_, 'w>,
        copies: &[Copy<'w>],
        findings: &mut Vec<Finding>,
    ) -> Result<Vec<&'w str>, Failure> {
        let (of, signed) = (&head.of, head.signed);
        let mut parties = Vec::new();
        let larger = |copy: &&Copy<'_>| copy.signed.checkpoint.size >= signed.checkpoint.size;
        for copy in copies.iter().filter(larger) {
            if copy.signed == *signed {
                continue;
            }
            match compare(signed, &copy.signed, &*copy.source) {
                Ok(Compared::Consistent(_)) => break,
                Ok(Compared::Forked(fork)) => {
                    findings.push(self.fork(&fork, format!("{of} and {}", copy.target))?);
                    parties.extend(head.copy.into_iter().chain([copy.target]));
                }
                Err(failure) => {
                    let kind = match failure {
                        Failure::Fault(_) => Kind::Broken,
                        Failure::Trouble(_) => Kind::Unreachable,
                    };
                    let says = format!("its tiles: {failure}");
                    let wrong = Wrong::with(kind, says, &copy.signed);
                    findings.push(self.observe(copy.target, wrong)?);
                }
            }
        }
        Ok(parties)
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
