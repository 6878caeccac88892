//! What a watcher keeps in its folder.
//!
//! What always holds: a file is under its name whole and durable; the checkpoint that was seen of a
//! log is replaced only by one of at least its size that the policy accepts.
//!
//! | path | what |
//! |---|---|
//! | `genesis` | the network that is watched, as the first log that answered gave it |
//! | `policy-chain` | the longest chain of its policies that any log showed or the user gave |
//! | `seen/<hash>.checkpoint` | the newest checkpoint of a log, by the hash of its folder or address |
//! | `evidence/*.fork` | proof of a fork |
//! | `evidence/*.observation` | what was seen and nobody signed |
//! | `evidence/*.attestation` | what was seen and the observer signed |
//! | `lock` | held by the watcher that runs |

use super::ObserverKey;
use crate::attestation::Statement;
use crate::compare::{Signed, evidence_name};
use crate::fault::{Failure, Trouble};
use crate::mirror::folder::failed;
use crate::observation::{Kind, Observation};
use crate::source::{Folder, Source};
use crate::trust::{CHAIN, Trust};
use medanchor_ledger::fork::Fork;
use medanchor_ledger::genesis::{Genesis, MAX_GENESIS_BYTES};
use medanchor_ledger::note::Note;
use medanchor_ledger::policy::{CheckpointPolicy, PolicyChain};
use medanchor_ledger::sha256;
use medanchor_store::HomeLock;
use medanchor_store::files::{make_folder, sync_folder, write_aside};
use std::path::{Path, PathBuf};

/// A watcher's folder.
pub(crate) struct Kept {
    folder: PathBuf,
    _lock: HomeLock,
}

impl Kept {
    pub(crate) fn open(folder: &Path) -> Result<Self, Trouble> {
        make_folder(folder).map_err(failed)?;
        Ok(Self {
            folder: folder.to_owned(),
            _lock: HomeLock::take(folder).map_err(failed)?,
        })
    }

    /// The genesis of the network that is watched.
    pub(crate) fn genesis(&self) -> Result<Option<Genesis>, Failure> {
        let bytes = self.read("genesis", MAX_GENESIS_BYTES as u64)?;
        let damaged = |error| {
            let path = self.folder.join("genesis");
            Trouble::Mirror(format!("{} is damaged: {error}", path.display()))
        };
        let decoded = bytes.map(|bytes| Genesis::decode(&bytes).map_err(damaged));
        Ok(decoded.transpose()?)
    }

    pub(crate) fn keep_genesis(&self, genesis: &Genesis) -> Result<(), Trouble> {
        self.write("genesis", genesis.encoded())
    }

    /// Adds the chain of policies that was kept to what is known, and keeps the longer of the two.
    pub(crate) fn learn(&self, trust: &mut Trust) -> Result<(), Failure> {
        let damaged = |error| {
            let path = self.folder.join(CHAIN);
            Trouble::Mirror(format!("{} does not hold: {error}", path.display()))
        };
        let bytes = self.read(CHAIN, PolicyChain::MAX_BYTES as u64)?;
        let longer = bytes.map(|bytes| trust.learn(&bytes).map_err(damaged));
        if longer.transpose()? == Some(true) {
            return Ok(());
        }
        Ok(self.keep_chain(trust)?)
    }

    /// Keeps the chain that is known, if there ever was a change of validators.
    pub(crate) fn keep_chain(&self, trust: &Trust) -> Result<(), Trouble> {
        match trust.chain().filter(|chain| !chain.links.is_empty()) {
            Some(chain) => self.write(CHAIN, &chain.encode()),
            None => Ok(()),
        }
    }

    /// The checkpoint that was seen last of a log; one that is no longer to be trusted is as none.
    pub(crate) fn seen(&self, target: &str, trust: &Trust) -> Result<Option<Signed>, Failure> {
        let bytes = self.read(&name_of(target), Note::MAX_BYTES as u64)?;
        let signed = bytes.and_then(|bytes| Signed::parse(&bytes).ok());
        Ok(signed.filter(|signed| trust.verify_checkpoint(&signed.note).is_ok()))
    }

    pub(crate) fn keep_seen(&self, target: &str, signed: &Signed) -> Result<(), Trouble> {
        self.write(&name_of(target), signed.note.to_string().as_bytes())
    }

    /// Keeps proof of a fork; where.
    pub(crate) fn keep_fork(&self, fork: &Fork) -> Result<PathBuf, Trouble> {
        let text = fork.to_string();
        let name = evidence_name("fork", text.as_bytes(), "fork");
        self.evidence(&name, text.as_bytes())
    }

    /// Keeps an observation, once for what it is of and, where notes tell two of a kind apart, for
    /// these; where.
    pub(crate) fn keep_observation(&self, observed: &Observation) -> Result<PathBuf, Trouble> {
        let seen = &observed.seen;
        let mut what = format!("{} {}", seen.kind.name(), seen.of);
        if matches!(seen.kind, Kind::Rollback | Kind::Stall) {
            let notes = observed.notes.iter();
            notes.for_each(|note| what += &note.to_string());
        }
        let name = evidence_name(seen.kind.name(), what.as_bytes(), "observation");
        self.evidence(&name, observed.to_string().as_bytes())
    }

    /// Signs and keeps a statement, once a day for what it is of and, where checkpoints with a quorum
    /// tell two of a kind apart, for these, and again if it is `proved`: whoever is watched cannot fill
    /// the disk.
    pub(crate) fn keep_attestation(
        &self,
        statement: Statement,
        key: &ObserverKey,
        proved: bool,
    ) -> Result<PathBuf, Trouble> {
        let seen = &statement.seen;
        let (kind, day) = (seen.kind, seen.seconds / 86_400);
        let mut what = format!(
            "{} {} {day} {} {proved} ",
            kind.name(),
            seen.of,
            key.verifier()
        );
        if matches!(kind, Kind::Rollback | Kind::Stall) {
            let served = statement.checkpoint().map(|signed| signed.note);
            let notes = served.iter().chain(&statement.known);
            notes.for_each(|note| what += note.text());
        }
        let name = evidence_name(kind.name(), what.as_bytes(), "attestation");
        let signed = statement.sign(key);
        let signed = signed.map_err(|error| Trouble::Mirror(error.to_string()))?;
        self.evidence(&name, &signed.encode())
    }

    fn evidence(&self, name: &str, bytes: &[u8]) -> Result<PathBuf, Trouble> {
        let name = format!("evidence/{name}");
        let path = self.folder.join(&name);
        if !path.is_file() {
            self.write(&name, bytes)?;
        }
        Ok(path)
    }

    fn read(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, Failure> {
        Folder(self.folder.clone()).read(name, limit)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Trouble> {
        let path = self.folder.join(name);
        let parent = path.parent().unwrap_or(&self.folder);
        make_folder(parent).map_err(failed)?;
        write_aside(&path, bytes).map_err(failed)?;
        sync_folder(parent).map_err(failed)
    }
}

fn name_of(target: &str) -> String {
    let hash = sha256(&[target.as_bytes()]);
    let name: String = hash
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("seen/{name}.checkpoint")
}
