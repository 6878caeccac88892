//! A log whose genesis, policy and checkpoint were read and hold.
//!
//! What always holds: the policy is the one that follows from genesis, the checkpoint meets it and
//! the one that was given, and is of the network whose genesis file stands in the log.

use crate::compare::Signed;
use crate::fault::{Failure, Fault, Trouble};
use crate::file;
use crate::mirror::folder::{BESIDE, NEWEST};
use crate::source::{self, Source};
use medanchor_ledger::Size;
use medanchor_ledger::checkpoint::Checkpoint;
use medanchor_ledger::genesis::{Genesis, MAX_GENESIS_BYTES};
use medanchor_ledger::note::Note;
use medanchor_ledger::policy::{Policy, VerifiedCheckpoint};
use std::path::Path;

/// A log, opened.
pub(crate) struct Log {
    pub(crate) source: Box<dyn Source>,
    pub(crate) genesis: Genesis,
    pub(crate) note: Note,
    pub(crate) checkpoint: VerifiedCheckpoint,
    /// The size that a mirror is on its way to, if the folder is one that was interrupted.
    pub(crate) on_its_way: Option<Size>,
}

impl Log {
    /// Opens the log in a folder, a home, or at an address. `policy` is a file that the checkpoint
    /// must meet beside the policy of genesis.
    pub(crate) fn open(target: &str, policy: Option<&Path>) -> Result<Self, Failure> {
        let source = source::open(target)?;
        let genesis = read_genesis(&*source)?;
        let newest = newest(&*source)?;
        let mirror = source
            .folder()
            .is_some_and(|folder| folder.join(BESIDE).is_dir());
        if mirror && source.read("checkpoint", Note::MAX_BYTES as u64)?.is_none() {
            return Err(Trouble::Unfinished(target.to_owned()).into());
        }
        let (note, checkpoint) =
            read_checkpoint(&*source, &genesis, read_policy(policy)?.as_ref())?;
        Ok(Self {
            source,
            genesis,
            note,
            on_its_way: newest.filter(|size| *size > checkpoint.checkpoint().size),
            checkpoint,
        })
    }

    /// The checkpoint with its note.
    pub(crate) fn signed(&self) -> Signed {
        Signed {
            note: self.note.clone(),
            checkpoint: self.head().clone(),
        }
    }

    /// Origin, size and root.
    pub(crate) const fn head(&self) -> &Checkpoint {
        self.checkpoint.checkpoint()
    }
}

/// The size of the newest checkpoint that the mirror in this folder accepted, if it is one.
fn newest(source: &dyn Source) -> Result<Option<Size>, Failure> {
    if source.folder().is_none() {
        return Ok(None);
    }
    let bytes = source.read(NEWEST, Note::MAX_BYTES as u64)?;
    let signed = bytes.and_then(|bytes| Signed::parse(&bytes).ok());
    Ok(signed.map(|signed| signed.checkpoint.size))
}

/// The policy in a file of the user's, if one was named.
pub(crate) fn read_policy(path: Option<&Path>) -> Result<Option<Policy>, Failure> {
    let Some(path) = path else {
        return Ok(None);
    };
    let bytes = file::read(path, Policy::MAX_BYTES as u64)?;
    Ok(Some(Policy::parse(&bytes).map_err(Fault::from)?))
}

/// A genesis file that the user names.
pub(crate) fn genesis_file(path: Option<&Path>) -> Result<Genesis, Failure> {
    let missing = || missing("genesis");
    let bytes = file::read(path.ok_or_else(missing)?, MAX_GENESIS_BYTES as u64)?;
    Ok(Genesis::decode(&bytes).map_err(Fault::from)?)
}

/// The genesis of a log, whose policy file is the one that follows from it.
pub(crate) fn read_genesis(source: &dyn Source) -> Result<Genesis, Failure> {
    let bytes = source.read("genesis", MAX_GENESIS_BYTES as u64)?;
    let bytes = bytes.ok_or_else(|| missing("genesis"))?;
    let genesis = Genesis::decode(&bytes).map_err(Fault::from)?;
    let path = policy_path(&genesis);
    let policy = source.read(&path, Policy::MAX_BYTES as u64)?;
    match policy {
        Some(bytes) if bytes == genesis.policy().as_bytes() => Ok(genesis),
        Some(_) => Err(Fault::Policy { path }.into()),
        None => Err(missing(&path)),
    }
}

/// Where a log has the policy file that follows from its genesis.
pub(crate) fn policy_path(genesis: &Genesis) -> String {
    format!("policies/{}", genesis.policy().hash())
}

/// The checkpoint of a log, accepted by the policy of genesis and by the one that was given.
pub(crate) fn read_checkpoint(
    source: &dyn Source,
    genesis: &Genesis,
    given: Option<&Policy>,
) -> Result<(Note, VerifiedCheckpoint), Failure> {
    let bytes = source.read("checkpoint", Note::MAX_BYTES as u64)?;
    let bytes = bytes.ok_or_else(|| missing("checkpoint"))?;
    let note = Note::parse(&bytes).map_err(Fault::from)?;
    let checkpoint = accept(&note, genesis, given)?;
    Ok((note, checkpoint))
}

/// A checkpoint of the network of `genesis`, if its policy accepts the note and the given one does.
pub(crate) fn accept(
    note: &Note,
    genesis: &Genesis,
    given: Option<&Policy>,
) -> Result<VerifiedCheckpoint, Fault> {
    let checkpoint = genesis.policy().verify_checkpoint(note)?;
    let (found, wanted) = (&checkpoint.checkpoint().origin, genesis.origin());
    if found != wanted {
        let (found, wanted) = (found.to_string(), wanted.to_string());
        return Err(Fault::OtherNetwork { wanted, found });
    }
    if let Some(policy) = given {
        policy.verify_checkpoint(note)?;
    }
    Ok(checkpoint)
}

fn missing(path: &str) -> Failure {
    Fault::Missing {
        path: path.to_owned(),
    }
    .into()
}
