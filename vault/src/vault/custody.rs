//! Records whose key is shared over custodians: the vault's side.
//!
//! What always holds: S is in the vault only from sealing until the record is anchored; from
//! [`Vault::entrust`] on the vault alone opens nothing, and neither does any copy of it made later; V
//! goes out only sealed to a reader's key.

use super::{Sealed, Vault, VaultError, slot_name};
use crate::custody::{Custodied, KeyError, SealingKey, Signed, VaultRelease};
use crate::secret::{CustodyPart, VaultPart};
use crate::slots::{Held, Kind};
use medanchor_ledger::signature::Signature;
use medanchor_ledger::{EventId, RecordHandle};

/// Why the vault's part of a key is not released.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PartError {
    /// The vault.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The reader's key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The stored payload could not be read.
    #[error("the stored payload could not be read: {0}; check the disk, or restore it")]
    Payload(std::io::Error),
}

impl Vault {
    /// Seals a payload whose key is to be shared over custodians; gives the part to share out, which is
    /// by then also wrapped for the emergency key, if there is one. Called again before
    /// [`Vault::entrust`], it gives the same.
    ///
    /// # Errors
    /// As [`Vault::seal`]; [`VaultError::Entrusted`] once the part is gone.
    pub fn seal_to_share(
        &self,
        record: RecordHandle,
        version: u32,
        payload: &[u8],
    ) -> Result<(Sealed, CustodyPart), VaultError> {
        let sealed = self.seal(record, version, payload)?;
        let name = slot_name(Kind::Custody, &sealed.record);
        let record = sealed.record;
        let part = match self.slots().get(&name)? {
            Held::Secret(part) => CustodyPart::new(*part),
            _ => return Err(VaultError::Entrusted { record }),
        };
        self.wrap_for_emergency(&record, &part)?;
        Ok((sealed, part))
    }

    /// Destroys the part that the custodians hold now, for ever. Twice is once.
    ///
    /// # Errors
    /// [`VaultError`]; call it again until it succeeds.
    pub fn entrust(&self, record: RecordHandle, version: u32) -> Result<(), VaultError> {
        let record = self.version(record, version);
        Ok(self.slots().erase(&slot_name(Kind::Custody, &record))?)
    }

    /// The vault's part of a record's key, sealed to a reader: the same bytes for the same request.
    /// Whether the request is permitted at this moment is for the caller to prove before.
    ///
    /// # Errors
    /// [`PartError`]: [`VaultError::Erased`] and [`VaultError::NoKey`] among them.
    pub fn release(
        &self,
        record: &Custodied,
        request: EventId,
        reader: &SealingKey,
        sign: impl FnOnce(&[u8]) -> Signature,
    ) -> Result<Signed<VaultRelease>, PartError> {
        let version = record.record;
        let name = slot_name(Kind::Vault, &version);
        let part = match self.slots().get(&name).map_err(VaultError::from)? {
            Held::Secret(part) => VaultPart::new(*part),
            Held::Erased => return Err(VaultError::Erased { record: version }.into()),
            Held::Nothing => return Err(VaultError::NoKey { record: version }.into()),
        };
        let answers = self.root.answer_key();
        let released = VaultRelease::new(record.clone(), request, (&part, &answers), reader, sign)?;
        Ok(released)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::custody::OpeningKey;
    use crate::seal::RecordVersion;
    use medanchor_ledger::NetworkId;
    use medanchor_ledger::event::KemSuite;
    use medanchor_ledger::signature::SigningKey;

    const NETWORK: NetworkId = NetworkId::new([1; 16]);
    const RECORD: RecordHandle = RecordHandle::new([2; 16]);
    const PAYLOAD: &[u8] = br#"{"a":1}"#;

    #[test]
    fn what_was_entrusted_is_opened_by_nobody_alone() {
        let folder = tempfile::tempdir().unwrap();
        let vault = Vault::create(folder.path(), NETWORK).unwrap();
        let (sealed, part) = vault.seal_to_share(RECORD, 1, PAYLOAD).unwrap();
        let (again, same) = vault.seal_to_share(RECORD, 1, PAYLOAD).unwrap();
        assert_eq!((sealed, part.expose()), (again, same.expose()));
        assert_eq!(*vault.open_record(RECORD, 1).unwrap(), PAYLOAD);
        for _ in 0..2 {
            vault.entrust(RECORD, 1).unwrap();
            let refused = vault.open_record(RECORD, 1);
            assert!(matches!(refused, Err(VaultError::Entrusted { .. })));
            let refused = vault.seal_to_share(RECORD, 1, PAYLOAD);
            assert!(matches!(refused, Err(VaultError::Entrusted { .. })));
        }
        drop(vault);
        let vault = Vault::open(folder.path(), NETWORK).unwrap();
        let refused = vault.open_record(RECORD, 1);
        assert!(matches!(refused, Err(VaultError::Entrusted { .. })));
        vault.erase(RECORD).unwrap();
        let refused = vault.open_record(RECORD, 1);
        assert!(matches!(refused, Err(VaultError::Erased { .. })));
    }

    #[test]
    fn the_vaults_part_is_released_alike_for_one_request_and_not_once_erased() {
        let folder = tempfile::tempdir().unwrap();
        let vault = Vault::create(folder.path(), NETWORK).unwrap();
        vault.seal_to_share(RECORD, 1, PAYLOAD).unwrap();
        let record = Custodied {
            owner: "north-hospital".parse().unwrap(),
            record: RecordVersion {
                network: NETWORK,
                record: RECORD,
                version: 1,
            },
        };
        let reader = OpeningKey::generate(KemSuite::X25519).unwrap();
        let signer = SigningKey::from_seed(&[3; 32]);
        let release = |request| {
            let request = EventId::new([request; 32]);
            vault
                .release(&record, request, reader.public(), |bytes| {
                    signer.sign(bytes)
                })
                .map(|signed| signed.encode())
        };
        assert_eq!(release(4).unwrap(), release(4).unwrap());
        assert_ne!(release(4).unwrap(), release(5).unwrap());
        vault.erase(RECORD).unwrap();
        assert!(matches!(
            release(4),
            Err(PartError::Vault(VaultError::Erased { .. }))
        ));
    }
}
