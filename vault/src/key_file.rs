//! The file that holds the institution key, apart from everything that the key protects.
//!
//! What always holds: the file is made once, readable by its owner only, and never replaced; a copy
//! of the vault without it opens nothing.
//!
//! | bytes | field |
//! |---|---|
//! | 0..16 | magic `medanchor/inst/1` |
//! | 16 | protection: 0 = none (a passphrase or a token will be others) |
//! | 17..28 | zero |
//! | 28..60 | key |
//! | 60..64 | first bytes of SHA-256 of what stands before |

use crate::secret::{InstitutionKey, RandomFailed};
use medanchor_ledger::sha256;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

const MAGIC: &[u8; 16] = b"medanchor/inst/1";
const LENGTH: usize = 64;

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

/// Draws an institution key and writes it to a new file.
///
/// # Errors
/// [`KeyFileError`]; an existing file is left as it is.
pub fn create(path: &Path) -> Result<InstitutionKey, KeyFileError> {
    let key = InstitutionKey::generate()?;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => KeyFileError::Exists { path: path.into() },
        _ => io_at(path)(error),
    })?;
    file.write_all(encode(&key).as_slice())
        .and_then(|()| file.sync_all())
        .map_err(io_at(path))?;
    crate::folder::sync_parent(path).map_err(io_at(path))?;
    Ok(key)
}

/// Reads an institution key.
///
/// # Errors
/// [`KeyFileError`].
pub fn read(path: &Path) -> Result<InstitutionKey, KeyFileError> {
    let file = File::open(path).map_err(io_at(path))?;
    private(&file, path)?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(LENGTH + 1));
    let most = u64::try_from(LENGTH + 1).unwrap_or(u64::MAX);
    file.take(most)
        .read_to_end(&mut bytes)
        .map_err(io_at(path))?;
    decode(&bytes).ok_or(KeyFileError::Format { path: path.into() })
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

fn encode(key: &InstitutionKey) -> Zeroizing<[u8; LENGTH]> {
    let mut bytes = Zeroizing::new([0; LENGTH]);
    let (body, sum) = bytes.split_at_mut(LENGTH - 4);
    let (head, secret) = body.split_at_mut(28);
    head[..16].copy_from_slice(MAGIC);
    secret.copy_from_slice(key.expose());
    sum.copy_from_slice(&sha256(&[body])[..4]);
    bytes
}

fn decode(bytes: &[u8]) -> Option<InstitutionKey> {
    let (body, sum) = bytes.split_last_chunk::<4>()?;
    let secret = body.strip_prefix(MAGIC)?.strip_prefix(&[0; 12])?;
    let whole = sha256(&[body]).starts_with(sum);
    whole.then_some(InstitutionKey::new(secret.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_file_is_made_once_and_reads_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("institution.key");
        let key = create(&path).unwrap();
        assert_eq!(read(&path).unwrap().expose(), key.expose());
        assert!(matches!(create(&path), Err(KeyFileError::Exists { .. })));
        assert_eq!(read(&path).unwrap().expose(), key.expose());
    }

    #[test]
    fn every_flipped_bit_and_other_length_is_refused() {
        let good = encode(&InstitutionKey::new([3; 32]));
        assert!(decode(&*good).is_some());
        for bit in 0..LENGTH * 8 {
            let mut bad = *good;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&bad).is_none(), "bit {bit}");
        }
        assert!(
            decode(&good[..63]).is_none() && decode(&[good.as_slice(), &[0]].concat()).is_none()
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_key_file_is_its_owners_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("institution.key");
        create(&path).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
        assert!(matches!(read(&path), Err(KeyFileError::Open { .. })));
    }
}
