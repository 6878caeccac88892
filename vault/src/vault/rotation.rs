//! A new institution key: every secret is wrapped anew, and no payload is touched.
//!
//! What always holds, at every instruction: the file of wrapped secrets under its own name, or the one
//! that [`Files::recover`] gives that name, is whole and wrapped under one key; and the file of that key
//! is there. Which key that is stands in the file of wrapped secrets, so nothing has to be guessed.
//!
//! ```text
//! 1  institution.key.next   the new key, synced
//! 2  keys.next              every secret under the new key, synced
//! 3  keys -> keys.old       from here until 4 there is no `keys`: the old one is put back
//! 4  keys.next -> keys      from here on the new key is the one that opens
//! 5  keys.old               overwritten with zeros, synced, removed
//! 6  institution.key        overwritten with zeros, synced; one that names a key in a token:
//!                           -> institution.key.old
//! 7  institution.key.next -> institution.key
//! 8  institution.key.old    the key is destroyed in its token; the file is removed
//! ```
//!
//! What a rotation leaves that did not reach step 4 is overwritten and removed, as if it had not begun; a
//! key that it drew in a token goes the way of step 8. Step 8 needs the token and its PIN. Until it is
//! done the file is kept, since nothing else says which key it is: each opening tries, and no other
//! rotation begins before.
//!
//! Whatever a file of that name says, no key is destroyed that is in use or that a rotation has drawn which
//! is not over; and a file that names no key in a token is somebody else's, and left alone. Where one
//! bears the name already, `institution.key.replaced` stands in for `institution.key.old`.

use super::error::io_at;
use super::{ROOT, Settings, VaultError};
use crate::disk::{sync_parent, wipe};
use crate::keeper::KeyId;
use crate::key_file::{self, KeyFileError, Protection};
use crate::slots::{Held, Slots, SlotsError, wrapped_under};
use medanchor_ledger::NetworkId;
use std::fs;
use std::path::{Path, PathBuf};

/// The files that an institution key concerns: of a vault, or of a custodian's store.
pub(crate) struct Files {
    pub(crate) keys: PathBuf,
    pub(crate) key_file: PathBuf,
}

fn named(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_os_string();
    name.push(ending);
    name.into()
}

fn rename(from: &Path, to: &Path) -> Result<(), VaultError> {
    fs::rename(from, to)
        .and_then(|()| sync_parent(to))
        .map_err(io_at(from))
}

fn gone(path: &Path) -> Result<(), VaultError> {
    wipe(path).map_err(io_at(path))
}

/// Takes a name away. What stood there is not overwritten: it may have another name.
fn unnamed(path: &Path) -> Result<(), VaultError> {
    fs::remove_file(path)
        .and_then(|()| sync_parent(path))
        .map_err(io_at(path))
}

impl Files {
    pub(super) fn of(path: &Path, settings: &Settings) -> Self {
        let beside = || path.join("institution.key");
        Self {
            keys: path.join("keys"),
            key_file: settings.key_file.clone().unwrap_or_else(beside),
        }
    }

    fn next_keys(&self) -> PathBuf {
        named(&self.keys, ".next")
    }

    fn old_keys(&self) -> PathBuf {
        named(&self.keys, ".old")
    }

    fn next_key_file(&self) -> PathBuf {
        named(&self.key_file, ".next")
    }

    /// Where a replaced key in a token is named: in the second where something else bears the first name.
    fn replaced_key_files(&self) -> [PathBuf; 2] {
        [".old", ".replaced"].map(|ending| named(&self.key_file, ending))
    }

    /// The first of [`Files::replaced_key_files`] that is free, so that no key is forgotten and nobody's file
    /// lost.
    fn room(&self) -> Result<PathBuf, VaultError> {
        let [first, second] = self.replaced_key_files();
        match (first.exists(), second.exists()) {
            (false, _) => Ok(first),
            (true, false) => Ok(second),
            (true, true) => Err(KeyFileError::Exists { path: first }.into()),
        }
    }

    /// Opens the file of wrapped secrets, once a rotation that was cut off is ended or undone.
    pub(crate) fn open(
        &self,
        network: NetworkId,
        protection: &Protection,
    ) -> Result<Slots, VaultError> {
        self.recover()?;
        let keeper = key_file::unlock(&self.key_file, protection)?;
        let mut slots = Slots::open(&self.keys, keeper, network)?;
        // Before a secret has opened, the replaced key may be the one that is needed.
        if let Ok(Held::Secret(_)) = slots.get(&ROOT) {
            // The vault is needed now, and the replaced key's token may be away. A rotation insists.
            let _ = self.discard(protection);
        }
        Ok(slots)
    }

    /// Ends or undoes a rotation that was cut off.
    fn recover(&self) -> Result<(), VaultError> {
        if !self.keys.exists() && self.old_keys().exists() {
            rename(&self.old_keys(), &self.keys)?;
        }
        if self.has_switched()? {
            self.finish()
        } else {
            gone(&self.next_keys())?;
            self.retire(&self.next_key_file())
        }
    }

    /// Takes a key's file away; one that names a key in a token is kept aside until that is destroyed.
    fn retire(&self, key_file: &Path) -> Result<(), VaultError> {
        if !key_file.exists() {
            return Ok(());
        }
        match key_file::id_in_token(key_file)? {
            Some(_) => rename(key_file, &self.room()?),
            // Also one that was cut off while it was written or overwritten.
            None => gone(key_file),
        }
    }

    /// Destroys the key in a token that was replaced, if one is left; nothing to do otherwise. The caller has
    /// opened the secrets.
    pub(crate) fn discard(&self, login: &Protection) -> Result<(), VaultError> {
        let files = self.replaced_key_files();
        let [first, second] = files.map(|file| self.discard_of(&file, login));
        first.and(second)
    }

    fn discard_of(&self, replaced: &Path, login: &Protection) -> Result<(), VaultError> {
        if !replaced.is_file() {
            return Ok(());
        }
        let Some(id) = key_file::id_in_token(replaced)? else {
            return Ok(()); // no rotation left it
        };
        if !self.is_needed(id)? {
            key_file::destroy_in_token(replaced, login)?;
        }
        unnamed(replaced)
    }

    /// Whether a key is in use, or drawn by a rotation that is not over; either has a file that names it. Where
    /// the secrets are under another key than the key file's, nobody can tell.
    fn is_needed(&self, id: KeyId) -> Result<bool, VaultError> {
        let current = key_file::key_id(&self.key_file)?;
        match wrapped_under(&self.keys)? {
            Some(used) if used != current => Err(SlotsError::OtherKey.into()),
            _ => Ok(id == current || self.next_key()? == Some(id)),
        }
    }

    /// The key that a rotation has drawn.
    fn next_key(&self) -> Result<Option<KeyId>, VaultError> {
        if !self.next_key_file().exists() {
            return Ok(None);
        }
        match key_file::key_id(&self.next_key_file()) {
            // It was cut off while it was written, long before anything was wrapped under it.
            Err(KeyFileError::Format { .. }) => Ok(None),
            other => Ok(Some(other?)),
        }
    }

    /// Whether the secrets are wrapped under the next key already. If they are under neither key,
    /// nothing is touched: one of the files may be the last copy of a key.
    fn has_switched(&self) -> Result<bool, VaultError> {
        if !self.next_key_file().exists() || !self.keys.exists() {
            return Ok(false);
        }
        let Some(used) = wrapped_under(&self.keys)? else {
            return Ok(false); // a rotation notes the key
        };
        if self.next_key()? == Some(used) {
            Ok(true)
        } else if key_file::key_id(&self.key_file)? == used {
            Ok(false)
        } else {
            Err(SlotsError::OtherKey.into())
        }
    }

    /// Steps 5 to 7.
    fn finish(&self) -> Result<(), VaultError> {
        gone(&self.old_keys())?;
        self.retire(&self.key_file)?;
        rename(&self.next_key_file(), &self.key_file)
    }

    /// Wraps all secrets, which are protected as `now` says, under a new key. `between` is called after
    /// each step. Where step 8 fails, the new key is in use already.
    pub(crate) fn rotate(
        &self,
        slots: Slots,
        now: &Protection,
        next: &Protection,
        between: &mut dyn FnMut(),
    ) -> Result<Slots, VaultError> {
        // The token may be that of either.
        let discarded = self.discard(now);
        discarded.or_else(|why| self.discard(next).map_err(|_| why))?;
        self.room()?;
        let keeper = key_file::create(&self.next_key_file(), next)?;
        between();
        let slots = slots.rewrap(&self.next_keys(), keeper)?;
        between();
        rename(&self.keys, &self.old_keys())?;
        between();
        rename(&self.next_keys(), &self.keys)?;
        between();
        gone(&self.old_keys())?;
        between();
        self.retire(&self.key_file)?;
        between();
        rename(&self.next_key_file(), &self.key_file)?;
        between();
        self.discard(now)?;
        between();
        Ok(slots)
    }
}

#[cfg(test)]
#[path = "rotation_tests.rs"]
mod tests;
