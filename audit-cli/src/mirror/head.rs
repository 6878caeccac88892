//! Which checkpoint a mirror goes for, and what it refuses.
//!
//! What always holds: a checkpoint is gone for only if the policy accepts it and its log begins with
//! that of every checkpoint which the mirror accepted before, by a proof from the tiles. It is written
//! down before the first of its tiles is fetched, so that no kill lets a fork pass.

use super::folder::{Folder, NEWEST};
use super::remote::Remote;
use super::tree::{Edges, edges};
use crate::compare::{Compared, Signed, compare, evidence_name};
use crate::fault::{Failure, Fault, Trouble};
use crate::observation::{Kind, Observation, Seen};
use crate::opened::read_checkpoint;
use crate::source::Source;
use crate::trust::Trust;
use medanchor_ledger::fork::Fork;
use medanchor_ledger::note::Note;
use medanchor_ledger::policy::CheckpointPolicy;
use std::time::{SystemTime, UNIX_EPOCH};

/// What a mirror knows before it asks.
pub(crate) struct Known {
    /// The checkpoint whose log is whole in the folder.
    pub(crate) whole: Option<Signed>,
    /// The newest one that was accepted; its log may be on its way.
    pub(crate) newest: Option<Signed>,
}

/// What a source offers.
pub(crate) enum Offer {
    /// Nothing that the folder lacks.
    Nothing(Signed),
    /// A larger log, or one that is not whole yet; these are its rightmost tiles.
    Grown(Signed, Edges),
}

impl Known {
    pub(crate) fn read(folder: &Folder, trust: &Trust) -> Result<Self, Failure> {
        let whole = kept(folder, "checkpoint", trust)?;
        let newest = kept(folder, NEWEST, trust)?.or_else(|| whole.clone());
        Ok(Self { whole, newest })
    }
}

/// A checkpoint that the mirror wrote, and that must still be one to trust.
fn kept(folder: &Folder, name: &str, trust: &Trust) -> Result<Option<Signed>, Failure> {
    let Some(bytes) = folder.log().read(name, Note::MAX_BYTES as u64)? else {
        return Ok(None);
    };
    let damaged = |fault: Fault| {
        let path = folder.path(name);
        let path = path.display();
        Trouble::Mirror(format!(
            "{path} of the mirror is no good: {fault}; mirror to an empty folder, or give the right --policy or --policy-chain"
        ))
    };
    let signed = Signed::parse(&bytes).map_err(damaged)?;
    let judged = trust.verify_checkpoint(&signed.note);
    judged.map_err(|why| damaged(why.into()))?;
    Ok(Some(signed))
}

/// The source's checkpoint. What its chain of policies adds is known from then on, also where the
/// checkpoint is refused.
pub(crate) fn newest(remote: &Remote, trust: &mut Trust) -> Result<Signed, Failure> {
    remote.attempt(|| {
        let (note, verified) = read_checkpoint(&*remote.source, trust)?;
        let checkpoint = verified.checkpoint().clone();
        Ok(Signed { note, checkpoint })
    })
}

/// Holds the source's checkpoint, `found`, against what the mirror knows.
pub(crate) fn offer(
    remote: &Remote,
    folder: &Folder,
    found: Signed,
    known: &Known,
    name: &str,
) -> Result<Offer, Failure> {
    let source = &*remote.source;
    let size = |signed: &Option<Signed>| signed.as_ref().map(|signed| signed.checkpoint.size);
    if let Some(newest) = &known.newest {
        if found.checkpoint.size < newest.checkpoint.size {
            return Err(smaller(folder, known, newest, &found, name));
        }
        if found.checkpoint == newest.checkpoint
            && size(&known.whole) == Some(found.checkpoint.size)
        {
            return Ok(Offer::Nothing(found));
        }
    }
    let edges = edges(remote, &found.checkpoint)?;
    for held in [&known.newest, &known.whole].into_iter().flatten() {
        let compared = remote.attempt(|| compare(held, &found, source))?;
        if let Compared::Forked(fork) = compared {
            return Err(keep_fork(folder, &fork)?.into());
        }
    }
    folder.keep(NEWEST, found.note.to_string().as_bytes())?;
    Ok(Offer::Grown(found, edges))
}

/// A checkpoint below the one that is held: another branch, which the mirror's own tiles prove if it
/// has them, or the same one, which is a rollback or a copy that lags.
fn smaller(folder: &Folder, known: &Known, newest: &Signed, found: &Signed, name: &str) -> Failure {
    if let Some(whole) = &known.whole
        && found.checkpoint.size <= whole.checkpoint.size
        && let Ok(Compared::Forked(fork)) = compare(found, whole, folder.log())
    {
        return match keep_fork(folder, &fork) {
            Ok(fault) => fault.into(),
            Err(trouble) => trouble.into(),
        };
    }
    match keep_rollback(folder, newest, found, name) {
        Ok(fault) => fault.into(),
        Err(trouble) => trouble.into(),
    }
}

fn keep_fork(folder: &Folder, fork: &Fork) -> Result<Fault, Trouble> {
    let text = fork.to_string();
    let name = format!(".mirror/{}", evidence_name("fork", text.as_bytes(), "fork"));
    folder.keep(&name, text.as_bytes())?;
    Ok(Fault::Fork {
        earlier: fork.earlier().size,
        later: fork.later().size,
        evidence: folder.path(&name),
    })
}

fn keep_rollback(
    folder: &Folder,
    held: &Signed,
    found: &Signed,
    of: &str,
) -> Result<Fault, Trouble> {
    let (was, is) = (held.checkpoint.size, found.checkpoint.size);
    let says = format!("a checkpoint of {is} entries was served, after one of {was} had been seen");
    let observation = Observation {
        seen: Seen::new(Kind::Rollback, now(), of, &says),
        notes: vec![held.note.clone(), found.note.clone()],
    };
    // One file for one pair of checkpoints, whenever they were seen.
    let pair = format!("{}{}", held.note, found.note);
    let name = evidence_name("rollback", pair.as_bytes(), "observation");
    let name = format!(".mirror/{name}");
    folder.keep(&name, observation.to_string().as_bytes())?;
    Ok(Fault::Rollback {
        held: was,
        found: is,
        evidence: folder.path(&name),
    })
}

/// Seconds since 1970; a clock before that is at 0.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}
