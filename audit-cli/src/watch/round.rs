//! One look at all copies of a log.
//!
//! What always holds: a checkpoint counts only if the policy accepts it; every two that count are held
//! against each other by the tiles of the larger one, those of earlier rounds included; what one copy
//! serves can hide nothing that another shows.

use super::kept::Kept;
use crate::compare::{Compared, Signed, compare};
use crate::fault::{Failure, Fault, Trouble};
use crate::mirror::now;
use crate::observation::{Kind, Observation};
use crate::opened::accept;
use crate::source::{self, Source};
use medanchor_ledger::genesis::Genesis;
use medanchor_ledger::note::Note;
use medanchor_ledger::policy::{Distrust, Policy};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

/// How many copies are asked at once.
const AT_ONCE: usize = 16;

/// What a round looks at and by what.
pub(crate) struct Round<'w> {
    pub(crate) targets: &'w [String],
    pub(crate) genesis: &'w Genesis,
    pub(crate) given: Option<&'w Policy>,
    pub(crate) kept: &'w Kept,
    pub(crate) patience: Duration,
    pub(crate) stall_after: u64,
    pub(crate) behind_after: u64,
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    /// `fork`, or the name of an observation's kind.
    pub(crate) kind: &'static str,
    pub(crate) of: String,
    pub(crate) says: String,
    pub(crate) evidence: PathBuf,
}

/// A copy whose checkpoint counts.
struct Copy<'w> {
    target: &'w str,
    signed: Signed,
    /// The latest time at which one of the policy's cosigners signed it.
    seconds: u64,
    source: Box<dyn Source>,
    /// What was seen of it before.
    before: Option<Signed>,
}

/// What a round saw.
pub(crate) struct Looked {
    pub(crate) findings: Vec<Finding>,
    /// Each copy that counts, and how many entries it has.
    pub(crate) sizes: Vec<(String, u64)>,
}

impl<'w> Round<'w> {
    /// Looks at all copies, keeps what was seen and the evidence of what is wrong.
    pub(crate) fn look(&self) -> Result<Looked, Failure> {
        let (mut copies, mut findings) = (Vec::new(), Vec::new());
        for (target, asked) in self.targets.iter().zip(self.ask_all()?) {
            match asked {
                Ok(copy) => copies.push(copy),
                Err((kind, says, notes)) => findings.push(self.observe(kind, target, says, notes)?),
            }
        }
        copies.sort_by_key(|copy| std::cmp::Reverse(copy.signed.checkpoint.size));
        let forked = self.forks(&copies, &mut findings)?;
        for copy in &copies {
            self.judge(copy, copies.first(), &mut findings)?;
            if !forked {
                self.keep(copy)?;
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

    fn ask_all(&self) -> Result<Vec<Asked<'w>>, Failure> {
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
                asked.push(answer.map_err(|_| Trouble::Panicked)??);
            }
        }
        Ok(asked)
    }

    /// Asks one copy; the outer error is the watcher's own.
    fn ask(&self, target: &'w str) -> Result<Asked<'w>, Failure> {
        let before = self.kept.seen(target, self.genesis, self.given)?;
        let found = source::open_within(target, self.patience)
            .map_err(Failure::from)
            .and_then(|source| {
                let bytes = source.read("checkpoint", Note::MAX_BYTES as u64)?;
                let path = "checkpoint".to_owned();
                let bytes = bytes.ok_or(Fault::Missing { path })?;
                Ok((source, Signed::parse(&bytes)?))
            });
        let (source, signed) = match found {
            Ok(found) => found,
            Err(Failure::Trouble(trouble)) => {
                return Ok(Err((Kind::Unreachable, trouble.to_string(), Vec::new())));
            }
            Err(Failure::Fault(fault)) => {
                return Ok(Err((Kind::Broken, fault.to_string(), Vec::new())));
            }
        };
        Ok(match accept(&signed.note, self.genesis, self.given) {
            Ok(verified) => Ok(Copy {
                target,
                signed,
                seconds: verified
                    .cosigners()
                    .iter()
                    .map(|cosigner| cosigner.seconds)
                    .max()
                    .unwrap_or(0),
                source,
                before,
            }),
            Err(fault) => {
                let kind = match fault {
                    Fault::Distrust(Distrust::NoQuorum { .. }) => Kind::NoQuorum,
                    _ => Kind::Broken,
                };
                Err((kind, fault.to_string(), vec![signed.note]))
            }
        })
    }

    /// Holds every checkpoint, of now and of before, against the larger ones of now; whether any two
    /// contradict each other.
    fn forks(&self, copies: &[Copy<'_>], findings: &mut Vec<Finding>) -> Result<bool, Failure> {
        let now = copies.iter().map(|copy| (copy.target, &copy.signed));
        let before = copies
            .iter()
            .filter_map(|copy| Some((copy.target, copy.before.as_ref()?)));
        let mut forked = false;
        for (target, signed) in now.chain(before) {
            let larger = |copy: &&Copy<'_>| copy.signed.checkpoint.size >= signed.checkpoint.size;
            for copy in copies.iter().filter(larger) {
                if copy.signed == *signed {
                    continue;
                }
                match compare(signed, &copy.signed, &*copy.source) {
                    Ok(Compared::Consistent(_)) => break,
                    Ok(Compared::Forked(fork)) => {
                        forked = true;
                        findings.push(Finding {
                            kind: "fork",
                            of: format!("{target} and {}", copy.target),
                            says: format!(
                                "checkpoints of {} and {} entries cannot both be true",
                                fork.earlier().size,
                                fork.later().size
                            ),
                            evidence: self.kept.keep_fork(&fork)?,
                        });
                    }
                    Err(failure) => {
                        let kind = match failure {
                            Failure::Fault(_) => Kind::Broken,
                            Failure::Trouble(_) => Kind::Unreachable,
                        };
                        let says = format!("its tiles: {failure}");
                        let notes = vec![copy.signed.note.clone()];
                        findings.push(self.observe(kind, copy.target, says, notes)?);
                    }
                }
            }
        }
        Ok(forked)
    }

    /// What is wrong with one copy, by itself and beside the largest.
    fn judge(
        &self,
        copy: &Copy<'_>,
        largest: Option<&Copy<'_>>,
        findings: &mut Vec<Finding>,
    ) -> Result<(), Failure> {
        let size = copy.signed.checkpoint.size;
        if let Some(before) = copy
            .before
            .as_ref()
            .filter(|before| before.checkpoint.size > size)
        {
            let was = before.checkpoint.size;
            let says = format!("a checkpoint of {size} entries, after one of {was} had been seen");
            let notes = vec![before.note.clone(), copy.signed.note.clone()];
            findings.push(self.observe(Kind::Rollback, copy.target, says, notes)?);
        }
        let Some(largest) = largest else {
            return Ok(());
        };
        let lag = largest.seconds.saturating_sub(copy.seconds);
        if size < largest.signed.checkpoint.size && lag > self.behind_after {
            let says = format!(
                "{size} entries, while {} has {} since {lag} s later",
                largest.target, largest.signed.checkpoint.size
            );
            let notes = vec![copy.signed.note.clone(), largest.signed.note.clone()];
            findings.push(self.observe(Kind::Behind, copy.target, says, notes)?);
        }
        let age = now().saturating_sub(copy.seconds);
        let newest = copy.target == largest.target;
        if newest && self.stall_after > 0 && age > self.stall_after {
            let says = format!(
                "the newest checkpoint, of {size} entries, was cosigned more than {} s ago",
                self.stall_after
            );
            let notes = vec![copy.signed.note.clone()];
            findings.push(self.observe(Kind::Stall, copy.target, says, notes)?);
        }
        Ok(())
    }

    fn keep(&self, copy: &Copy<'_>) -> Result<(), Trouble> {
        let size = copy.signed.checkpoint.size;
        let before = copy.before.as_ref().map(|before| before.checkpoint.size);
        if before.is_none_or(|before| before < size) {
            self.kept.keep_seen(copy.target, &copy.signed)?;
        }
        Ok(())
    }

    fn observe(
        &self,
        kind: Kind,
        target: &str,
        says: String,
        notes: Vec<Note>,
    ) -> Result<Finding, Trouble> {
        let (of, says) = (Observation::line(target), Observation::line(&says));
        let seen = Observation {
            kind,
            seconds: now(),
            of: of.clone(),
            says: says.clone(),
            notes,
        };
        Ok(Finding {
            kind: kind.name(),
            of,
            says,
            evidence: self.kept.keep_observation(&seen)?,
        })
    }
}

/// A copy that counts, or what is wrong with it.
type Asked<'w> = Result<Copy<'w>, (Kind, String, Vec<Note>)>;
