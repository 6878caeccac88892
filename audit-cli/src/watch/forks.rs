//! Forks: every two checkpoints that count, of now, of before and saved ones, held against each other.

use super::round::{Copy, Finding, Round, Wrong};
use crate::compare::{Compared, Signed, compare, equal_sizes};
use crate::fault::Failure;
use crate::observation::Kind;
use medanchor_ledger::fork::Fork;

/// A checkpoint that counts, and whose it is.
type Head<'h> = (String, &'h Signed);

impl Round<'_> {
    /// Holds every checkpoint against the larger ones of now, and those that nobody serves now against
    /// each other as far as that needs no tiles; whether any two contradict each other.
    pub(super) fn forks(
        &self,
        copies: &[Copy<'_>],
        findings: &mut Vec<Finding>,
    ) -> Result<bool, Failure> {
        let count = findings.len();
        let now = copies
            .iter()
            .map(|copy| (copy.target.to_owned(), &copy.signed));
        let gone = self.gone(copies);
        for (of, signed) in now.chain(gone.iter().cloned()) {
            self.hold(&of, signed, copies, findings)?;
        }
        for (at, (of, one)) in gone.iter().enumerate() {
            let same_size = |other: &&Head<'_>| other.1.checkpoint.size == one.checkpoint.size;
            for (other_of, other) in gone.iter().skip(at + 1).filter(same_size) {
                if let Ok(Compared::Forked(fork)) = equal_sizes(one, other) {
                    findings.push(self.fork(&fork, format!("{of} and {other_of}"))?);
                }
            }
        }
        let mut new = findings.iter().skip(count);
        Ok(new.any(|finding| finding.kind == "fork"))
    }

    /// What was seen before and what was saved.
    fn gone<'h>(&'h self, copies: &'h [Copy<'_>]) -> Vec<Head<'h>> {
        let before = copies
            .iter()
            .filter_map(|copy| Some((copy.target.to_owned(), copy.before.as_ref()?)));
        let saved = self.saved.iter();
        let saved = saved.map(|saved| (saved.path.display().to_string(), &saved.signed));
        before.chain(saved).collect()
    }

    /// Holds one checkpoint against the copies that are as large, until one shows that it continues it.
    fn hold(
        &self,
        of: &str,
        signed: &Signed,
        copies: &[Copy<'_>],
        findings: &mut Vec<Finding>,
    ) -> Result<(), Failure> {
        let larger = |copy: &&Copy<'_>| copy.signed.checkpoint.size >= signed.checkpoint.size;
        for copy in copies.iter().filter(larger) {
            if copy.signed == *signed {
                continue;
            }
            match compare(signed, &copy.signed, &*copy.source) {
                Ok(Compared::Consistent(_)) => break,
                Ok(Compared::Forked(fork)) => {
                    findings.push(self.fork(&fork, format!("{of} and {}", copy.target))?);
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
        Ok(())
    }

    fn fork(&self, fork: &Fork, of: String) -> Result<Finding, Failure> {
        Ok(Finding {
            kind: "fork",
            of,
            says: format!(
                "checkpoints of {} and {} entries cannot both be true",
                fork.earlier().size,
                fork.later().size
            ),
            evidence: self.kept.keep_fork(fork)?,
            proved: true,
        })
    }
}
