//! Where a passphrase or a PIN is to be had: the first line of a file of its owner's, or a variable of
//! the environment.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The most bytes of a file with a secret.
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
    #[error("the file {path} with the passphrase or PIN cannot be read: {source}", path = path.display())]
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
    let io = |source| SecretError::Io {
        path: path.into(),
        source,
    };
    let content = || SecretError::Content { path: path.into() };
    let file = File::open(path).map_err(io)?;
    if is_open_to_others(&file).map_err(io)? {
        return Err(SecretError::Open { path: path.into() });
    }
    // Room for all of it, so that no copy is left behind by growing.
    let mut bytes = Zeroizing::new(Vec::with_capacity(2 * MAX_SECRET as usize));
    file.take(MAX_SECRET + 1)
        .read_to_end(&mut bytes)
        .map_err(io)?;
    if bytes.len() as u64 > MAX_SECRET {
        return Err(content());
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| content())?;
    let line = text.lines().next().filter(|line| !line.is_empty());
    line.map(|line| Zeroizing::new(line.to_owned()))
        .ok_or_else(content)
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
