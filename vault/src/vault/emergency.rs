//! The emergency path, the vault's side: S of records in custody, wrapped for the emergency key.
//!
//! What always holds: the wrap is on disk before S can leave the vault; opening takes what unlocks the
//! emergency key, which no other call asks for; that an opening is journalled first is the caller's part.

use super::custody::ToShare;
use super::{EmergencyKey, Vault, VaultError, seal, slot_name};
use crate::emergency::{EmergencyError, EmergencyKeeper};
use crate::key_file::Protection;
use crate::payloads::StoredPayload;
use crate::seal::{Opening, RecordVersion};
use crate::secret::{DataKey, VaultPart};
use crate::slots::{Held, HeldToPublic, Kind};
use medanchor_ledger::RecordHandle;
use std::sync::{MutexGuard, PoisonError};
use zeroize::Zeroizing;

impl Vault {
    fn emergency(&self) -> MutexGuard<'_, Option<EmergencyKey>> {
        // It is set once, whole.
        self.emergency
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the emergency key, under a passphrase or in a token. Records that are sealed into custody
    /// from now on are wrapped for it; earlier ones are not.
    ///
    /// # Errors
    /// [`EmergencyError::Exists`], [`EmergencyError::Lost`]; call it again after any other failure.
    pub fn make_emergency_key(&self, protection: &Protection) -> Result<(), VaultError> {
        let mut emergency = self.emergency();
        if emergency.is_some() {
            return Err(EmergencyError::Exists.into());
        }
        // Another key would leave every wrap that there is without one.
        if self.holds_emergency_wraps() {
            return Err(EmergencyError::Lost.into());
        }
        *emergency = Some(EmergencyKey::make(&self.folder, self.network, protection)?);
        Ok(())
    }

    /// Whether there is an emergency key.
    #[must_use]
    pub fn has_emergency_key(&self) -> bool {
        self.emergency().is_some()
    }

    fn holds_emergency_wraps(&self) -> bool {
        self.slots().holds(Kind::Emergency)
    }

    /// Whether records are wrapped for an emergency key that is gone. What is sealed meanwhile gets no wrap:
    /// care does not wait for a back-up, and whoever runs the vault is to be told.
    #[must_use]
    pub fn lost_emergency_key(&self) -> bool {
        !self.has_emergency_key() && self.holds_emergency_wraps()
    }

    /// Checks the passphrase, or logs in to the token. The emergency key itself stays locked until
    /// [`Vault::open_in_emergency`].
    ///
    /// # Errors
    /// [`EmergencyError::NoKey`], [`EmergencyError::Lost`], and [`VaultError::KeyFile`] when it does not unlock.
    pub fn unlock_emergency(&self, protection: &Protection) -> Result<EmergencyKeeper, VaultError> {
        match self.has_emergency_key() {
            true => EmergencyKey::unlock(&self.folder, protection),
            false if self.holds_emergency_wraps() => Err(EmergencyError::Lost.into()),
            false => Err(EmergencyError::NoKey.into()),
        }
    }

    /// Whether the emergency key is in a token.
    ///
    /// # Errors
    /// [`EmergencyError::NoKey`], and [`VaultError::KeyFile`] when its key file cannot be read.
    pub fn emergency_key_is_in_token(&self) -> Result<bool, VaultError> {
        match self.has_emergency_key() {
            true => EmergencyKey::is_in_token(&self.folder),
            false => Err(EmergencyError::NoKey.into()),
        }
    }

    /// The count beside an emergency key in a token, to be read without the token's PIN; nothing can be
    /// counted with it.
    ///
    /// # Errors
    /// [`VaultError::KeyFile`] when the key is in no token, or the token does not answer.
    #[cfg(feature = "pkcs11")]
    pub fn emergency_tally(
        &self,
        module: &std::path::Path,
    ) -> Result<impl crate::Tally + use<>, VaultError> {
        EmergencyKey::tally(&self.folder, module)
    }

    /// Wraps the custodians' parts of keys for the emergency key, if there is one, with one wait for the disk;
    /// once is enough.
    pub(super) fn wrap_for_emergency(&self, parts: &[ToShare]) -> Result<(), VaultError> {
        let emergency = self.emergency();
        let Some(key) = emergency.as_ref() else {
            return Ok(());
        };
        let mut slots = self.slots();
        let mut wrapped = Vec::with_capacity(parts.len());
        for one in parts {
            let record = &one.sealed.record;
            let name = slot_name(Kind::Emergency, record);
            if let HeldToPublic::Nothing = slots.get_to_public(&name)? {
                wrapped.push((name, key.wrap(record, &one.part)?));
            }
        }
        Ok(slots.put_to_public(&wrapped)?)
    }

    /// Says whether a record can be opened by the emergency key, and touches no key.
    ///
    /// # Errors
    /// What [`Vault::open_in_emergency`] would say without the key.
    pub fn check_emergency(&self, record: RecordHandle, version: u32) -> Result<(), VaultError> {
        self.emergency_parts(&self.version(record, version))
            .map(drop)
    }

    fn emergency_parts(
        &self,
        record: &RecordVersion,
    ) -> Result<(Box<crate::slots::ToPublic>, VaultPart), VaultError> {
        let record = *record;
        let mut slots = self.slots();
        let vault = match slots.get(&slot_name(Kind::Vault, &record))? {
            Held::Secret(part) => VaultPart::new(*part),
            Held::Erased => return Err(VaultError::Erased { record }),
            Held::Nothing => return Err(VaultError::NoKey { record }),
        };
        match slots.get_to_public(&slot_name(Kind::Emergency, &record))? {
            HeldToPublic::Sealed(wrapped) => Ok((wrapped, vault)),
            HeldToPublic::Erased => Err(VaultError::Erased { record }),
            HeldToPublic::Nothing => Err(EmergencyError::NotWrapped { record }.into()),
        }
    }

    /// Opens a record in custody by the emergency key. To be journalled before: see the SDK's
    /// `Identity::open_in_emergency`.
    ///
    /// # Errors
    /// [`VaultError::Erased`], [`EmergencyError`], or what is wrong with the stored payload.
    pub fn open_in_emergency(
        &self,
        keeper: &EmergencyKeeper,
        record: RecordHandle,
        version: u32,
    ) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let record = self.version(record, version);
        let key = self.emergency_data_key(keeper, &record)?;
        Ok(seal::open(&record, &key, &self.payloads.get(&record)?)?)
    }

    /// [`Vault::open_in_emergency`] chunk by chunk, of a payload of any length: see [`Opening::chunk`] for what
    /// only the end says.
    ///
    /// # Errors
    /// As [`Vault::open_in_emergency`].
    pub fn opening_in_emergency(
        &self,
        keeper: &EmergencyKeeper,
        record: RecordHandle,
        version: u32,
    ) -> Result<Opening<StoredPayload>, VaultError> {
        let record = self.version(record, version);
        let key = self.emergency_data_key(keeper, &record)?;
        Ok(Opening::new(&record, &key, self.payloads.reader(&record)?)?)
    }

    fn emergency_data_key(
        &self,
        keeper: &EmergencyKeeper,
        record: &RecordVersion,
    ) -> Result<DataKey, VaultError> {
        let (wrapped, vault) = self.emergency_parts(record)?;
        let emergency = self.emergency();
        let key = emergency.as_ref().ok_or(EmergencyError::NoKey)?;
        let custody = key.unwrap(keeper, record, &wrapped)?;
        Ok(DataKey::derive(&custody, &vault, record))
    }

    /// Whether any version of a record is or was wrapped for the emergency key.
    #[must_use]
    pub fn has_emergency_wrap(&self, record: RecordHandle) -> bool {
        let versions = self.slots().versions(Kind::Emergency, *record.as_bytes());
        !versions.is_empty()
    }

    /// Destroys what the emergency key unwraps of every version of a record, for ever; gives the versions.
    /// [`Vault::erase`] does so too. Twice is once.
    ///
    /// # Errors
    /// [`VaultError`]; call it again until it succeeds.
    pub fn destroy_emergency_wrap(&self, record: RecordHandle) -> Result<Vec<u32>, VaultError> {
        let handle = *record.as_bytes();
        let mut slots = self.slots();
        slots.erase_versions(&[(Kind::Emergency, handle)])?;
        Ok(slots.versions(Kind::Emergency, handle))
    }
}
