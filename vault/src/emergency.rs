//! The emergency key: an X25519 key pair whose secret half is locked by a passphrase or a token. S of
//! every record in custody is sealed to its public half (HPKE, RFC 9180), so that sealing needs neither,
//! and so that the institution opens records of its own while no custodian can be reached.
//!
//! What always holds: the secret half is in the clear only while one record is opened; a wrap opens for
//! one network, record and version; the wraps are slots of the vault's file of wrapped secrets, so that
//! erasing overwrites them in place.
//!
//! | bytes of `VAULT/emergency` | |
//! |---|---|
//! | 0..16 | magic `medanchor/emrg/1` |
//! | 16..32 | network id |
//! | 32..64 | X25519 public key |
//! | 64..76 | nonce |
//! | 76..124 | AES-256-GCM of the X25519 secret key, with tag; bytes 0..64 are authenticated with it |
//! | 124..128 | first bytes of SHA-256 of what stands before |
//!
//! What wraps the secret key is that of `VAULT/emergency.key`, a key file as `key_file` describes it. A
//! wrap is HPKE suite 1 of `custody::seal` with a fresh ephemeral key, 80 bytes; its info is
//! "medanchor/emergency-wrap/v1" || network || record || version as u32.

use crate::custody::seal::wrap_to;
use crate::custody::{KeyError, OpeningKey, SealingKey};
use crate::disk::{sync_parent, wipe};
use crate::keeper::tally::Tally;
use crate::keeper::{KeyKeeper, SEALED, Wrapped};
use crate::key_file::{self, KeyFileError, Protection};
use crate::seal::RecordVersion;
use crate::secret::{CustodyPart, random};
use crate::slots::ToPublic;
use crate::vault::VaultError;
use medanchor_ledger::event::KemSuite;
use medanchor_ledger::{NetworkId, sha256};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

const MAGIC: &[u8; 16] = b"medanchor/emrg/1";
const LENGTH: usize = 128;
const BOUND: usize = 64;

/// Why the emergency path cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmergencyError {
    /// There is no emergency key.
    #[error("this vault has no emergency key; make one before the first record is sealed")]
    NoKey,
    /// There is one already.
    #[error("this vault has an emergency key already; a key is never replaced")]
    Exists,
    /// The key's file is gone, and records are wrapped for that key.
    #[error(
        "records of this vault are wrapped for an emergency key whose file `emergency` is missing; restore it from the vault's back-up: another key would not open them, and what is sealed without it cannot be opened in an emergency"
    )]
    Lost,
    /// An unprotected key.
    #[error("an emergency key needs a passphrase or a token; give one")]
    Unprotected,
    /// The file is damaged.
    #[error("{path} is damaged or of an unknown format; restore it from its back-up", path = path.display())]
    Format {
        /// The file.
        path: PathBuf,
    },
    /// What unlocks the key is of another key.
    #[error(
        "the key file emergency.key is not the one that this vault's emergency key is locked by; restore it from its back-up"
    )]
    OtherKeyFile,
    /// The record has no wrap.
    #[error("record {} version {} was not wrapped for the emergency key: it was sealed before there was one, or not into custody", record.record, record.version)]
    NotWrapped {
        /// The record.
        record: RecordVersion,
    },
    /// A wrap does not open.
    #[error("the emergency wrap of record {} version {} does not open; restore the file of wrapped keys", record.record, record.version)]
    Closed {
        /// The record.
        record: RecordVersion,
    },
    /// The key itself.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// What unlocks an emergency key: the passphrase was right, or the token has let its user in. The key
/// itself is still locked.
pub struct EmergencyKeeper(KeyKeeper);

impl EmergencyKeeper {
    /// The count beside the key, where the key is in a token.
    #[must_use]
    pub const fn tally(&self) -> Option<&dyn Tally> {
        self.0.tally()
    }
}

/// An emergency key, its secret half locked.
pub(crate) struct EmergencyKey {
    network: NetworkId,
    public: SealingKey,
    locked: Wrapped,
}

fn key_file_of(vault: &Path) -> PathBuf {
    vault.join("emergency.key")
}

fn path_of(vault: &Path) -> PathBuf {
    vault.join("emergency")
}

fn io_at(path: &Path) -> impl FnOnce(io::Error) -> VaultError {
    |source| VaultError::Io {
        path: path.into(),
        source,
    }
}

fn bound(network: NetworkId, public: &[u8]) -> Vec<u8> {
    [MAGIC.as_slice(), network.as_bytes(), public].concat()
}

fn info(record: &RecordVersion) -> Vec<u8> {
    let parts: [&[u8]; 4] = [
        b"medanchor/emergency-wrap/v1",
        record.network.as_bytes(),
        record.record.as_bytes(),
        &record.version.to_be_bytes(),
    ];
    parts.concat()
}

/// Makes the key file, which has its name once it is whole: half of one would be in the way of every later try.
fn make_key_file(path: &Path, protection: &Protection) -> Result<KeyKeeper, VaultError> {
    let aside = path.with_extension("key.new");
    let keeper = match left_key_file(&aside, protection)? {
        Some(keeper) => keeper,
        None => key_file::create(&aside, protection)?,
    };
    let named = fs::rename(&aside, path).and_then(|()| sync_parent(path));
    named.map_err(io_at(path))?;
    Ok(keeper)
}

/// The key of a file that a try that was cut off has left, if it is whole and unlocks: it may name a key
/// in a token, which nothing else does. What is torn, or of another passphrase, is wiped, since nothing was
/// locked by it yet.
fn left_key_file(aside: &Path, protection: &Protection) -> Result<Option<KeyKeeper>, VaultError> {
    if !aside.try_exists().map_err(io_at(aside))? {
        return Ok(None);
    }
    match key_file::unlock(aside, protection) {
        Ok(keeper) => Ok(Some(keeper)),
        Err(KeyFileError::Format { .. } | KeyFileError::WrongPassphrase { .. }) => {
            wipe(aside).map_err(io_at(aside))?;
            Ok(None)
        }
        Err(other) => Err(other.into()),
    }
}

impl EmergencyKey {
    /// Draws a key pair and locks it. A try that was cut off is gone on with, if the protection given
    /// unlocks its key file.
    pub(crate) fn make(
        vault: &Path,
        network: NetworkId,
        protection: &Protection,
    ) -> Result<Self, VaultError> {
        if matches!(protection, Protection::Nothing) {
            return Err(EmergencyError::Unprotected.into());
        }
        let path = key_file_of(vault);
        let keeper = match path.try_exists().map_err(io_at(&path))? {
            true => key_file::unlock(&path, protection)?,
            false => make_key_file(&path, protection)?,
        };
        let secret = Zeroizing::new(random()?);
        let pair = OpeningKey::decode(KemSuite::X25519, &secret).map_err(EmergencyError::from)?;
        let public = pair.public().clone();
        let locked = keeper.wrap(&bound(network, public.as_bytes()), &secret)?;
        let key = Self {
            network,
            public,
            locked,
        };
        key.write(&path_of(vault)).map_err(io_at(&path_of(vault)))?;
        Ok(key)
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = bound(self.network, self.public.as_bytes());
        bytes.extend_from_slice(&self.locked.nonce);
        bytes.extend_from_slice(&self.locked.sealed);
        let sum = sha256(&[&bytes]);
        bytes.extend_from_slice(&sum[..4]);
        bytes
    }

    fn write(&self, path: &Path) -> io::Result<()> {
        let aside = path.with_extension("new");
        let mut file = File::create(&aside)?;
        file.write_all(&self.encode())?;
        file.sync_all()?;
        fs::rename(&aside, path)?;
        sync_parent(path)
    }

    /// The key of a vault, if it has one.
    pub(crate) fn read(vault: &Path, network: NetworkId) -> Result<Option<Self>, VaultError> {
        let path = path_of(vault);
        let file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file.map_err(io_at(&path))?,
        };
        let mut bytes = Vec::with_capacity(LENGTH + 1);
        file.take(LENGTH as u64 + 1)
            .read_to_end(&mut bytes)
            .map_err(io_at(&path))?;
        match Self::decode(&bytes, network) {
            Some(key) => Ok(Some(key)),
            None => Err(EmergencyError::Format { path }.into()),
        }
    }

    pub(crate) fn decode(bytes: &[u8], network: NetworkId) -> Option<Self> {
        let bytes: &[u8; LENGTH] = bytes.try_into().ok()?;
        let (body, sum) = bytes.split_last_chunk::<4>()?;
        if !sha256(&[body]).starts_with(sum) {
            return None;
        }
        let (head, rest) = body.split_at(BOUND);
        let (_, public) = head.split_at(32);
        let (nonce, sealed) = rest.split_first_chunk::<12>()?;
        let same = head == bound(network, public);
        same.then_some(Self {
            network,
            public: SealingKey::decode(KemSuite::X25519, public).ok()?,
            locked: Wrapped {
                nonce: *nonce,
                sealed: <[u8; SEALED]>::try_from(sealed).ok()?,
            },
        })
    }

    pub(crate) fn unlock(
        vault: &Path,
        protection: &Protection,
    ) -> Result<EmergencyKeeper, VaultError> {
        let path = key_file_of(vault);
        Ok(EmergencyKeeper(key_file::unlock(&path, protection)?))
    }

    pub(crate) fn is_in_token(vault: &Path) -> Result<bool, VaultError> {
        Ok(key_file::is_in_token(&key_file_of(vault))?)
    }

    #[cfg(feature = "pkcs11")]
    pub(crate) fn tally(vault: &Path, module: &Path) -> Result<impl Tally + use<>, VaultError> {
        Ok(key_file::tally(&key_file_of(vault), module)?)
    }

    pub(crate) fn wrap(
        &self,
        record: &RecordVersion,
        part: &CustodyPart,
    ) -> Result<ToPublic, EmergencyError> {
        Ok(wrap_to(&self.public, &info(record), part.expose())?)
    }

    /// The custodians' part that was wrapped.
    pub(crate) fn unwrap(
        &self,
        keeper: &EmergencyKeeper,
        record: &RecordVersion,
        wrapped: &ToPublic,
    ) -> Result<CustodyPart, VaultError> {
        let context = bound(self.network, self.public.as_bytes());
        let secret = keeper.0.unwrap(&context, &self.locked)?;
        let secret = secret.ok_or(EmergencyError::OtherKeyFile)?;
        let key = OpeningKey::decode(KemSuite::X25519, &secret).map_err(EmergencyError::from)?;
        let record = *record;
        let part = key.unwrap(&info(&record), wrapped);
        let part = part.map_err(|_| EmergencyError::Closed { record })?;
        Ok(CustodyPart::new(*part))
    }
}

#[cfg(test)]
mod tests;
