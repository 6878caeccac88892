//! The file that holds the institution key, or says where it is, apart from all that the key protects.
//!
//! What always holds: the file is made once, readable by its owner only, and never replaced but by a
//! rotation; a copy of the vault without it opens nothing, and neither does one with it where the
//! passphrase, or the token, is missing. What a file asks of this machine is bounded before it is done.
//!
//! | bytes | unprotected | under a passphrase | in a token |
//! |---|---|---|---|
//! | 0..16 | magic `medanchor/inst/1` | the same | the same |
//! | 16 | protection: 0 | 1 | 2 |
//! | 17..20 | zero | zero | zero |
//! | 20..24 | zero | Argon2id memory in KiB, big-endian | zero |
//! | 24..28 | zero | Argon2id passes, big-endian | zero |
//! | 28..32 | key (28..60) | Argon2id lanes, big-endian | the token's serial number (28..44) |
//! | 32..48 | | id of the key | the key's `CKA_ID` (44..60) |
//! | 48..80 | | salt | |
//! | 80..128 | | AES-256-GCM of the key, with tag | |
//! | the last 4 | first bytes of SHA-256 of what stands before | the same | the same |
//!
//! The key that wraps under a passphrase is Argon2id (RFC 9106, version 0x13) of the passphrase's UTF-8
//! bytes and the salt. It serves this one file, since the salt is fresh, so the nonce is zero; bytes
//! 0..80 are authenticated with the key.

use crate::disk::sync_parent;
#[cfg(feature = "pkcs11")]
use crate::keeper::marks::TokenMarks;
use crate::keeper::{KeeperError, KeyId, KeyKeeper};
use crate::secret::{InstitutionKey, RandomFailed};
use medanchor_ledger::sha256;
use passphrase::UnderPassphrase;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

mod passphrase;
#[cfg(test)]
mod tests;

pub use passphrase::{Cost, Passphrase};

const MAGIC: &[u8; 16] = b"medanchor/inst/1";
const LONGEST: usize = 132;

/// How an institution key is protected.
#[non_exhaustive]
pub enum Protection {
    /// Not at all: whoever reads the key file has the key.
    Nothing,
    /// By a passphrase.
    Passphrase(Passphrase),
    /// By a PKCS#11 token, which the key never leaves.
    #[cfg(feature = "pkcs11")]
    Token(crate::keeper::token::TokenLogin),
}

/// Why a key file was not made or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFileError {
    /// The file is there already.
    #[error(
        "the key file {path} exists; keep it, or name another path: a key is never overwritten"
    )]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// Others than its owner may read it.
    #[error(
        "the key file {path} can be read by others; run chmod 600 on it, and consider the key known"
    )]
    Open {
        /// The file.
        path: PathBuf,
    },
    /// Not a key file, or a damaged one, or one of another protection.
    #[error(
        "the key file {path} is damaged or of an unknown format; restore it from its own back-up"
    )]
    Format {
        /// The file.
        path: PathBuf,
    },
    /// What was given to unlock the file is not what protects it.
    #[error("the key file {path} is protected by {by}; give that")]
    OtherProtection {
        /// The file.
        path: PathBuf,
        /// What protects it.
        by: &'static str,
    },
    /// The file asks for more than any vault writes.
    #[error(
        "the key file {path} asks for more memory or time than a vault ever does; restore it from its own back-up"
    )]
    Cost {
        /// The file.
        path: PathBuf,
    },
    /// The cost given for a new file is out of bounds.
    #[error(
        "the cost for a passphrase is out of bounds; give 19 MiB to 1 GiB, 2 passes or more, 1 to 16 lanes"
    )]
    BadCost,
    /// This machine has not the memory that the file asks for.
    #[error("there is not enough memory to unlock the key file; free some, or use another machine")]
    Memory,
    /// The passphrase does not open the file.
    #[error(
        "the passphrase does not open the key file {path}; give the one it was made with, or, after a rotation, the new one"
    )]
    WrongPassphrase {
        /// The file.
        path: PathBuf,
    },
    /// Too short a passphrase for a new file.
    #[error(
        "a passphrase needs at least {} characters; use several words",
        Passphrase::LEAST
    )]
    Weak,
    /// Whoever keeps the key refused.
    #[error(transparent)]
    Keeper(#[from] KeeperError),
    /// A key that was replaced is still in its token.
    #[error(
        "a replaced institution key is still in its token (serial number {serial}, CKA_ID {id}): {why}; \
         give that token's login, or destroy the key with the token's own program and remove {path}, \
         which names it"
    )]
    StillInToken {
        /// The file that names it.
        path: PathBuf,
        /// The token's serial number.
        serial: String,
        /// The key's id in the token, in hexadecimal.
        id: String,
        /// Why it was not destroyed.
        why: String,
    },
    /// The operating system refused.
    #[error("the key file {path} could not be used: {source}; check the path and its permissions")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// No random bytes.
    #[error(transparent)]
    Random(#[from] RandomFailed),
}

fn io_at(path: &Path) -> impl FnOnce(io::Error) -> KeyFileError {
    |source| KeyFileError::Io {
        path: path.into(),
        source,
    }
}

/// Where in a token the key is.
struct InToken {
    serial: [u8; 16],
    id: KeyId,
}

/// What a key file says.
enum KeyFile {
    Bare(InstitutionKey),
    UnderPassphrase(Box<UnderPassphrase>),
    InToken(InToken),
}

/// Draws an institution key and writes a new file for it.
///
/// # Errors
/// [`KeyFileError`]; an existing file is left as it is.
pub fn create(path: &Path, protection: &Protection) -> Result<KeyKeeper, KeyFileError> {
    if path.exists() {
        return Err(KeyFileError::Exists { path: path.into() });
    }
    let (keeper, file) = match protection {
        Protection::Nothing => {
            let key = InstitutionKey::generate()?;
            (KeyKeeper::in_memory(&key), KeyFile::Bare(key))
        }
        Protection::Passphrase(passphrase) => {
            let key = InstitutionKey::generate()?;
            let file = UnderPassphrase::lock(&key, passphrase)?;
            let file = KeyFile::UnderPassphrase(Box::new(file));
            (KeyKeeper::in_memory(&key), file)
        }
        #[cfg(feature = "pkcs11")]
        Protection::Token(login) => {
            let (token, serial) = login.create()?;
            let id = token.id();
            (
                KeyKeeper::in_token(token),
                KeyFile::InToken(InToken { serial, id }),
            )
        }
    };
    write(path, &file.encode())?;
    Ok(keeper)
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), KeyFileError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => KeyFileError::Exists { path: path.into() },
        _ => io_at(path)(error),
    })?;
    file.write_all(bytes)
        .and_then(|()| file.sync_all())
        .and_then(|()| sync_parent(path))
        .map_err(io_at(path))
}

/// Gets at the key of a file.
///
/// # Errors
/// [`KeyFileError`].
pub fn unlock(path: &Path, protection: &Protection) -> Result<KeyKeeper, KeyFileError> {
    match (read(path)?, protection) {
        (KeyFile::Bare(key), Protection::Nothing) => Ok(KeyKeeper::in_memory(&key)),
        (KeyFile::UnderPassphrase(file), Protection::Passphrase(passphrase)) => {
            let key = file
                .unlock(passphrase)?
                .ok_or(KeyFileError::WrongPassphrase { path: path.into() })?;
            Ok(KeyKeeper::in_memory(&key))
        }
        #[cfg(feature = "pkcs11")]
        (KeyFile::InToken(place), Protection::Token(login)) => {
            Ok(KeyKeeper::in_token(login.open(&place.serial, place.id)?))
        }
        (file, _) => Err(KeyFileError::OtherProtection {
            path: path.into(),
            by: file.protection(),
        }),
    }
}

/// Which key a file is of, without unlocking it.
///
/// # Errors
/// [`KeyFileError`].
pub(crate) fn key_id(path: &Path) -> Result<KeyId, KeyFileError> {
    Ok(match read(path)? {
        KeyFile::Bare(key) => KeyId::of(&key),
        KeyFile::UnderPassphrase(file) => file.id,
        KeyFile::InToken(place) => place.id,
    })
}

/// Whether the key of a file is in a token.
///
/// # Errors
/// [`KeyFileError`].
pub(crate) fn is_in_token(path: &Path) -> Result<bool, KeyFileError> {
    Ok(matches!(read(path)?, KeyFile::InToken(_)))
}

/// Which key in a token a file names; none for any other file, whoever may read that.
///
/// # Errors
/// [`KeyFileError::Io`].
pub(crate) fn id_in_token(path: &Path) -> Result<Option<KeyId>, KeyFileError> {
    let bytes = bytes(File::open(path).map_err(io_at(path))?, path)?;
    Ok(match KeyFile::decode(&bytes) {
        Some(KeyFile::InToken(place)) => Some(place.id),
        _ => None,
    })
}

/// Destroys the key that a file names in its token; nothing to do where the token has none of that id.
///
/// # Errors
/// [`KeyFileError::StillInToken`], where `login` is none of that token's or the token refuses; others for
/// a file that names none.
pub(crate) fn destroy_in_token(path: &Path, login: &Protection) -> Result<(), KeyFileError> {
    let place = match read(path)? {
        KeyFile::InToken(place) => place,
        file => {
            return Err(KeyFileError::OtherProtection {
                path: path.into(),
                by: file.protection(),
            });
        }
    };
    let why = match login {
        #[cfg(feature = "pkcs11")]
        Protection::Token(login) => match login.destroy(&place.serial, place.id) {
            Ok(()) => return Ok(()),
            Err(error) => error.to_string(),
        },
        _ => "its PIN was not given".to_owned(),
    };
    Err(KeyFileError::StillInToken {
        path: path.into(),
        serial: String::from_utf8_lossy(&place.serial).trim_end().to_owned(),
        id: hex::encode(place.id.as_bytes()),
        why,
    })
}

/// The count beside a key in a token, to be read without its PIN.
///
/// # Errors
/// [`KeyFileError`].
#[cfg(feature = "pkcs11")]
pub(crate) fn tally(path: &Path, module: &Path) -> Result<TokenMarks, KeyFileError> {
    match read(path)? {
        KeyFile::InToken(place) => Ok(TokenMarks::open(module, &place.serial, place.id)?),
        file => Err(KeyFileError::OtherProtection {
            path: path.into(),
            by: file.protection(),
        }),
    }
}

/// Reads a key file and writes it again. No passphrase is tried.
#[cfg(feature = "testing")]
#[must_use]
pub fn rewritten(bytes: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    Some(KeyFile::decode(bytes)?.encode())
}

fn read(path: &Path) -> Result<KeyFile, KeyFileError> {
    let file = File::open(path).map_err(io_at(path))?;
    private(&file, path)?;
    let file = KeyFile::decode(&bytes(file, path)?);
    let file = file.ok_or(KeyFileError::Format { path: path.into() })?;
    match &file {
        KeyFile::UnderPassphrase(file) if !file.cost.is_bearable() => {
            Err(KeyFileError::Cost { path: path.into() })
        }
        _ => Ok(file),
    }
}

/// A byte more than any key file has, at most.
fn bytes(file: File, path: &Path) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(LONGEST + 1));
    file.take(LONGEST as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(io_at(path))?;
    Ok(bytes)
}

#[cfg(unix)]
fn private(file: &File, path: &Path) -> Result<(), KeyFileError> {
    use std::os::unix::fs::PermissionsExt;
    let mode = file.metadata().map_err(io_at(path))?.permissions().mode();
    if mode & 0o077 == 0 {
        Ok(())
    } else {
        Err(KeyFileError::Open { path: path.into() })
    }
}

#[cfg(not(unix))]
fn private(_: &File, _: &Path) -> Result<(), KeyFileError> {
    Ok(())
}

impl KeyFile {
    const fn protection(&self) -> &'static str {
        match self {
            Self::Bare(_) => "nothing",
            Self::UnderPassphrase(_) => "a passphrase",
            Self::InToken(_) => "a PKCS#11 token",
        }
    }

    fn encode(&self) -> Zeroizing<Vec<u8>> {
        // Room for all of it, so that no copy of a key is left behind by growing.
        let mut bytes = Zeroizing::new(Vec::with_capacity(LONGEST));
        bytes.extend_from_slice(MAGIC);
        match self {
            Self::Bare(key) => {
                bytes.extend_from_slice(&[0; 12]);
                bytes.extend_from_slice(key.expose());
            }
            Self::UnderPassphrase(file) => {
                bytes.extend_from_slice(&[1, 0, 0, 0]);
                file.write(&mut bytes);
            }
            Self::InToken(place) => {
                bytes.extend_from_slice(&[2, 0, 0, 0]);
                bytes.extend_from_slice(&[0; 8]);
                bytes.extend_from_slice(&place.serial);
                bytes.extend_from_slice(place.id.as_bytes());
            }
        }
        let sum = sha256(&[&bytes]);
        bytes.extend_from_slice(&sum[..4]);
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (body, sum) = bytes.split_last_chunk::<4>()?;
        if !sha256(&[body]).starts_with(sum) {
            return None;
        }
        let (protection, rest) = body.strip_prefix(MAGIC)?.split_first()?;
        let rest = rest.strip_prefix(&[0; 3])?;
        match protection {
            0 => {
                let key = rest.strip_prefix(&[0; 8])?.try_into().ok()?;
                Some(Self::Bare(InstitutionKey::new(key)))
            }
            1 => UnderPassphrase::read(rest).map(|file| Self::UnderPassphrase(Box::new(file))),
            2 => {
                let (serial, id) = rest.strip_prefix(&[0; 8])?.split_first_chunk()?;
                Some(Self::InToken(InToken {
                    serial: *serial,
                    id: KeyId::new(id.try_into().ok()?),
                }))
            }
            _ => None,
        }
    }
}
