//! Where the payloads of an identity's vault are, noted beside `vault.toml`: so that a slip of an editor
//! does not send new payloads elsewhere than where the old ones are.

use super::{IdentityError, read_bounded, write_new};
use crate::durable;
use crate::keeping::PayloadsAt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

fn file(folder: &Path) -> PathBuf {
    folder.join("payloads.at")
}

/// The bucket that has them; none if the vault's folder has.
fn noted(folder: &Path) -> Result<Option<String>, IdentityError> {
    let path = file(folder);
    if !path.exists() {
        return Ok(None);
    }
    let text = String::from_utf8(read_bounded(&path)?).ok();
    let url = text.as_deref().and_then(|text| text.strip_suffix('\n'));
    match url {
        Some(url) => Ok(Some(url.to_owned())),
        None => Err(IdentityError::Content {
            path,
            what: "the address of a bucket",
        }),
    }
}

/// Notes where they are from now on.
pub(super) fn note(folder: &Path, at: &PayloadsAt) -> Result<(), IdentityError> {
    let path = file(folder);
    if let PayloadsAt::Bucket(bucket) = at {
        return write_new(&path, format!("{}\n", bucket.url).as_bytes());
    }
    durable::remove_file(&path).map_err(|source| IdentityError::io(&path, source))
}

/// That the payloads are where the file says; a vault without any takes that place. The vault is open, so
/// nobody else moves them.
pub(super) fn check(folder: &Path, said_by: &Path, at: &PayloadsAt) -> Result<(), IdentityError> {
    let noted = noted(folder)?;
    match (&noted, at) {
        (None, PayloadsAt::Folder) => Ok(()),
        (Some(url), PayloadsAt::Bucket(bucket)) if *url == bucket.url => Ok(()),
        (None, PayloadsAt::Bucket(_)) if !folder_has_some(folder)? => note(folder, at),
        _ => Err(IdentityError::Misplaced {
            path: said_by.into(),
            are: noted.unwrap_or_else(|| PayloadsAt::Folder.name().into()),
            said: at.name().into(),
        }),
    }
}

/// Whether a payload is in the vault's folder: in a shelf of its own, or in a pack.
fn folder_has_some(folder: &Path) -> Result<bool, IdentityError> {
    let payloads = folder.join("vault/payloads");
    let found = || -> io::Result<bool> {
        for shelf in fs::read_dir(&payloads)? {
            let shelf = shelf?;
            let aside = shelf.file_name() == "aside";
            if !aside && fs::read_dir(shelf.path())?.next().is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    };
    match found() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        found => found.map_err(|source| IdentityError::io(&payloads, source)),
    }
}
