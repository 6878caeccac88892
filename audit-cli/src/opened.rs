//! A log whose genesis, policy and checkpoint were read and hold.
//!
//! What always holds: the policies are those that follow from genesis, the checkpoint meets the one of
//! its size and the one that was given, and is of the network whose genesis file stands in the log.

use crate::compare::Signed;
use crate::fault::{Failure, Fault, Trouble};
use crate::mirror::folder::{BESIDE, NEWEST};
use crate::source::{self, Source};
use crate::trust::{Given, Trust};
use medanchor_ledger::Size;
use medanchor_ledger::checkpoint::Checkpoint;
use medanchor_ledger::genesis::{Genesis, MAX_GENESIS_BYTES};
use medanchor_ledger::note::Note;
use medanchor_ledger::policy::{CheckpointPolicy, Policy, VerifiedCheckpoint};

/// A log, opened.
pub(crate) struct Log {
    pub(crate) source: Box<dyn Source>,
    pub(crate) genesis: Genesis,
    pub(crate) trust: Trust,
    pub(crate) note: Note,
    pub(crate) checkpoint: VerifiedCheckpoint,
    /// The size that a mirror is on its way to, if the folder is one that was interrupted.
    pub(crate) on_its_way: Option<Size>,
}

impl Log {
    /// Opens the log in a folder, a home, or at an address, and judges its checkpoint by its genesis,
    /// its chain of policies and what was given.
    pub(crate) fn open(target: &str, given: &Given) -> Result<Self, Failure> {
        let source = source::open(target)?;
        let genesis = read_genesis(&*source)?;
        let newest = newest(&*source)?;
        let mirror = source
            .folder()
            .is_some_and(|folder| folder.join(BESIDE).is_dir());
        if mirror && source.read("checkpoint", Note::MAX_BYTES as u64)?.is_none() {
            return Err(Trouble::Unfinished(target.to_owned()).into());
        }
        let mut trust = Trust::of(&genesis, given)?;
        let (note, checkpoint) = read_checkpoint(&*source, &mut trust)?;
        Ok(Self {
            source,
            genesis,
            trust,
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

    /// How many validators there are at the checkpoint's size, and how many of them are a quorum.
    pub(crate) fn validators(&self) -> (usize, usize) {
        let policies = self.trust.policies();
        let turn = policies.and_then(|policies| policies.at(self.head().size));
        turn.map_or((0, 0), |turn| {
            (turn.cose.iter().count(), turn.cose.quorum())
        })
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

/// The checkpoint of a log, accepted by the policy of its size. The chain is read after the
/// checkpoint, which it covers then, also while the log grows.
pub(crate) fn read_checkpoint(
    source: &dyn Source,
    trust: &mut Trust,
) -> Result<(Note, VerifiedCheckpoint), Failure> {
    let bytes = source.read("checkpoint", Note::MAX_BYTES as u64)?;
    let bytes = bytes.ok_or_else(|| missing("checkpoint"))?;
    let note = Note::parse(&bytes).map_err(Fault::from)?;
    trust.learn_from(source)?;
    let checkpoint = trust.verify_checkpoint(&note).map_err(Fault::from)?;
    Ok((note, checkpoint))
}

fn missing(path: &str) -> Failure {
    Fault::Missing {
        path: path.to_owned(),
    }
    .into()
}
