//! What the copies give when they are asked: a checkpoint, and the chain of policies.
//!
//! What always holds: every chain that any copy served is walked, and the longest kept, before any
//! checkpoint is judged, so that no copy hides a link that another one shows; a copy whose chain does not
//! hold does not count.

use super::round::{Asked, Copy, Round, Wrong};
use crate::compare::Signed;
use crate::fault::{Failure, Fault, Trouble};
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
    checkpoint: Vec<u8>,
    chain: Option<Vec<u8>>,
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
        let wrong = |failure: Failure, served| Wrong::of(&failure, served);
        let source = source::open_within(target, self.patience);
        let source = source.map_err(|trouble| wrong(trouble.into(), None))?;
        let checkpoint = source.read("checkpoint", Note::MAX_BYTES as u64);
        let checkpoint = checkpoint.map_err(|failure| wrong(failure, None))?;
        let missing = || Fault::Missing {
            path: "checkpoint".to_owned(),
        };
        let checkpoint = checkpoint.ok_or_else(|| wrong(missing().into(), None))?;
        match source.read(CHAIN, PolicyChain::MAX_BYTES as u64) {
            Ok(chain) => Ok(Served {
                source,
                checkpoint,
                chain,
            }),
            Err(failure) => Err(wrong(failure, Some(checkpoint))),
        }
    }

    /// Walks every chain that was served, and keeps the longest.
    pub(super) fn learn(&mut self, all: &mut [Asked<Served>]) -> Result<(), Trouble> {
        let mut longer = false;
        for asked in all {
            let Ok(served) = asked else { continue };
            match served.chain.take().map(|chain| self.trust.learn(&chain)) {
                None | Some(Ok(false)) => {}
                Some(Ok(true)) => longer = true,
                Some(Err(fault)) => {
                    let checkpoint = std::mem::take(&mut served.checkpoint);
                    *asked = Err(Wrong::of(&fault.into(), Some(checkpoint)));
                }
            }
        }
        match longer {
            true => self.kept.keep_chain(&self.trust),
            false => Ok(()),
        }
    }

    /// Judges what a copy served; the outer error is the watcher's own.
    pub(super) fn accept(
        &self,
        target: &'w str,
        served: Served,
    ) -> Result<Asked<Copy<'w>>, Failure> {
        let before = self.kept.seen(target, &self.trust)?;
        let judged = Signed::parse(&served.checkpoint).and_then(|signed| {
            let verified = self.trust.verify_checkpoint(&signed.note)?;
            Ok((signed, verified))
        });
        Ok(match judged {
            Ok((signed, verified)) => {
                let times = verified.cosigners().iter().map(|one| one.seconds);
                let seconds = times.max().unwrap_or(0);
                Ok(Copy {
                    target,
                    signed,
                    seconds,
                    source: served.source,
                    before,
                })
            }
            Err(fault) => Err(Wrong::of(&fault.into(), Some(served.checkpoint))),
        })
    }
}
