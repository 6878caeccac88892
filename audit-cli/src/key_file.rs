//! A file with a named key: one line, for its owner's eyes only.
//!
//! What always holds: a key is drawn into a new file that nobody else can read, and read from no other;
//! a file made for one use is refused for another.
//!
//! `medanchor-<use>-v1 NAME HEX`, with the 32 bytes of an Ed25519 seed.

use medanchor_ledger::note::KeyName;
use medanchor_ledger::signature::SigningKey;
use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use zeroize::{Zeroize, Zeroizing};

/// Longer than any key file.
const MAX_BYTES: usize = 512;

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Cosigns checkpoints.
    Witness,
    /// Signs what a watcher saw.
    Observer,
}

impl Purpose {
    const fn label(self) -> &'static str {
        match self {
            Self::Witness => "medanchor-witness-v1",
            Self::Observer => "medanchor-observer-v1",
        }
    }

    const fn owner(self) -> &'static str {
        match self {
            Self::Witness => "witness",
            Self::Observer => "observer",
        }
    }

    const fn command(self) -> &'static str {
        match self {
            Self::Witness => "witness key new",
            Self::Observer => "watch key new",
        }
    }
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyFileError {
    #[error("cannot use the key file {path}: {cause}", path = path.display())]
    Io { path: PathBuf, cause: io::Error },
    #[error(
        "others can read the key file {path} (mode {mode:03o}); close it with `chmod 600 {path}`, and make a new key if somebody may have read it",
        path = path.display()
    )]
    Open { path: PathBuf, mode: u32 },
    #[error(
        "{path} holds no {}'s key; make one with `{}`",
        purpose.owner(), purpose.command(), path = path.display()
    )]
    Content { path: PathBuf, purpose: Purpose },
    #[error("that is no name of a key; use 1 to 255 bytes without spaces and plus signs")]
    Name,
    #[error("the system gave no randomness: {0}")]
    Randomness(getrandom::Error),
}

/// A key and its name.
pub(crate) struct NamedKey {
    pub(crate) name: KeyName,
    pub(crate) key: SigningKey,
}

impl NamedKey {
    /// Draws a key and writes it to a new file.
    pub(crate) fn create(purpose: Purpose, name: &str, path: &Path) -> Result<Self, KeyFileError> {
        let name: KeyName = name.parse().map_err(|_| KeyFileError::Name)?;
        let mut seed = Zeroizing::new([0u8; 32]);
        getrandom::fill(seed.as_mut()).map_err(KeyFileError::Randomness)?;
        let mut digits = hex::encode(seed.as_ref());
        let text = Zeroizing::new(format!("{} {name} {digits}\n", purpose.label()));
        digits.zeroize();
        let write = || -> io::Result<()> {
            let mut options = OpenOptions::new();
            let options = options.write(true).create_new(true).mode(0o600);
            let mut file = options.open(path)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()
        };
        write().map_err(|cause| io_error(path, cause))?;
        let key = SigningKey::from_seed(&seed);
        Ok(Self { name, key })
    }

    /// Reads a key file that nobody else can read.
    pub(crate) fn read(purpose: Purpose, path: &Path) -> Result<Self, KeyFileError> {
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
        Self::parse(purpose, &text).ok_or_else(|| KeyFileError::Content {
            path: path.to_owned(),
            purpose,
        })
    }

    fn parse(purpose: Purpose, text: &str) -> Option<Self> {
        let mut words = text.strip_suffix('\n')?.split(' ');
        let (label, name, digits) = (words.next()?, words.next()?, words.next()?);
        if label != purpose.label() || words.next().is_some() {
            return None;
        }
        let mut seed = Zeroizing::new([0u8; 32]);
        hex::decode_to_slice(digits, seed.as_mut()).ok()?;
        Some(Self {
            name: name.parse().ok()?,
            key: SigningKey::from_seed(&seed),
        })
    }
}

fn io_error(path: &Path, cause: io::Error) -> KeyFileError {
    KeyFileError::Io {
        path: path.to_owned(),
        cause,
    }
}
