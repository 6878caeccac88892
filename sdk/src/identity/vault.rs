//! The vault in an identity's folder, kept as `vault.toml` says, and how that changes.
//!
//! What always holds is what `keeping::KeptIn` promises. The steps of a change:
//!
//! ```text
//! 1  vault.toml.next                 what is to be, written while the vault is open
//! 2  the vault's key is wrapped so   a rotation, which has steps of its own and is whole or not begun
//!    or payloads.at                  once the payloads are copied
//! 3  vault.toml.next -> vault.toml
//! ```

use super::{Identity, IdentityError, place, read_bounded};
use crate::durable;
use crate::keeping::{Keeping, KeptIn, KeyProtection, NotOpened, PayloadsAt};
use medanchor_ledger::NetworkId;
use medanchor_ledger::genesis::Genesis;
use medanchor_vault::{RecordVersion, Settings, Vault, VaultError};
use std::path::Path;

/// An open vault, and how it is kept.
pub(super) struct Kept {
    pub(super) vault: Vault,
    keeping: Keeping,
    settings: Settings,
}

fn open_as(said_by: &Path, folder: &Path, network: NetworkId) -> Result<Kept, IdentityError> {
    let keeping = Keeping::read(said_by)?;
    let settings = keeping.fetch(said_by)?;
    let vault = Vault::open_with(&folder.join("vault"), network, &settings)?;
    place::check(folder, said_by, &keeping.payloads)?;
    Ok(Kept {
        vault,
        keeping,
        settings,
    })
}

/// Opens the vault, and ends or undoes a change of how it is kept that was cut off.
pub(super) fn open(folder: &Path, network: NetworkId) -> Result<Kept, IdentityError> {
    let open = |said_by: &Path| open_as(said_by, folder, network);
    let held =
        |error: &IdentityError| matches!(error, IdentityError::Vault(VaultError::Locked { .. }));
    KeptIn(folder)
        .open(open, held)
        .map_err(|error| match error {
            NotOpened::Now(error) => error,
            NotOpened::CutOff(now, next) => IdentityError::CutOff {
                now: Box::new(now),
                next: Box::new(next),
            },
            NotOpened::Files(error) => error.into(),
        })
}

/// Makes the vault aside and renames it into place, so that no crash leaves half of it.
pub(super) fn make(folder: &Path, network: NetworkId) -> Result<(), IdentityError> {
    let (aside, vault) = (folder.join("vault.new"), folder.join("vault"));
    let io = |source| IdentityError::io(&aside, source);
    let toml = KeptIn(folder).now();
    let settings = Keeping::read(&toml)?.fetch(&toml)?;
    if aside.exists() {
        // Left by a crash: nothing was ever sealed in it.
        std::fs::remove_dir_all(&aside).map_err(io)?;
    }
    drop(Vault::create_with(&aside, network, &settings)?);
    let moved = durable::rename(&aside, &vault);
    moved.map_err(io)
}

fn open_folder(folder: &Path) -> Result<Kept, IdentityError> {
    let network = Genesis::decode(&read_bounded(&folder.join("genesis"))?)?.network_id();
    open(folder, network)
}

/// What became of a vault's payloads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PayloadsMoved {
    /// How many there were to copy; none if they were there already.
    pub copied: Option<u64>,
    /// The versions that have a key in the vault and no payload anywhere: it was lost, or its sealing was cut
    /// off. Those that were erased are not among them.
    pub missing: Vec<RecordVersion>,
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
        let renewed = vault.rotated(&settings, &settings.protection);
        renewed.map(drop).map_err(IdentityError::NotRenewed)
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
        let files = KeptIn(folder);
        let Kept {
            vault,
            mut keeping,
            settings: now,
        } = open_folder(folder)?;
        if keeping.key == *next {
            let destroyed = vault.destroy_replaced_key(&now, &now.protection);
            return destroyed.map(|()| false).map_err(IdentityError::NotRenewed);
        }
        keeping.key = next.clone();
        let protection = files.fetch(&keeping)?.protection;
        files.begin(&keeping)?;
        match vault.rotated(&now, &protection) {
            // The vault is held until the file has its name.
            Ok(_held) => Ok(files.end().map(|()| true)?),
            // The next opening says which of the two it is now; so it is opened here.
            Err(error) => match open_folder(folder) {
                Ok(kept) if kept.keeping.key == *next => Err(IdentityError::OldKey(error)),
                Ok(_) => Err(IdentityError::NotProtected(error)),
                Err(_) => Err(error.into()),
            },
        }
    }

    /// Moves the payloads of a folder that is not open to another place, and notes that in `vault.toml`.
    /// A bucket that cannot be written, or that another vault uses, is refused before anything changes.
    ///
    /// They are copied first, so a power cut at any moment leaves a vault that finds all of them in one
    /// place. What was in the vault's folder is removed then; what was in a bucket stays there, sealed, for
    /// whoever owns it to remove. What is left of erased records is removed wherever it is found.
    ///
    /// # Errors
    /// As [`Identity::open`]; call it again.
    pub fn move_payloads(folder: &Path, next: &PayloadsAt) -> Result<PayloadsMoved, IdentityError> {
        let files = KeptIn(folder);
        let Kept {
            vault, mut keeping, ..
        } = open_folder(folder)?;
        if keeping.payloads == *next {
            vault.clear_folder()?;
            return Ok(PayloadsMoved {
                copied: None,
                missing: vault.missing_payloads()?,
            });
        }
        keeping.payloads = next.clone();
        let to = files.fetch(&keeping)?.payloads;
        let copied = vault.copy_payloads(&to)?;
        files.begin(&keeping)?;
        place::note(folder, next)?;
        files.end()?;
        drop(vault);
        open_folder(folder)?.vault.clear_folder()?;
        Ok(PayloadsMoved {
            copied: Some(copied.payloads),
            missing: copied.missing,
        })
    }
}

#[cfg(test)]
#[path = "vault_tests.rs"]
mod tests;
