//! Where a passphrase or a PIN is to be had: the first line of a file of its owner's, or a variable of
//! the environment; and a service's credentials, in a file of their own.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The most bytes of a file with a passphrase or a PIN.
const MAX_SECRET: u64 = 1024;

/// Where a secret is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretAt {
    /// In the first line of a file that its owner alone can read.
    File(PathBuf),
    /// In a variable of the environment.
    Environment(String),
}

/// Why a secret is not to be had. No text has a byte of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// The system refused.
    #[error("the secret in {path} cannot be read: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others than the owner can read it.
    #[error("others can read {path}; run chmod 600 on it, and consider the secret known", path = path.display())]
    Open {
        /// The file.
        path: PathBuf,
    },
    /// There is no line of text that could be one.
    #[error("{path} does not begin with a line of text, of {MAX_SECRET} bytes in all at most; write the passphrase or PIN into its first line", path = path.display())]
    Content {
        /// The file.
        path: PathBuf,
    },
    /// The variable is not set, or to no text.
    #[error(
        "the environment has no text in {name}, which should hold the passphrase or PIN; set it"
    )]
    Environment {
        /// The variable's name.
        name: String,
    },
    /// No credentials of a service.
    #[error("{path} must have access_key_id and secret_access_key, may have session_token, and nothing else", path = path.display())]
    Credentials {
        /// The file.
        path: PathBuf,
    },
    /// No bucket.
    #[error("{0}")]
    Bucket(String),
    /// The feature `objects` was left out.
    #[error(
        "this build cannot keep payloads in a bucket; use one that was built with the feature objects"
    )]
    NoBuckets,
    /// The feature `pkcs11` was left out.
    #[error(
        "this build cannot use a PKCS#11 token; use one that was built with the feature pkcs11"
    )]
    NoTokens,
}

impl SecretAt {
    /// The secret.
    ///
    /// # Errors
    /// [`SecretError`].
    pub fn fetch(&self) -> Result<Zeroizing<String>, SecretError> {
        match self {
            Self::File(path) => first_line(path),
            Self::Environment(name) => {
                let text = std::env::var(name).map(Zeroizing::new).ok();
                let text = text.filter(|text| !text.is_empty());
                text.ok_or_else(|| SecretError::Environment { name: name.clone() })
            }
        }
    }
}

fn first_line(path: &Path) -> Result<Zeroizing<String>, SecretError> {
    let content = || SecretError::Content { path: path.into() };
    let bytes = private_bytes(path, MAX_SECRET)?.ok_or_else(content)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| content())?;
    let line = text.lines().next().filter(|line| !line.is_empty());
    line.map(|line| Zeroizing::new(line.to_owned()))
        .ok_or_else(content)
}

/// What is in a file that its owner alone can read; none if it is longer than `most`.
fn private_bytes(path: &Path, most: u64) -> Result<Option<Zeroizing<Vec<u8>>>, SecretError> {
    let io = |source| SecretError::Io {
        path: path.into(),
        source,
    };
    let file = File::open(path).map_err(io)?;
    if is_open_to_others(&file).map_err(io)? {
        return Err(SecretError::Open { path: path.into() });
    }
    // Room for all of it, so that no copy is left behind by growing.
    let room = usize::try_from(2 * most).unwrap_or_default();
    let mut bytes = Zeroizing::new(Vec::with_capacity(room));
    file.take(most + 1).read_to_end(&mut bytes).map_err(io)?;
    let fits = bytes.len() as u64 <= most;
    Ok(fits.then_some(bytes))
}

/// A service's credentials in a file of their own; no error tells what is in it.
#[cfg(feature = "objects")]
pub(super) fn credentials(path: &Path) -> Result<medanchor_vault::Credentials, SecretError> {
    /// The most bytes of the file.
    const MAX: u64 = 16 * 1024;
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Written {
        access_key_id: String,
        secret_access_key: String,
        session_token: Option<String>,
    }
    let content = || SecretError::Credentials { path: path.into() };
    let bytes = private_bytes(path, MAX)?.ok_or_else(content)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| content())?;
    let written: Written = toml::from_str(text).map_err(|_| content())?;
    Ok(medanchor_vault::Credentials {
        access_key_id: written.access_key_id,
        secret_access_key: written.secret_access_key.into(),
        session_token: written.session_token.map(Into::into),
    })
}

#[cfg(unix)]
fn is_open_to_others(file: &File) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    Ok(file.metadata()?.mode() & 0o077 != 0)
}

#[cfg(not(unix))]
fn is_open_to_others(_: &File) -> io::Result<bool> {
    Ok(false)
}
