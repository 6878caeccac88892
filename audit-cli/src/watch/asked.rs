//! What the copies give when they are asked: a checkpoint, and the chain of policies.
//!
//! What always holds: a chain that does not hold, or does not come, is told, and hides no checkpoint that is
//! served beside it; what was seen before is judged by the chain that is known now, and never forgotten,
//! whether its copy answers or not, or is no longer named.

use super::round::{Asked, Copy, Finding, Round, Wrong};
use crate::compare::Signed;
use crate::fault::{Failure, Fault, Trouble};
use crate::observation::Kind;
use crate::parties::attested_time;
use crate::source::{self, Source};
use crate::trust::CHAIN;
use medanchor_ledger::note::Note;
use medanchor_ledger::policy::{CheckpointPolicy, PolicyChain};
use std::thread;

/// How many copies are asked at once.
const AT_ONCE: usize = 16;

/// What a copy served, not yet judged.
pub(super) struct Served {
    source: Box<dyn Source>,
    /// What it gives as its checkpoint.
    pub(super) checkpoint: Vec<u8>,
    /// Its chain of policies, if it has one; or why that does not count.
    pub(super) chain: Result<Option<Vec<u8>>, Wrong>,
}

impl Served {
    /// Whether it told a chain that holds, or that there is none.
    pub(super) const fn told(&self) -> bool {
        self.chain.is_ok()
    }
}

/// A checkpoint that was seen before and counts.
pub(super) struct Before<'w> {
    /// Whose it was: a copy, or the file that has it, if that copy is not named now.
    pub(super) of: String,
    /// The copy, if it is named now.
    pub(super) copy: Option<&'w str>,
    pub(super) signed: Signed,
}

/// What came of a copy, or of a file of `seen/`.
pub(super) struct Taken<'w> {
    /// None if it did not answer, or what it showed does not count.
    pub(super) copy: Option<Copy<'w>>,
    /// None if nothing was seen of it before, or that does not count.
    pub(super) before: Option<Before<'w>>,
}

impl<'w> Round<'w> {
    /// Asks all copies, in the order in which they were named.
    pub(super) fn ask_all(&self) -> Result<Vec<Asked<Served>>, Trouble> {
        let mut asked = Vec::new();
        for some in self.targets.chunks(AT_ONCE) {
            let answers: Vec<_> = thread::scope(|scope| {
                let ask = |target: &'w String| scope.spawn(move || self.ask(target));
                let threads: Vec<_> = some.iter().map(ask).collect();
                threads
                    .into_iter()
                    .map(thread::ScopedJoinHandle::join)
                    .collect()
            });
            for answer in answers {
                asked.push(answer.map_err(|_| Trouble::Panicked)?);
            }
        }
        Ok(asked)
    }

    /// Asks one copy for its checkpoint and then for its chain of policies, which covers it.
    fn ask(&self, target: &str) -> Asked<Served> {
        let wrong = |failure: Failure| Wrong::of(&failure, None);
        let source = source::open_within(target, self.patience);
        let source = source.map_err(|trouble| wrong(trouble.into()))?;
        let checkpoint = source.read("checkpoint", Note::MAX_BYTES as u64);
        let checkpoint = checkpoint.map_err(wrong)?;
        let missing = || Fault::Missing {
            path: "checkpoint".to_owned(),
        };
        let checkpoint = checkpoint.ok_or_else(|| wrong(missing().into()))?;
        let chain = source.read(CHAIN, PolicyChain::MAX_BYTES as u64);
        let chain = chain.map_err(|failure| Wrong::of(&failure, Some(checkpoint.clone())));
        Ok(Served {
            source,
            checkpoint,
            chain,
        })
    }

    /// What came of one copy: its checkpoint, if that counts, whatever else is wrong with it, and what was
    /// seen of it before, whatever came of it now.
    pub(super) fn take(
        &self,
        target: &'w str,
        asked: Asked<Served>,
        findings: &mut Vec<Finding>,
    ) -> Result<Taken<'w>, Failure> {
        let seen = self.kept.seen(target)?;
        let (before, forgotten) = self.counts(seen, asked.as_ref().ok());
        let mut wrongs = Vec::new();
        let forgot = forgotten.is_some();
        wrongs.extend(forgotten);
        let copy = match asked {
            Err(wrong) => Err(wrong),
            Ok(Served {
                source,
                checkpoint,
                chain,
            }) => {
                wrongs.extend(chain.err());
                self.counting(&checkpoint)
                    .map(|(signed, seconds)| Copy {
                        target,
                        signed,
                        seconds,
                        source,
                        forgot,
                    })
                    .map_err(|fault| Wrong::of(&fault.into(), Some(checkpoint)))
            }
        };
        let copy = copy.map_err(|wrong| wrongs.push(wrong)).ok();
        for wrong in Wrong::by_kind(wrongs) {
            findings.push(self.observe(target, wrong)?);
        }
        let before = before.map(|signed| Before {
            of: target.to_owned(),
            copy: Some(target),
            signed,
        });
        Ok(Taken { copy, before })
    }

    /// What was seen of copies that are not named now.
    pub(super) fn unnamed(&self, findings: &mut Vec<Finding>) -> Result<Vec<Before<'w>>, Failure> {
        let mut before = Vec::new();
        for (path, seen) in self.kept.unnamed(self.targets)? {
            let of = path.display().to_string();
            let (counts, forgotten) = self.counts(Some(seen), None);
            if let Some(wrong) = forgotten {
                findings.push(self.observe(&of, wrong)?);
            }
            let copy = None;
            before.extend(counts.map(|signed| Before { of, copy, signed }));
        }
        Ok(before)
    }

    /// A checkpoint that was seen before, if it counts; apart from it one that no longer does by the chain
    /// that is known now, which nothing may replace.
    fn counts(
        &self,
        seen: Option<Signed>,
        now: Option<&Served>,
    ) -> (Option<Signed>, Option<Wrong>) {
        let Some(seen) = seen else {
            return (None, None);
        };
        let Err(why) = self.trust.verify_checkpoint(&seen.note) else {
            return (Some(seen), None);
        };
        let says = format!(
            "the checkpoint of {} entries that was seen of it before does not count by the chain of policies that is known now, and is kept: {why}",
            seen.checkpoint.size
        );
        let served = now.map(|served| served.checkpoint.clone());
        let wrong = Wrong::new(Kind::Broken, says, served).beside(&seen);
        (None, Some(wrong))
    }

    /// What was served as a checkpoint, if it counts, and when it was signed.
    fn counting(&self, checkpoint: &[u8]) -> Result<(Signed, u64), Fault> {
        let signed = Signed::parse(checkpoint)?;
        let verified = self.trust.verify_checkpoint(&signed.note)?;
        let range = self.trust.range_of(&signed.note)?;
        let seconds = attested_time(&verified, range.policy());
        Ok((signed, seconds))
    }
}
