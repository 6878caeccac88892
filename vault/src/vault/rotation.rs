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
//! 8  institution.key.old    the key is destroyed in its token; the file is overwritten and removed
//! ```
//!
//! What a rotation leaves that did not reach step 4 is overwritten and removed, as if it had not begun; a
//! key that it drew in a token goes the way of step 8. Step 8 needs the token and its PIN. Until it is
//! done the file is kept, since nothing else says which key it is: each opening tries, and no other
//! rotation begins before.

use super::error::io_at;
use super::{Settings, VaultError};
use crate::disk::{sync_parent, wipe};
use crate::key_file::{self, KeyFileError, Protection};
use crate::slots::{Slots, SlotsError, wrapped_under};
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

    fn replaced_key_file(&self) -> PathBuf {
        named(&self.key_file, ".old")
    }

    /// Opens the file of wrapped secrets, once a rotation that was cut off is ended or undone.
    pub(crate) fn open(
        &self,
        network: NetworkId,
        protection: &Protection,
    ) -> Result<Slots, VaultError> {
        self.recover()?;
        let keeper = key_file::unlock(&self.key_file, protection)?;
        // The vault is needed now, and the replaced key's token may be away. A rotation insists.
        let _ = self.discard(protection);
        Ok(Slots::open(&self.keys, keeper, network)?)
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
        match key_file::is_in_token(key_file) {
            Ok(true) => rename(key_file, &self.replaced_key_file()),
            // The latter was cut off while it was written or overwritten.
            Ok(false) | Err(KeyFileError::Format { .. }) => gone(key_file),
            Err(error) => Err(error.into()),
        }
    }

    /// Destroys the key in a token that was replaced, if one is left; nothing to do otherwise.
    pub(crate) fn discard(&self, login: &Protection) -> Result<(), VaultError> {
        let replaced = self.replaced_key_file();
        if !replaced.exists() {
            return Ok(());
        }
        match key_file::destroy_in_token(&replaced, login) {
            // It is overwritten once the key is destroyed.
            Ok(()) | Err(KeyFileError::Format { .. }) => gone(&replaced),
            Err(error) => Err(error.into()),
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
        let next = match key_file::key_id(&self.next_key_file()) {
            // It was cut off while it was written, long before anything was wrapped under it.
            Err(KeyFileError::Format { .. }) => None,
            other => Some(other?),
        };
        if next == Some(used) {
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
