//! What the signatures in checkpoints prove by themselves, whoever hands them over and wherever they were
//! served.
//!
//! What always holds: only signatures by keys of the policy of a checkpoint's own size count, so nobody's
//! from outside its turn, and of a note in which one of these does not hold, none. A cosignature says that
//! its signer had seen no larger tree at its time (C2SP `tlog-cosignature`): one over a smaller tree at a
//! later time than one over a larger tree breaks that promise, and both together prove it of that key.

use crate::trust::Trust;
use medanchor_ledger::Size;
use medanchor_ledger::checkpoint::Checkpoint;
use medanchor_ledger::note::{Held, Note};
use medanchor_ledger::policy::{CheckpointPolicy, Cosigner, Policy, VerifiedCheckpoint};
use medanchor_ledger::validator::quorum;
use std::cmp::Reverse;

/// A checkpoint, and who signed it.
pub(crate) struct Head {
    pub(crate) checkpoint: Option<Checkpoint>,
    /// Why it is not to be trusted.
    pub(crate) refused: Option<String>,
    /// The cosigners of its size whose signatures hold, with their times.
    pub(crate) cosigners: Vec<Cosigner>,
}

/// A cosigner that signed a smaller tree after a larger one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Backwards {
    /// Its key's name.
    pub(crate) name: String,
    /// The larger size, and when it was signed, in seconds since 1970.
    pub(crate) larger: (Size, u64),
    /// The smaller one, signed later.
    pub(crate) smaller: (Size, u64),
}

impl Head {
    /// Judges the signatures of a note.
    pub(crate) fn of(note: &Note, trust: &Trust) -> Self {
        let checkpoint: Option<Checkpoint> = note.text().parse().ok();
        let ours = checkpoint
            .as_ref()
            .is_some_and(|head| trust.speaks_of(&head.origin));
        let cosigners = cosigners(note, trust).filter(|_| ours);
        let verdict = trust.verify_checkpoint(note);
        Self {
            checkpoint,
            refused: verdict.err().map(|why| why.to_string()),
            cosigners: cosigners.unwrap_or_default(),
        }
    }

    /// Size and root, or why it is refused.
    pub(crate) fn what(&self) -> String {
        match (&self.refused, &self.checkpoint) {
            (None, Some(head)) => format!("{} entries, root {}", head.size, head.root),
            (refused, _) => refused.clone().unwrap_or_default(),
        }
    }
}

/// The cosigners of a checkpoint that the policy of its size names; none if a signature does not hold.
fn cosigners(note: &Note, trust: &Trust) -> Option<Vec<Cosigner>> {
    let policy = trust.range_of(note).ok()?.policy();
    for key in policy.logs() {
        note.signed_by(key).ok()?;
    }
    let mut found = Vec::new();
    for key in policy.witnesses() {
        if let Some(Held::At(seconds)) = note.signed_by(key).ok()? {
            let key = key.clone();
            found.push(Cosigner { key, seconds });
        }
    }
    Some(found)
}

/// When a checkpoint was signed, in seconds since 1970: the latest time but those that as many of the policy's
/// witnesses gave as may be faulty. So these cannot make it later, and one who is honest signed no earlier.
pub(crate) fn attested_time(verified: &VerifiedCheckpoint, policy: &Policy) -> u64 {
    let witnesses = policy.witnesses().count();
    let faulty = witnesses.saturating_sub(quorum(witnesses));
    let mut times: Vec<u64> = verified.cosigners().iter().map(|one| one.seconds).collect();
    times.sort_unstable_by_key(|seconds| Reverse(*seconds));
    let time = times.get(faulty).or(times.last());
    time.copied().unwrap_or_default()
}

/// Who signed the smaller of two checkpoints of one log after the larger one.
pub(crate) fn backwards(one: &Head, other: &Head) -> Vec<Backwards> {
    let (Some(first), Some(second)) = (&one.checkpoint, &other.checkpoint) else {
        return Vec::new();
    };
    if first.origin != second.origin || first.size == second.size {
        return Vec::new();
    }
    let (smaller, larger) = match first.size < second.size {
        true => (one, other),
        false => (other, one),
    };
    let sizes = (first.size.min(second.size), first.size.max(second.size));
    let later = |early: &Cosigner| {
        let again = smaller.cosigners.iter().find(|late| late.key == early.key);
        let again = again.filter(|late| late.seconds > early.seconds)?;
        Some(Backwards {
            name: early.key.name().to_string(),
            larger: (sizes.1, early.seconds),
            smaller: (sizes.0, again.seconds),
        })
    };
    larger.cosigners.iter().filter_map(later).collect()
}
