//! The two parts of records' keys: drawn, kept and found again.

use super::{Vault, VaultError, slot_name};
use crate::seal::RecordVersion;
use crate::secret::{CustodyPart, DataKey, VaultPart};
use crate::slots::{Held, Kind, Name, Slots};

impl Vault {
    pub(super) fn data_key(&self, record: &RecordVersion) -> Result<DataKey, VaultError> {
        let (custody, vault) = key_parts(&mut self.slots(), record)?;
        Ok(DataKey::derive(&custody, &vault, record))
    }

    /// The parts of each record's key, those that are not there yet drawn and kept, all with one sync.
    pub(super) fn key_parts_or_new(
        &self,
        records: &[RecordVersion],
    ) -> Result<Vec<(CustodyPart, VaultPart)>, VaultError> {
        let mut slots = self.slots();
        let mut parts = Vec::with_capacity(records.len());
        let mut drawn = Vec::with_capacity(records.len());
        for record in records {
            let custody = slots.get(&slot_name(Kind::Custody, record))?;
            let vault = slots.get(&slot_name(Kind::Vault, record))?;
            if matches!(vault, Held::Erased) {
                return Err(VaultError::Erased { record: *record });
            }
            if matches!(custody, Held::Erased) {
                return Err(VaultError::Entrusted { record: *record });
            }
            // A power cut may have kept one of two slots: keep it, and add the other.
            drawn.push([&custody, &vault].map(|held| matches!(held, Held::Nothing)));
            parts.push((
                match custody {
                    Held::Secret(secret) => CustodyPart::new(*secret),
                    _ => CustodyPart::shareable()?,
                },
                match vault {
                    Held::Secret(secret) => VaultPart::new(*secret),
                    _ => VaultPart::generate()?,
                },
            ));
        }
        let mut missing: Vec<(Name, &[u8; 32])> = Vec::new();
        for ((record, (custody, vault)), [new_custody, new_vault]) in
            records.iter().zip(&parts).zip(drawn)
        {
            if new_custody {
                missing.push((slot_name(Kind::Custody, record), custody.expose()));
            }
            if new_vault {
                missing.push((slot_name(Kind::Vault, record), vault.expose()));
            }
        }
        slots.put(&missing)?;
        drop(missing);
        Ok(parts)
    }
}

/// Both parts of the key of a record that the vault opens by itself.
pub(super) fn key_parts(
    slots: &mut Slots,
    record: &RecordVersion,
) -> Result<(CustodyPart, VaultPart), VaultError> {
    let custody = slots.get(&slot_name(Kind::Custody, record))?;
    let vault = slots.get(&slot_name(Kind::Vault, record))?;
    match (custody, vault) {
        (Held::Secret(custody), Held::Secret(vault)) => {
            Ok((CustodyPart::new(*custody), VaultPart::new(*vault)))
        }
        (_, Held::Erased) => Err(VaultError::Erased { record: *record }),
        // An erasure begins with the vault's part, so this part alone was given away.
        (Held::Erased, _) => Err(VaultError::Entrusted { record: *record }),
        _ => Err(VaultError::NoKey { record: *record }),
    }
}
