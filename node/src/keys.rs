//! The secret keys of a node: files under `keys/`, one line each, for their owner's eyes only.
//!
//! What always holds: a key is wiped from memory when it is dropped, is never shown by `Debug` or
//! an error, and a file that others could read is refused with the command that closes it.

use medanchor_ledger::signature::{PublicKey, SigningKey};
use std::fmt;
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use zeroize::{Zeroize, Zeroizing};

/// What a key is for. A key serves one purpose and one network only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// Votes.
    Consensus,
    /// The log signature of checkpoints.
    Log,
    /// Cosignatures of checkpoints.
    Cosigner,
    /// COSE receipts.
    Cose,
    /// The node's identity towards its peers.
    P2p,
    /// Checkpoints handed to outside witnesses; one home of a network has it.
    Publisher,
    /// Verifiable random outputs for inspections.
    Vrf,
    /// The signatures of the events that carry those outputs.
    Inspection,
}

impl Purpose {
    /// Every purpose, in the order in which people read them.
    pub const ALL: [Self; 8] = [
        Self::Consensus,
        Self::Log,
        Self::Cosigner,
        Self::Cose,
        Self::P2p,
        Self::Publisher,
        Self::Vrf,
        Self::Inspection,
    ];

    /// The purposes of a validator's keys in the genesis.
    pub const VALIDATOR: [Self; 4] = [Self::Consensus, Self::Log, Self::Cosigner, Self::Cose];

    /// The name in the file and on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Consensus => "consensus",
            Self::Log => "log",
            Self::Cosigner => "cosigner",
            Self::Cose => "cose",
            Self::P2p => "p2p",
            Self::Publisher => "publisher",
            Self::Vrf => "vrf",
            Self::Inspection => "inspection",
        }
    }

    /// The file under a home's `keys/`.
    #[must_use]
    pub fn path(self, keys: &Path) -> PathBuf {
        keys.join(format!("{}.key", self.as_str()))
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a key cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The file is missing, or the system refused.
    #[error("cannot use the key file {path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Others than the owner may read or change it.
    #[error(
        "others can read the key file {path} (mode {mode:03o}); close it with `chmod 600 {path}`, and replace the key if somebody may have read it",
        path = path.display()
    )]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It does not hold a key for this purpose.
    #[error("{path} does not hold a {purpose} key; restore it from the back-up", path = path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        purpose: Purpose,
    },
    /// The system gave no randomness.
    #[error("the system gave no randomness: {0}")]
    Randomness(getrandom::Error),
}

/// An Ed25519 secret key and what it is for.
pub struct SecretKey {
    purpose: Purpose,
    key: SigningKey,
}

impl SecretKey {
    /// Draws a new key.
    ///
    /// # Errors
    /// If the system gives no randomness.
    pub fn generate(purpose: Purpose) -> Result<Self, KeyError> {
        let mut seed = Zeroizing::new([0u8; 32]);
        getrandom::fill(seed.as_mut()).map_err(KeyError::Randomness)?;
        Ok(Self {
            purpose,
            key: SigningKey::from_seed(&seed),
        })
    }

    /// What the key is for.
    #[must_use]
    pub const fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// The public key.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        self.key.public_key()
    }

    /// The key pair, for those who sign with it.
    #[must_use]
    pub const fn signing_key(&self) -> &SigningKey {
        &self.key
    }

    /// The 32 secret bytes, wiped when dropped.
    #[must_use]
    pub fn seed(&self) -> Zeroizing<[u8; 32]> {
        self.key.seed()
    }

    /// Reads the key for `purpose` from a home's `keys/`.
    ///
    /// # Errors
    /// If there is none, others can read it, or it is for something else.
    pub fn read(keys: &Path, purpose: Purpose) -> Result<Self, KeyError> {
        let path = purpose.path(keys);
        let io = |source| KeyError::Io {
            path: path.clone(),
            source,
        };
        let file = std::fs::File::open(&path).map_err(io)?;
        let mode = file.metadata().map_err(io)?.mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(KeyError::Open { path, mode });
        }
        // Reserved up front, so that no copy is left behind by growing.
        let mut text = Zeroizing::new(String::with_capacity(256));
        file.take(256).read_to_string(&mut text).map_err(io)?;
        Self::parse(&text, purpose).ok_or(KeyError::Content { path, purpose })
    }

    fn parse(text: &str, purpose: Purpose) -> Option<Self> {
        let mut words = text.strip_suffix('\n')?.split(' ');
        let (label, name, digits) = (words.next()?, words.next()?, words.next()?);
        if label != LABEL || name != purpose.as_str() || words.next().is_some() {
            return None;
        }
        let mut seed = Zeroizing::new([0u8; 32]);
        hex::decode_to_slice(digits, seed.as_mut()).ok()?;
        Some(Self {
            purpose,
            key: SigningKey::from_seed(&seed),
        })
    }

    /// Writes the key into a home's `keys/`, readable by its owner alone. Never overwrites.
    ///
    /// # Errors
    /// If there is a file already, or the system refuses.
    pub fn write(&self, keys: &Path) -> Result<(), KeyError> {
        let path = self.purpose.path(keys);
        let io = |source| KeyError::Io {
            path: path.clone(),
            source,
        };
        let mut digits = hex::encode(self.seed().as_ref());
        let text = Zeroizing::new(format!("{LABEL} {} {digits}\n", self.purpose));
        digits.zeroize();
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(io)?;
        file.write_all(text.as_bytes())
            .and_then(|()| file.sync_all())
            .map_err(io)
    }
}

const LABEL: &str = "medanchor-ed25519-v1";

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_key_survives_its_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let key = SecretKey::generate(Purpose::Log).expect("randomness");
        key.write(folder.path()).expect("written");
        let read = SecretKey::read(folder.path(), Purpose::Log).expect("read");
        assert_eq!(read.public(), key.public());
    }

    #[test]
    fn a_file_that_others_can_read_is_refused_with_the_remedy() {
        let folder = tempfile::tempdir().expect("a folder");
        SecretKey::generate(Purpose::Cose)
            .expect("randomness")
            .write(folder.path())
            .expect("written");
        let path = Purpose::Cose.path(folder.path());
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).expect("mode");
        let error = SecretKey::read(folder.path(), Purpose::Cose)
            .err()
            .expect("refused");
        assert!(error.to_string().contains("chmod 600"), "{error}");
    }

    #[test]
    fn a_key_for_another_purpose_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        SecretKey::generate(Purpose::Cose)
            .expect("randomness")
            .write(folder.path())
            .expect("written");
        std::fs::rename(
            Purpose::Cose.path(folder.path()),
            Purpose::Log.path(folder.path()),
        )
        .expect("moved");
        let error = SecretKey::read(folder.path(), Purpose::Log)
            .err()
            .expect("refused");
        assert!(matches!(error, KeyError::Content { .. }), "{error}");
    }

    #[test]
    fn a_key_file_is_never_overwritten() {
        let folder = tempfile::tempdir().expect("a folder");
        let key = SecretKey::generate(Purpose::Log).expect("randomness");
        key.write(folder.path()).expect("written");
        assert!(
            SecretKey::generate(Purpose::Log)
                .expect("randomness")
                .write(folder.path())
                .is_err()
        );
        assert_eq!(
            SecretKey::read(folder.path(), Purpose::Log)
                .expect("read")
                .public(),
            key.public()
        );
    }
}
