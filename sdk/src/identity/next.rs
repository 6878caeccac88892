//! The signing key that takes the place of the present one.
//!
//! What always holds: it is made once and kept beside the present key; a cut at any moment leaves the
//! present key, the next one, or both, whole; who takes it has asked the ledger first.

use super::{Identity, IdentityError, key};
use crate::context::System;
use medanchor_ledger::signature::PublicKey;
use std::fs::File;
use std::path::{Path, PathBuf};

fn path(folder: &Path) -> PathBuf {
    folder.join("next-key")
}

/// Renames within a folder, for good.
fn put(from: &Path, to: &Path, folder: &Path) -> Result<(), IdentityError> {
    let put = std::fs::rename(from, to).and_then(|()| File::open(folder)?.sync_all());
    put.map_err(|source| IdentityError::io(to, source))
}

impl Identity {
    /// Draws the next signing key of a folder, which need not be closed, and gives its public half. A
    /// second call gives the same until it was taken.
    ///
    /// # Errors
    /// [`IdentityError`] names the file.
    pub fn make_next_key(folder: &Path) -> Result<PublicKey, IdentityError> {
        // A folder without a key is none of a participant's.
        key::read(&folder.join("key"))?;
        if let Some(made) = Self::next_key(folder)? {
            return Ok(made);
        }
        let aside = folder.join("next-key.new");
        if aside.exists() {
            // Left by a cut: nobody was told its public half.
            std::fs::remove_file(&aside).map_err(|source| IdentityError::io(&aside, source))?;
        }
        let made = key::create(&aside, &System)?.public_key();
        put(&aside, &path(folder), folder)?;
        Ok(made)
    }

    /// The public half of the next signing key, if one was made.
    ///
    /// # Errors
    /// [`IdentityError`] names the file that is damaged or open to others.
    pub fn next_key(folder: &Path) -> Result<Option<PublicKey>, IdentityError> {
        let path = path(folder);
        match path.exists() {
            true => Ok(Some(key::read(&path)?.public_key())),
            false => Ok(None),
        }
    }

    /// Puts the next key in the place of the present one, which is gone then; whoever opens the folder from
    /// then on signs with it.
    pub(crate) fn put_next_key(&self) -> Result<(), IdentityError> {
        put(&path(&self.folder), &self.folder.join("key"), &self.folder)
    }
}
