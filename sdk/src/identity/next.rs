//! The signing key that takes the place of the present one.
//!
//! What always holds: it is made once, also by several at a time, and kept beside the present key; a cut at
//! any moment leaves the present key, the next one, or both, whole; who takes it has asked the ledger first.

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

/// Waits until nobody else makes a key here; until what it gives is dropped, nobody does.
fn hold(folder: &Path) -> Result<File, IdentityError> {
    let held = File::open(folder).and_then(|held| held.lock().map(|()| held));
    held.map_err(|source| IdentityError::io(folder, source))
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
        // One at a time makes it; the others find it made.
        let _held = hold(folder)?;
        if let Some(made) = Self::next_key(folder)? {
            return Ok(made);
        }
        let aside = folder.join("next-key.new");
        if aside.exists() {
            // Left by a cut: nobody was told its public half.
            std::fs::remove_file(&aside).map_err(|source| IdentityError::io(&aside, source))?;
        }
        key::create(&aside, &System)?;
        put(&aside, &path(folder), folder)?;
        // What is told is what is kept.
        Ok(key::read(&path(folder))?.public_key())
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

    /// The public half of the signing key that a folder has, whatever was read when it was opened.
    #[cfg(any(feature = "client", test))]
    pub(crate) fn key_of(folder: &Path) -> Result<PublicKey, IdentityError> {
        Ok(key::read(&folder.join("key"))?.public_key())
    }

    /// Puts the next key in the place of the present one, which is gone then; whoever opens the folder from
    /// then on signs with it.
    #[cfg(any(feature = "client", test))]
    pub(crate) fn put_next_key(&self) -> Result<(), IdentityError> {
        self.remember_key()?;
        put(&path(&self.folder), &self.folder.join("key"), &self.folder)
    }
}
