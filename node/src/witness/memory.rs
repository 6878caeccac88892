//! What the publisher signed last and what each witness cosigned last: `data/witnesses`, one JSON
//! object, replaced whole and synced.
//!
//! `{"signed": {"size": 7, "root": "hex"}, "cosigned": {"<verifier key>": 7}}`

use medanchor_ledger::checkpoint::Checkpoint;
use medanchor_ledger::note::VerifierKey;
use medanchor_ledger::{Size, TreeHash};
use medanchor_store::{StoreError, write_durably};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The longest file that is read.
const MAX_BYTES: u64 = 1 << 20;

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MemoryError {
    /// The system refused.
    #[error("cannot use {path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It does not hold what was written.
    #[error(
        "{path} is damaged: it does not say which checkpoint the publisher signed last; move it aside once you know that this log is the one the witnesses have seen",
        path = path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
    },
}

/// What must not be forgotten.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Memory {
    signed: Option<Signed>,
    cosigned: BTreeMap<String, u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Signed {
    size: u64,
    root: String,
}

impl Memory {
    /// Reads what was kept in the folder `data`; nothing if there is no file.
    pub(super) fn load(data: &Path) -> Result<Self, MemoryError> {
        let path = path(data);
        let io = |source| MemoryError::Io {
            path: path.clone(),
            source,
        };
        let file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            file => file.map_err(io)?,
        };
        let mut bytes = Vec::new();
        file.take(MAX_BYTES).read_to_end(&mut bytes).map_err(io)?;
        let memory: Self = serde_json::from_slice(&bytes)
            .map_err(|_| MemoryError::Damaged { path: path.clone() })?;
        if memory.signed.is_some() && memory.signed().is_none() {
            return Err(MemoryError::Damaged { path });
        }
        Ok(memory)
    }

    /// Keeps it: whole and durable when this returns.
    pub(super) fn save(&self, data: &Path) -> Result<(), StoreError> {
        // Numbers and texts always have a JSON form.
        let text = serde_json::to_vec(self).unwrap_or_default();
        write_durably(&path(data), &text)
    }

    /// What the publisher signed last.
    pub(super) fn signed(&self) -> Option<(Size, TreeHash)> {
        let signed = self.signed.as_ref()?;
        Some((Size(signed.size), signed.root.parse().ok()?))
    }

    /// The publisher is about to sign this.
    pub(super) fn sign(&mut self, checkpoint: &Checkpoint) {
        self.signed = Some(Signed {
            size: checkpoint.size.0,
            root: checkpoint.root.to_string(),
        });
    }

    /// The size that the witness with this key cosigned last; 0 if none is known.
    pub(super) fn cosigned(&self, key: &VerifierKey) -> Size {
        Size(self.cosigned.get(&key.to_string()).copied().unwrap_or(0))
    }

    /// The witness with this key cosigned that size.
    pub(super) fn cosign(&mut self, key: &VerifierKey, size: Size) {
        self.cosigned.insert(key.to_string(), size.0);
    }
}

fn path(data: &Path) -> PathBuf {
    data.join("witnesses")
}

#[cfg(test)]
mod tests {
    use super::*;
    use medanchor_ledger::note::NoteKey;
    use medanchor_ledger::signature::SigningKey;

    fn key() -> VerifierKey {
        let public = SigningKey::from_seed(&[7; 32]).public_key();
        let name = "witness.example/w1".parse().expect("a name");
        VerifierKey::new(name, NoteKey::Cosigner(public))
    }

    #[test]
    fn what_was_signed_and_cosigned_outlives_the_process() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut memory = Memory::load(folder.path()).expect("nothing yet");
        assert_eq!((memory.signed(), memory.cosigned(&key())), (None, Size(0)));
        let checkpoint = Checkpoint {
            origin: "test/0".parse().expect("an origin"),
            size: Size(9),
            root: TreeHash::new([3; 32]),
        };
        memory.sign(&checkpoint);
        memory.cosign(&key(), Size(8));
        memory.save(folder.path()).expect("saved");
        let memory = Memory::load(folder.path()).expect("loaded");
        assert_eq!(memory.signed(), Some((Size(9), TreeHash::new([3; 32]))));
        assert_eq!(memory.cosigned(&key()), Size(8));
    }

    #[test]
    fn a_damaged_file_is_refused_and_named() {
        for text in [
            "",
            "{",
            "{}x",
            r#"{"signed":{"size":1,"root":"zz"},"cosigned":{}}"#,
        ] {
            let folder = tempfile::tempdir().expect("a folder");
            std::fs::write(folder.path().join("witnesses"), text).expect("written");
            let error = Memory::load(folder.path()).expect_err(text);
            assert!(
                error.to_string().contains("witnesses is damaged"),
                "{error}"
            );
        }
    }
}
