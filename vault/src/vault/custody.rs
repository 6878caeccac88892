//! Records whose key is shared over custodians: the vault's side.
//!
//! What always holds: S is in the vault only from sealing until the record is anchored; from
//! [`Vault::entrust`] on the vault alone opens nothing, and neither does any copy of it made later; V
//! goes out only sealed to a reader's key.

use super::many::ToSeal;
use super::{Sealed, Vault, VaultError, slot_name};
use crate::custody::{Custodied, KeyError, SealingKey, Signed, VaultRelease};
use crate::secret::{CustodyPart, VaultPart};
use crate::slots::{Held, Kind};
use medanchor_ledger::signature::Signature;
use medanchor_ledger::{EventId, RecordHandle, VaultPartHash};

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

/// A payload that was sealed, and the part of its key that is to be shared over custodians.
pub struct ToShare {
    /// What an event says of it.
    pub sealed: Sealed,
    /// What the custodians get shares of.
    pub part: CustodyPart,
}

/// What a vault holds of the custodians' part of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Custodial {
    /// This version was never sealed here.
    Unknown,
    /// It is here, and not entrusted to custodians yet.
    Here,
    /// It was destroyed, since the custodians have it.
    Entrusted,
    /// The record was erased.
    Erased,
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
        let one = ToSeal {
            record,
            version,
            payload,
        };
        let sealed = self.seal_all_to_share(&[one])?.pop();
        let record = self.version(record, version);
        sealed
            .map(|one| (one.sealed, one.part))
            .ok_or(VaultError::NoKey { record })
    }

    /// [`Vault::seal_to_share`] of many, with as many waits for the disk as for one.
    ///
    /// # Errors
    /// As [`Vault::seal_many`].
    pub fn seal_all_to_share(&self, payloads: &[ToSeal<'_>]) -> Result<Vec<ToShare>, VaultError> {
        let sealed = self.seal_with_parts(payloads)?;
        self.wrap_for_emergency(&sealed)?;
        Ok(sealed)
    }

    /// What is held of the custodians' part of a version's key.
    ///
    /// # Errors
    /// What is wrong with the file of wrapped secrets.
    pub fn custodial(&self, record: RecordHandle, version: u32) -> Result<Custodial, VaultError> {
        let record = self.version(record, version);
        let mut slots = self.slots();
        let vault = slots.get(&slot_name(Kind::Vault, &record))?;
        Ok(
            match (slots.get(&slot_name(Kind::Custody, &record))?, vault) {
                (_, Held::Erased) => Custodial::Erased,
                (Held::Nothing, _) => Custodial::Unknown,
                (Held::Secret(_), _) => Custodial::Here,
                (Held::Erased, _) => Custodial::Entrusted,
            },
        )
    }

    /// Destroys the part that the custodians hold now, for ever. Twice is once.
    ///
    /// # Errors
    /// [`VaultError`]; call it again until it succeeds.
    pub fn entrust(&self, record: RecordHandle, version: u32) -> Result<(), VaultError> {
        self.entrust_all(&[(record, version)])
    }

    /// [`Vault::entrust`] of many versions of records, with one wait for the disk.
    ///
    /// # Errors
    /// [`VaultError`]; call it again until it succeeds.
    pub fn entrust_all(&self, records: &[(RecordHandle, u32)]) -> Result<(), VaultError> {
        let name = |(record, version): &(RecordHandle, u32)| {
            slot_name(Kind::Custody, &self.version(*record, *version))
        };
        let names: Vec<_> = records.iter().map(name).collect();
        Ok(self.slots().erase_all(&names)?)
    }

    /// Whether the vault's part of a version's key is the one with this hash, which an event names.
    ///
    /// # Errors
    /// What is wrong with the file of wrapped secrets.
    pub fn has_vault_part(
        &self,
        record: RecordHandle,
        version: u32,
        hash: &VaultPartHash,
    ) -> Result<bool, VaultError> {
        let name = slot_name(Kind::Vault, &self.version(record, version));
        Ok(match self.slots().get(&name)? {
            Held::Secret(part) => VaultPart::new(*part).hash() == *hash,
            _ => false,
        })
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
        assert_eq!(vault.custodial(RECORD, 1).unwrap(), Custodial::Unknown);
        let (sealed, part) = vault.seal_to_share(RECORD, 1, PAYLOAD).unwrap();
        let (again, same) = vault.seal_to_share(RECORD, 1, PAYLOAD).unwrap();
        assert_eq!((sealed, part.expose()), (again, same.expose()));
        assert_eq!(vault.custodial(RECORD, 1).unwrap(), Custodial::Here);
        assert_eq!(*vault.open_record(RECORD, 1).unwrap(), PAYLOAD);
        for _ in 0..2 {
            vault.entrust(RECORD, 1).unwrap();
            assert_eq!(vault.custodial(RECORD, 1).unwrap(), Custodial::Entrusted);
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
        assert_eq!(vault.custodial(RECORD, 1).unwrap(), Custodial::Erased);
        let refused = vault.open_record(RECORD, 1);
        assert!(matches!(refused, Err(VaultError::Erased { .. })));
    }

    /// What a crash cut off is gone on with by the same stream, under the same key.
    #[test]
    fn a_stream_is_sealed_to_share_as_often_as_it_takes_and_is_always_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let vault = Vault::create(folder.path(), NETWORK).unwrap();
        let study = vec![7; 3 * crate::seal::CHUNK];
        let seal = |bytes: &[u8]| vault.seal_stream_to_share(RECORD, 1, bytes);
        let first = seal(&study).unwrap();
        let again = seal(&study).unwrap();
        assert_eq!(first.sealed, again.sealed);
        assert_eq!(first.part.expose(), again.part.expose());
        for other in [&study[1..], &[&study[..], &[7]].concat()] {
            let refused = seal(other);
            assert!(matches!(refused, Err(VaultError::Taken { .. })));
        }
        vault.entrust(RECORD, 1).unwrap();
        assert!(matches!(seal(&study), Err(VaultError::Entrusted { .. })));
        assert!(vault.opening(RECORD, 1).is_err());
    }

    #[test]
    fn many_are_sealed_and_entrusted_together_as_one_by_one() {
        let folder = tempfile::tempdir().unwrap();
        let vault = Vault::create(folder.path(), NETWORK).unwrap();
        let many: Vec<ToSeal<'_>> = (0..5)
            .map(|number| ToSeal {
                record: RecordHandle::new([number; 16]),
                version: 1,
                payload: PAYLOAD,
            })
            .collect();
        let first = many.first().unwrap();
        let (alone, _) = vault.seal_to_share(first.record, 1, PAYLOAD).unwrap();
        let together = vault.seal_all_to_share(&many).unwrap();
        assert_eq!(together.first().unwrap().sealed, alone);
        let parts: std::collections::BTreeSet<_> =
            together.iter().map(|one| *one.part.expose()).collect();
        assert_eq!(parts.len(), 5, "each has a key of its own");
        let twice = vault.seal_all_to_share(&[*first, *first]);
        assert!(matches!(twice, Err(VaultError::Repeated { .. })));
        let names: Vec<_> = many.iter().map(|one| (one.record, 1)).collect();
        vault.entrust_all(names.split_last().unwrap().1).unwrap();
        drop(vault);
        let vault = Vault::open(folder.path(), NETWORK).unwrap();
        for (at, one) in many.iter().enumerate() {
            let held = vault.custodial(one.record, 1).unwrap();
            let wanted = [Custodial::Entrusted, Custodial::Here][usize::from(at == 4)];
            assert_eq!(held, wanted, "{at}");
        }
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
