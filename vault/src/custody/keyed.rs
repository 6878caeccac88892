//! A custodian's store whose institution key stands in a key file of its own, under a passphrase, say, and
//! a fresh key for it.

use super::custodian::{Custodian, CustodianError};
use crate::key_file::Protection;
use crate::vault::rotation::Files;
use medanchor_ledger::NetworkId;
use std::path::Path;

fn files(folder: &Path, key_file: &Path) -> Files {
    Files {
        keys: folder.join("keys"),
        key_file: key_file.into(),
    }
}

impl Custodian {
    /// Opens a store by its key file; ends or undoes a rotation that was cut off.
    ///
    /// # Errors
    /// [`CustodianError`], of the key and its file as [`CustodianError::Store`].
    pub fn open_by(
        folder: &Path,
        key_file: &Path,
        network: NetworkId,
        protection: &Protection,
    ) -> Result<Self, CustodianError> {
        let slots = files(folder, key_file).open(network, protection)?;
        Self::with_slots(folder, slots, network, None)
    }

    /// Gives a store a fresh institution key, protected as `next` says: every share is wrapped anew, and what
    /// the old key wrapped is overwritten, as [`Vault::rotate`](crate::Vault::rotate) does.
    ///
    /// # Errors
    /// [`CustodianError`]; opening the store again finds it either before or after the change.
    pub fn rotate(
        folder: &Path,
        key_file: &Path,
        network: NetworkId,
        now: &Protection,
        next: &Protection,
    ) -> Result<Self, CustodianError> {
        let files = files(folder, key_file);
        let slots = files.open(network, now)?;
        let slots = files.rotate(slots, now, next, &mut || {})?;
        Self::with_slots(folder, slots, network, None)
    }

    /// Destroys in its token an institution key that was replaced, if a rotation could not. Open the store
    /// before, which ends a rotation that was cut off: nothing is destroyed until then.
    ///
    /// # Errors
    /// [`CustodianError::Store`] with what [`Vault::destroy_replaced_key`](crate::Vault::destroy_replaced_key) says.
    pub fn destroy_replaced_key(
        folder: &Path,
        key_file: &Path,
        login: &Protection,
    ) -> Result<(), CustodianError> {
        Ok(files(folder, key_file).discard(login)?)
    }
}
