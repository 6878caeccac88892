//! The keys of one version of one record: what they are made of and what they are used for.
//!
//! What always holds: neither part alone gives the key, and each part is 32 fresh random bytes, so a
//! payload is unreadable for ever once either part is destroyed.
//!
//! ```text
//! DEK           = HKDF-SHA256(S || V; salt "medanchor/dek/v1"; info network || record || version as u32)
//! record secret = HKDF-SHA256(DEK; salt "medanchor/record-key/v1"; info "commit")
//! check value   = HKDF-SHA256(DEK; salt "medanchor/record-key/v1"; info "check")[..16]
//! H(V)          = SHA-256("medanchor/vault-part/v1" || V)
//! ```

use crate::seal::RecordVersion;
use crate::secret::{CustodyPart, DataKey, RecordSecret, VaultPart, expand, extract};
use medanchor_ledger::{KeyCheck, VaultPartHash, sha256};
use zeroize::Zeroizing;

const RECORD_KEY: &[u8] = b"medanchor/record-key/v1";

impl DataKey {
    /// The key that both parts give for this version of this record.
    #[must_use]
    pub fn derive(custody: &CustodyPart, vault: &VaultPart, record: &RecordVersion) -> Self {
        let mut parts = Zeroizing::new([0; 64]);
        let (s, v) = parts.split_at_mut(32);
        s.copy_from_slice(custody.expose());
        v.copy_from_slice(vault.expose());
        let context: [&[u8]; 3] = [
            record.network.as_bytes(),
            record.record.as_bytes(),
            &record.version.to_be_bytes(),
        ];
        Self::new(expand(
            &extract(b"medanchor/dek/v1", parts.as_slice()),
            &context,
        ))
    }

    /// What the salts of the record's commitment derive from.
    #[must_use]
    pub fn record_secret(&self) -> RecordSecret {
        RecordSecret::new(expand(&extract(RECORD_KEY, self.expose()), &[b"commit"]))
    }

    /// Shows whoever put the key together whether it is the right one, and nothing else.
    #[must_use]
    pub fn check_value(&self) -> KeyCheck {
        let bytes = expand(&extract(RECORD_KEY, self.expose()), &[b"check"]);
        let mut check = [0; 16];
        check.copy_from_slice(&bytes[..16]);
        KeyCheck::new(check)
    }
}

impl VaultPart {
    /// What the ledger holds of the vault's part.
    #[must_use]
    pub fn hash(&self) -> VaultPartHash {
        VaultPartHash::new(sha256(&[b"medanchor/vault-part/v1", self.expose()]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use medanchor_ledger::{NetworkId, RecordHandle};

    fn key(custody: u8, vault: u8, version: u32, record: u8, network: u8) -> DataKey {
        let record = RecordVersion {
            network: NetworkId::new([network; 16]),
            record: RecordHandle::new([record; 16]),
            version,
        };
        DataKey::derive(
            &CustodyPart::new([custody; 32]),
            &VaultPart::new([vault; 32]),
            &record,
        )
    }

    #[test]
    fn either_part_and_everything_bound_changes_the_key() {
        let all = [
            key(1, 2, 3, 4, 5),
            key(9, 2, 3, 4, 5),
            key(1, 9, 3, 4, 5),
            key(1, 2, 9, 4, 5),
            key(1, 2, 3, 9, 5),
            key(1, 2, 3, 4, 9),
            key(2, 1, 3, 4, 5),
        ];
        let mut bytes: Vec<_> = all.iter().map(|key| *key.expose()).collect();
        bytes.sort_unstable();
        bytes.dedup();
        assert_eq!(bytes.len(), all.len());
    }

    #[test]
    fn derivations_are_frozen() {
        let key = key(1, 2, 3, 4, 5);
        assert_eq!(
            hex::encode(key.expose()),
            "509d8d8c6bd7332bfa6c4af3e2ebd8d18dac29473ae49c0033dbf1457f37c2c4"
        );
        assert_eq!(
            hex::encode(key.record_secret().expose()),
            "94158762631343162645e2970da31e7077f1265b0f3cf04594f1f27cdb888fbe"
        );
        assert_eq!(
            key.check_value().to_string(),
            "4ec6316b421ca6e5e33c4198e6110bd0"
        );
        assert_eq!(
            VaultPart::new([2; 32]).hash().to_string(),
            "452ca4c54536ebc90a34e17e3ec439693614547829cde5c4ef2d549107cec984"
        );
    }
}
