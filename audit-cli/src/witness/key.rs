//! The witness's key: one line in a file for its owner's eyes only.
//!
//! `medanchor-witness-v1 NAME HEX`, with the 32 bytes of an Ed25519 seed.

use medanchor_ledger::note::{KeyName, NoteKey, NoteSignature, VerifierKey, cosign_note};
use medanchor_ledger::signature::SigningKey;
use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use zeroize::{Zeroize, Zeroizing};

const LABEL: &str = "medanchor-witness-v1";
/// Longer than any key file.
const MAX_BYTES: usize = 512;

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeyFileError {
    #[error("cannot use the key file {path}: {cause}", path = path.display())]
    Io { path: PathBuf, cause: io::Error },
    #[error(
        "others can read the key file {path} (mode {mode:03o}); close it with `chmod 600 {path}`, and make a new key if somebody may have read it",
        path = path.display()
    )]
    Open { path: PathBuf, mode: u32 },
    #[error("{path} holds no witness's key; make one with `witness key new`", path = path.display())]
    Content { path: PathBuf },
    #[error("that is no name of a key; use 1 to 255 bytes without spaces and plus signs")]
    Name,
    #[error("the system gave no randomness: {0}")]
    Randomness(getrandom::Error),
}

/// A witness's name and key.
pub(super) struct WitnessKey {
    name: KeyName,
    key: SigningKey,
    verifier: VerifierKey,
}

impl WitnessKey {
    fn new(name: KeyName, seed: &[u8; 32]) -> Self {
        let key = SigningKey::from_seed(seed);
        let verifier = VerifierKey::new(name.clone(), NoteKey::Cosigner(key.public_key()));
        Self {
            name,
            key,
            verifier,
        }
    }

    /// Draws a key and writes it to a new file.
    pub(super) fn create(name: &str, path: &Path) -> Result<Self, KeyFileError> {
        let name: KeyName = name.parse().map_err(|_| KeyFileError::Name)?;
        let mut seed = Zeroizing::new([0u8; 32]);
        getrandom::fill(seed.as_mut()).map_err(KeyFileError::Randomness)?;
        let mut digits = hex::encode(seed.as_ref());
        let text = Zeroizing::new(format!("{LABEL} {name} {digits}\n"));
        digits.zeroize();
        let write = || -> io::Result<()> {
            let mut options = OpenOptions::new();
            let options = options.write(true).create_new(true).mode(0o600);
            let mut file = options.open(path)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()
        };
        write().map_err(|cause| io_error(path, cause))?;
        Ok(Self::new(name, &seed))
    }

    /// Reads a key file that nobody else can read.
    pub(super) fn read(path: &Path) -> Result<Self, KeyFileError> {
        let file = OpenOptions::new().read(true).open(path);
        let file = file.map_err(|cause| io_error(path, cause))?;
        let about = file.metadata().map_err(|cause| io_error(path, cause))?;
        let mode = about.mode() & 0o777;
        if mode & 0o077 != 0 {
            let path = path.to_owned();
            return Err(KeyFileError::Open { path, mode });
        }
        // Reserved up front, so that no copy is left behind by growing.
        let mut text = Zeroizing::new(String::with_capacity(MAX_BYTES));
        let read = file.take(MAX_BYTES as u64).read_to_string(&mut text);
        read.map_err(|cause| io_error(path, cause))?;
        Self::parse(&text).ok_or_else(|| KeyFileError::Content {
            path: path.to_owned(),
        })
    }

    fn parse(text: &str) -> Option<Self> {
        let mut words = text.strip_suffix('\n')?.split(' ');
        let (label, name, digits) = (words.next()?, words.next()?, words.next()?);
        if label != LABEL || words.next().is_some() {
            return None;
        }
        let mut seed = Zeroizing::new([0u8; 32]);
        hex::decode_to_slice(digits, seed.as_mut()).ok()?;
        Some(Self::new(name.parse().ok()?, &seed))
    }

    /// By which the cosignatures are judged.
    pub(super) const fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// Cosigns a checkpoint's text at a time in seconds since 1970; none for a time that no
    /// cosignature may have.
    pub(super) fn cosign(&self, time: u64, text: &str) -> Option<NoteSignature> {
        cosign_note(&self.name, &self.key, time, text).filter(|_| time > 0)
    }
}

fn io_error(path: &Path, cause: io::Error) -> KeyFileError {
    KeyFileError::Io {
        path: path.to_owned(),
        cause,
    }
}
