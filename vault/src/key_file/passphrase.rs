//! An institution key under a passphrase: what the key file holds from byte 20 on.

use super::KeyFileError;
use crate::keeper::{KeyId, SEALED, Wrapped, aes_256_gcm, open, seal};
use crate::secret::{InstitutionKey, random};
use argon2::{Algorithm, Argon2, Params, Version};
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

/// What it costs to try one passphrase (Argon2id, RFC 9106).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Memory, in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
    /// Lanes, of which others may compute several at once.
    pub lanes: u32,
}

impl Cost {
    /// The second recommended option of RFC 9106 section 4: 64 MiB, 3 passes, 4 lanes.
    pub const RECOMMENDED: Self = Self {
        memory_kib: 64 * 1024,
        passes: 3,
        lanes: 4,
    };
    /// The least that a key file may say: 19 MiB, 2 passes, 1 lane.
    pub const LEAST: Self = Self {
        memory_kib: 19 * 1024,
        passes: 2,
        lanes: 1,
    };
    /// The most memory that a key file may ask for: 1 GiB.
    pub const MOST_MEMORY_KIB: u32 = 1024 * 1024;
    /// The most lanes.
    pub const MOST_LANES: u32 = 16;
    /// The most of memory times passes, in KiB: some seconds of one core.
    pub const MOST_WORK_KIB: u64 = 8 * 1024 * 1024;

    /// Neither so little that trying is cheap, nor so much that a file could stop the machine.
    pub(super) const fn is_bearable(&self) -> bool {
        self.memory_kib >= Self::LEAST.memory_kib
            && self.memory_kib <= Self::MOST_MEMORY_KIB
            && self.passes >= Self::LEAST.passes
            && self.lanes >= Self::LEAST.lanes
            && self.lanes <= Self::MOST_LANES
            && (self.memory_kib as u64) * (self.passes as u64) <= Self::MOST_WORK_KIB
    }
}

/// A passphrase, and what a new key file makes trying one cost. It has no `Debug`.
pub struct Passphrase {
    text: SecretString,
    cost: Cost,
}

impl Passphrase {
    /// The fewest characters of a passphrase for a new key file.
    pub const LEAST: usize = 12;

    /// A passphrase at the recommended cost.
    #[must_use]
    pub const fn new(text: SecretString) -> Self {
        Self::with_cost(text, Cost::RECOMMENDED)
    }

    /// A passphrase at another cost, which counts where a key file is made; an existing one says its own.
    #[must_use]
    pub const fn with_cost(text: SecretString, cost: Cost) -> Self {
        Self { text, cost }
    }
}

/// The key file's part that a passphrase opens.
pub(super) struct UnderPassphrase {
    pub(super) cost: Cost,
    pub(super) id: KeyId,
    salt: [u8; 32],
    sealed: [u8; SEALED],
}

impl UnderPassphrase {
    pub(super) fn lock(
        key: &InstitutionKey,
        passphrase: &Passphrase,
    ) -> Result<Self, KeyFileError> {
        if passphrase.text.expose_secret().chars().count() < Passphrase::LEAST {
            return Err(KeyFileError::Weak);
        }
        let cost = passphrase.cost;
        if !cost.is_bearable() {
            return Err(KeyFileError::BadCost);
        }
        let mut file = Self {
            cost,
            id: KeyId::of(key),
            salt: random()?,
            sealed: [0; SEALED],
        };
        let wrapping = file.wrapping_key(passphrase)?;
        file.sealed = seal(
            &aes_256_gcm(&wrapping),
            [0; 12],
            &file.authenticated(),
            key.expose(),
        );
        Ok(file)
    }

    /// The key, if this is the passphrase.
    pub(super) fn unlock(
        &self,
        passphrase: &Passphrase,
    ) -> Result<Option<InstitutionKey>, KeyFileError> {
        let wrapping = self.wrapping_key(passphrase)?;
        let wrapped = Wrapped {
            nonce: [0; 12],
            sealed: self.sealed,
        };
        let opened = open(&aes_256_gcm(&wrapping), &self.authenticated(), &wrapped);
        Ok(opened.map(|key| InstitutionKey::new(*key)))
    }

    fn wrapping_key(&self, passphrase: &Passphrase) -> Result<Zeroizing<[u8; 32]>, KeyFileError> {
        let Cost {
            memory_kib,
            passes,
            lanes,
        } = self.cost;
        let params = Params::new(memory_kib, passes, lanes, Some(32));
        let params = params.map_err(|_| KeyFileError::BadCost)?;
        let mut key = Zeroizing::new([0; 32]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(
                passphrase.text.expose_secret().as_bytes(),
                &self.salt,
                key.as_mut_slice(),
            )
            .map_err(|_| KeyFileError::Memory)?;
        Ok(key)
    }

    /// All that stands before the sealed key.
    fn authenticated(&self) -> Vec<u8> {
        let mut bytes = super::MAGIC.to_vec();
        bytes.extend_from_slice(&[1, 0, 0, 0]);
        self.write_head(&mut bytes);
        bytes
    }

    fn write_head(&self, bytes: &mut Vec<u8>) {
        for number in [self.cost.memory_kib, self.cost.passes, self.cost.lanes] {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        bytes.extend_from_slice(self.id.as_bytes());
        bytes.extend_from_slice(&self.salt);
    }

    pub(super) fn write(&self, bytes: &mut Vec<u8>) {
        self.write_head(bytes);
        bytes.extend_from_slice(&self.sealed);
    }

    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let (memory, rest) = bytes.split_first_chunk()?;
        let (passes, rest) = rest.split_first_chunk()?;
        let (lanes, rest) = rest.split_first_chunk()?;
        let (id, rest) = rest.split_first_chunk()?;
        let (salt, sealed) = rest.split_first_chunk()?;
        Some(Self {
            cost: Cost {
                memory_kib: u32::from_be_bytes(*memory),
                passes: u32::from_be_bytes(*passes),
                lanes: u32::from_be_bytes(*lanes),
            },
            id: KeyId::new(*id),
            salt: *salt,
            sealed: sealed.try_into().ok()?,
        })
    }
}
