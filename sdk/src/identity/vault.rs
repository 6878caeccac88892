//! The vault in an identity's folder, kept as `vault.toml` says, and how that changes.
//!
//! What always holds: what `vault.toml` says opens the vault, or what `vault.toml.next` says does while a
//! change is under way. The next opening finds out which, and only then are there no longer two.
//!
//! ```text
//! 1  vault.toml.next                 what is to be, written while the vault is open
//! 2  the vault's key is wrapped so   a rotation, which has steps of its own and is whole or not begun
//! 3  vault.toml.next -> vault.toml
//! ```

use super::{Identity, IdentityError, read_bounded, write_new};
use crate::keeping::{Keeping, KeepingError, KeyProtection, NAME};
use medanchor_ledger::NetworkId;
use medanchor_ledger::genesis::Genesis;
use medanchor_vault::{Settings, Vault, VaultError};
use std::fs::File;
use std::path::{Path, PathBuf};

/// An open vault, and how it is kept.
pub(super) struct Kept {
    pub(super) vault: Vault,
    keeping: Keeping,
    settings: Settings,
}

fn toml(folder: &Path) -> PathBuf {
    folder.join(NAME)
}

fn next_toml(folder: &Path) -> PathBuf {
    folder.join(format!("{NAME}.next"))
}

fn settings(keeping: &Keeping, said_by: &Path) -> Result<Settings, KeepingError> {
    let protection = keeping.key.fetch().map_err(|source| KeepingError::Secret {
        path: said_by.into(),
        source,
    })?;
    Ok(Settings {
        protection,
        ..Settings::default()
    })
}

fn open_as(said_by: &Path, folder: &Path, network: NetworkId) -> Result<Kept, IdentityError> {
    let keeping = Keeping::read(said_by)?;
    let settings = settings(&keeping, said_by)?;
    Ok(Kept {
        vault: Vault::open_with(&folder.join("vault"), network, &settings)?,
        keeping,
        settings,
    })
}

/// Opens the vault, and ends or undoes a change of its protection that was cut off.
pub(super) fn open(folder: &Path, network: NetworkId) -> Result<Kept, IdentityError> {
    let (toml, next) = (toml(folder), next_toml(folder));
    let now = open_as(&toml, folder, network);
    // From here on nobody else has the vault, or this process has not.
    if matches!(now, Err(IdentityError::Vault(VaultError::Locked { .. }))) || !next.exists() {
        return now;
    }
    match now {
        Ok(kept) => {
            std::fs::remove_file(&next)
                .and_then(|()| File::open(folder)?.sync_all())
                .map_err(|source| IdentityError::io(&next, source))?;
            Ok(kept)
        }
        Err(now) => match open_as(&next, folder, network) {
            Ok(kept) => {
                give_name(folder)?;
                Ok(kept)
            }
            Err(next) => Err(IdentityError::CutOff {
                now: Box::new(now),
                next: Box::new(next),
            }),
        },
    }
}

fn give_name(folder: &Path) -> Result<(), IdentityError> {
    let next = next_toml(folder);
    std::fs::rename(&next, toml(folder))
        .and_then(|()| File::open(folder)?.sync_all())
        .map_err(|source| IdentityError::io(&next, source))
}

/// Makes the vault aside and renames it into place, so that no crash leaves half of it.
pub(super) fn make(folder: &Path, network: NetworkId) -> Result<(), IdentityError> {
    let (aside, vault) = (folder.join("vault.new"), folder.join("vault"));
    let io = |source| IdentityError::io(&aside, source);
    let toml = toml(folder);
    let settings = settings(&Keeping::read(&toml)?, &toml)?;
    if aside.exists() {
        // Left by a crash: nothing was ever sealed in it.
        std::fs::remove_dir_all(&aside).map_err(io)?;
    }
    drop(Vault::create_with(&aside, network, &settings)?);
    let moved = std::fs::rename(&aside, &vault).and_then(|()| File::open(folder)?.sync_all());
    moved.map_err(io)
}

fn open_folder(folder: &Path) -> Result<Kept, IdentityError> {
    let network = Genesis::decode(&read_bounded(&folder.join("genesis"))?)?.network_id();
    open(folder, network)
}

impl Identity {
    /// Gives the vault of a folder that is not open a fresh institution key under the protection that
    /// there is, and destroys the old one, so that back-ups of its wrapped keys, made before, open with no
    /// key that is left. No payload is touched. A power cut at any moment leaves a vault that opens.
    ///
    /// # Errors
    /// As [`Identity::open`].
    pub fn renew_vault_key(folder: &Path) -> Result<(), IdentityError> {
        let Kept {
            vault, settings, ..
        } = open_folder(folder)?;
        vault.rotated(&settings, &settings.protection)?;
        Ok(())
    }

    /// Gives the vault of a folder that is not open a fresh institution key under another protection, as
    /// [`Identity::renew_vault_key`] does, and notes that in `vault.toml`. Says whether there was anything to
    /// change: what is protected so already stays as it is.
    ///
    /// A power cut at any moment leaves a vault that opens in one way or the other, and says which.
    ///
    /// # Errors
    /// As [`Identity::open`]; call it again.
    pub fn protect_vault(folder: &Path, next: &KeyProtection) -> Result<bool, IdentityError> {
        let path = next_toml(folder);
        let content = |what| KeepingError::Content {
            path: path.clone(),
            what,
        };
        next.check().map_err(content)?;
        let Kept {
            vault,
            keeping,
            settings: now,
        } = open_folder(folder)?;
        if keeping.key == *next {
            return Ok(false);
        }
        let keeping = Keeping { key: next.clone() };
        let protection = settings(&keeping, &path)?.protection;
        write_new(&path, keeping.to_text().as_bytes())?;
        match vault.rotated(&now, &protection) {
            // The vault is held until the file has its name.
            Ok(_held) => give_name(folder).map(|()| true),
            Err(error) => {
                // Nobody waits for the next opening to say which of the two it is now.
                drop(open_folder(folder));
                Err(error.into())
            }
        }
    }
}

#[cfg(test)]
#[path = "vault_tests.rs"]
mod tests;
