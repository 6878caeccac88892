//! The chains of policies that the copies show, held against each other.
//!
//! What always holds: the longest chain is kept, and none is taken back for another. Of two that part and
//! both hold neither is taken: nobody of those that only they name counts, until the user says with a chain
//! of his own which network he means. Both are kept as proof that a quorum named two successors; that is
//! remembered, and never over.

use super::asked::Served;
use super::round::{Asked, Finding, POLICY_FORK, Round, Wrong};
use crate::fault::{Failure, Fault};
use crate::file;
use crate::trust::Trust;
use medanchor_ledger::policy::PolicyChain;

/// A chain that holds, and who shows it.
type Shown = (Trust, String);

impl Round<'_> {
    /// Walks every chain that was served, and those that were kept because they part; keeps the longest.
    pub(super) fn learn(&mut self, all: &mut [Asked<Served>]) -> Result<(), Failure> {
        let mut shown = self.shown(all);
        if !self.remembers {
            self.remember(&mut shown)?;
            self.remembers = true;
        }
        let mut going_on: Vec<Shown> = Vec::new();
        for one in shown {
            match self.trust.parts_from(&one.0) {
                Some(link) => {
                    let kept = (self.trust.clone(), "the chain that is kept".to_owned());
                    self.part(&kept, &one, link)?;
                }
                None => going_on.push(one),
            }
        }
        for (at, one) in going_on.iter().enumerate() {
            for other in going_on.iter().skip(at + 1) {
                if let Some(link) = one.0.parts_from(&other.0) {
                    self.part(one, other, link)?;
                }
            }
        }
        let chains: Vec<Trust> = going_on.into_iter().map(|(chain, _)| chain).collect();
        if self.trust.adopt(&chains)? {
            self.kept.keep_chain(&self.trust)?;
        }
        Ok(())
    }

    /// The chains of the copies that are longer than what is known, or other, each once. A copy whose chain
    /// does not hold is told so.
    fn shown(&self, all: &mut [Asked<Served>]) -> Vec<Shown> {
        let mut shown = Vec::new();
        for (target, asked) in self.targets.iter().zip(all) {
            let Ok(served) = asked else { continue };
            let Ok(Some(chain)) = &served.chain else {
                continue;
            };
            match self.walk(chain, &shown) {
                Ok(walked) => shown.extend(walked.map(|walked| (walked, target.clone()))),
                Err(fault) => {
                    let checkpoint = served.checkpoint.clone();
                    served.chain = Err(Wrong::of(&fault.into(), Some(checkpoint)));
                }
            }
        }
        shown
    }

    /// Adds the chains that were kept because they part. What does not hold among them proves nothing.
    fn remember(&self, shown: &mut Vec<Shown>) -> Result<(), Failure> {
        for path in self.kept.parted()? {
            let chain = file::read(&path, PolicyChain::MAX_BYTES as u64)?;
            if let Ok(Some(walked)) = self.walk(&chain, shown) {
                shown.push((walked, path.display().to_string()));
            }
        }
        Ok(())
    }

    /// Walks a chain; none if one that is known, or was shown, begins with it.
    fn walk(&self, chain: &[u8], shown: &[Shown]) -> Result<Option<Trust>, Fault> {
        let chain = PolicyChain::decode(chain)?;
        match self.trust.begins_with(&chain)
            || shown.iter().any(|(known, _)| known.begins_with(&chain))
        {
            true => Ok(None),
            false => self.trust.walk(chain),
        }
    }

    /// Keeps two chains that part.
    fn part(&mut self, one: &Shown, other: &Shown, link: usize) -> Result<(), Failure> {
        let ((Some(chain), of), (Some(parting), other_of)) =
            ((one.0.chain(), &one.1), (other.0.chain(), &other.1))
        else {
            return Ok(());
        };
        let filed = self.kept.keep_parted(chain, parting)?;
        let says = format!(
            "two chains of policies hold, and name two successors of policy {}: a quorum of its validators signed both; the other chain is in the file beside it, whose name has a 2 for the 1",
            link.saturating_sub(1)
        );
        let finding = Finding {
            kind: POLICY_FORK,
            of: format!("{of} and {other_of}"),
            says: filed.told(says),
            evidence: filed.path.clone(),
            proved: true,
            attested: false,
        };
        self.parted.entry(filed.path).or_insert(finding);
        Ok(())
    }
}
