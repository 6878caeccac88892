//! An institution's vault: one folder with a key file, wrapped secrets and sealed payloads.
//!
//! What always holds: both parts of a record's key are on disk before its payload is, and the payload
//! before [`Vault::seal`] returns, so whatever an event names can be opened; sealing the same payload
//! under the same record and version again, after a crash say, gives the same answer; once a record is
//! erased nothing in the folder, and no copy of its payload, opens it. One process holds the vault.
//!
//! ```text
//! VAULT/institution.key   or elsewhere; back it up apart from the rest
//! VAULT/keys              wrapped secrets, in slots; never copy it where erasure must reach
//! VAULT/emergency.key     what unlocks the emergency key, if there is one
//! VAULT/emergency         the emergency key, its secret half locked
//! VAULT/payloads/         sealed payloads, unless a bucket has them
//! VAULT/lock
//! ```
//!
//! A rotation of the institution key has files of its own besides, until it is over.

use crate::commitment::{Commitment, Committed};
use crate::disclosure::Disclosure;
use crate::emergency::EmergencyKey;
use crate::json::Document;
use crate::key_file::{self, KeyFileError, Protection};
use crate::lot::{CodeScheme, Lot};
use crate::payloads::Payloads;
use crate::pointer::Pointer;
use crate::seal::{self, RecordVersion};
use crate::secret::{DataKey, DerivationRoot, SubjectKey, VaultPart, handle_bytes, hmac_sha256};
use crate::slots::{Held, Kind, Name, Slots};
use error::io_at;
use lock::{FolderLock, lock};
use medanchor_ledger::{CiphertextHash, KeyCheck, NetworkId, RecordHandle, VaultPartHash};
use rotation::Files;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use under_way::{Sealing, UnderWay};
use zeroize::Zeroizing;

const ROOT: Name = Name {
    kind: Kind::Root,
    handle: [0; 16],
    version: 0,
};

/// What an event says of a sealed record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// Network, record and version.
    pub record: RecordVersion,
    /// The commitment to every field.
    pub commitment: Commitment,
    /// The hash of the sealed payload.
    pub ciphertext: CiphertextHash,
    /// The hash of the vault's part of the key.
    pub vault_part: VaultPartHash,
    /// The key's check value.
    pub key_check: KeyCheck,
}

/// An open vault.
pub struct Vault {
    folder: PathBuf,
    network: NetworkId,
    root: DerivationRoot,
    slots: Mutex<Slots>,
    /// What S is sealed to for the emergency path; none until it is made. Locked before `slots`.
    emergency: Mutex<Option<EmergencyKey>>,
    payloads: Payloads,
    /// Whoever writes the payload of a version has its turn, from before it looks for one. Taken before `slots`.
    under_way: UnderWay,
    /// The folder, once it was needed, while a bucket has the payloads: what a move left in it.
    left: Mutex<Option<Payloads>>,
    _lock: FolderLock,
}

impl Vault {
    /// Makes a vault in a new or empty folder, with a fresh institution key in an unprotected file.
    ///
    /// # Errors
    /// [`VaultError`]; an existing key or vault is left as it is.
    pub fn create(path: &Path, network: NetworkId) -> Result<Self, VaultError> {
        Self::create_with(path, network, &Settings::default())
    }

    /// [`Vault::create`] with the key and the payloads kept as `settings` says.
    ///
    /// # Errors
    /// [`VaultError`]; an existing key or vault is left as it is.
    pub fn create_with(
        path: &Path,
        network: NetworkId,
        settings: &Settings,
    ) -> Result<Self, VaultError> {
        fs::create_dir_all(path).map_err(io_at(path))?;
        let lock = lock(path)?;
        let files = Files::of(path, settings);
        // A vault whose key file was lost must not get another.
        if files.keys.exists() {
            return Err(KeyFileError::Exists { path: files.keys }.into());
        }
        let keeper = key_file::create(&files.key_file, &settings.protection)?;
        let mut slots = Slots::create(&files.keys, keeper, network)?;
        slots.put(&[(ROOT, DerivationRoot::generate()?.expose())])?;
        Self::assemble(path, network, settings, slots, lock)
    }

    /// Opens a vault of this network whose key file is unprotected.
    ///
    /// # Errors
    /// [`VaultError`], among others when another process holds it or it is of another network.
    pub fn open(path: &Path, network: NetworkId) -> Result<Self, VaultError> {
        Self::open_with(path, network, &Settings::default())
    }

    /// Opens a vault of this network whose key and payloads are kept as `settings` says.
    ///
    /// # Errors
    /// [`VaultError`], as [`Vault::open`].
    pub fn open_with(
        path: &Path,
        network: NetworkId,
        settings: &Settings,
    ) -> Result<Self, VaultError> {
        let lock = lock(path)?;
        let slots = Files::of(path, settings).open(network, &settings.protection)?;
        Self::assemble(path, network, settings, slots, lock)
    }

    /// Gives a vault a fresh institution key, protected as `next` says, and opens it with that one. All
    /// secrets are wrapped anew, no payload is touched, and what the old key wrapped is overwritten.
    /// A power cut at any moment leaves a vault that opens with the old key or with the new one.
    ///
    /// Back-ups of the old key file must be destroyed by hand.
    ///
    /// # Errors
    /// [`VaultError`]; opening the vault again finds it either before or after the change.
    pub fn rotate(
        path: &Path,
        network: NetworkId,
        settings: &Settings,
        next: &Protection,
    ) -> Result<Self, VaultError> {
        Self::open_with(path, network, settings)?.rotated(settings, next)
    }

    /// [`Vault::rotate`] of an open vault, which nobody else can open in between. `settings` are those it
    /// was opened with.
    ///
    /// # Errors
    /// As [`Vault::rotate`].
    pub fn rotated(self, settings: &Settings, next: &Protection) -> Result<Self, VaultError> {
        let Self {
            folder,
            network,
            slots,
            _lock: lock,
            ..
        } = self;
        let slots = slots.into_inner().unwrap_or_else(PoisonError::into_inner);
        let now = &settings.protection;
        let slots = Files::of(&folder, settings).rotate(slots, now, next, &mut || {})?;
        Self::assemble(&folder, network, settings, slots, lock)
    }

    /// Destroys in its token an institution key that was replaced, if a rotation could not: its token was
    /// away, say. Nothing to do otherwise. `login` is how that token is used, which need not be the one of
    /// `settings`; a PIN is tried at no other token.
    ///
    /// # Errors
    /// [`KeyFileError::StillInToken`], which names the key.
    pub fn destroy_replaced_key(
        &self,
        settings: &Settings,
        login: &Protection,
    ) -> Result<(), VaultError> {
        Files::of(&self.folder, settings).discard(login)
    }

    fn assemble(
        path: &Path,
        network: NetworkId,
        settings: &Settings,
        mut slots: Slots,
        lock: FolderLock,
    ) -> Result<Self, VaultError> {
        let Held::Secret(root) = slots.get(&ROOT)? else {
            return Err(VaultError::NoRoot { path: path.into() });
        };
        let root = DerivationRoot::new(*root);
        let payloads = Self::place(path, &root, &settings.payloads)?;
        Ok(Self {
            folder: path.into(),
            network,
            root,
            slots: Mutex::new(slots),
            emergency: Mutex::new(EmergencyKey::read(path, network)?),
            payloads,
            under_way: UnderWay::default(),
            left: Mutex::new(None),
            _lock: lock,
        })
    }

    /// Seals a JSON payload as this version of this record, and keeps it.
    ///
    /// # Errors
    /// [`VaultError`]; nothing is kept that a later call could trip over.
    pub fn seal(
        &self,
        record: RecordHandle,
        version: u32,
        payload: &[u8],
    ) -> Result<Sealed, VaultError> {
        self.seal_document(record, version, payload, &Document::parse(payload)?)
    }

    /// Seals a payload that is not JSON: it can be shown as a whole only. One that is too large for
    /// memory is sealed by [`Vault::seal_stream`].
    ///
    /// # Errors
    /// As [`Vault::seal`].
    pub fn seal_opaque(
        &self,
        record: RecordHandle,
        version: u32,
        payload: &[u8],
    ) -> Result<Sealed, VaultError> {
        self.seal_document(record, version, payload, &Document::opaque(payload))
    }

    fn seal_document(
        &self,
        record: RecordHandle,
        version: u32,
        payload: &[u8],
        document: &Document,
    ) -> Result<Sealed, VaultError> {
        let record = self.version_to_seal(record, version)?;
        let _turn = self.under_way.turn(&[record], Sealing::InMemory)?;
        let parts = self.key_parts_or_new(&[record])?;
        // One record gives one pair of parts.
        let (custody, vault) = parts.first().ok_or(VaultError::NoKey { record })?;
        let key = DataKey::derive(custody, vault, &record);
        let sealed = match self.stored(&record, &key, payload)? {
            Some(stored) => stored,
            None => {
                let sealed = seal::seal(&record, &key, payload)?;
                self.payloads.put(&record, &sealed)?;
                sealed
            }
        };
        Ok(said(record, document, &sealed, vault, &key))
    }

    fn version_to_seal(
        &self,
        record: RecordHandle,
        version: u32,
    ) -> Result<RecordVersion, VaultError> {
        if version == 0 {
            return Err(VaultError::VersionZero);
        }
        Ok(self.version(record, version))
    }

    /// The payload as it was sealed before, if it was; it is on disk then.
    fn stored(
        &self,
        record: &RecordVersion,
        key: &DataKey,
        payload: &[u8],
    ) -> Result<Option<Vec<u8>>, VaultError> {
        match self.payloads.get(record) {
            Ok(stored) if *seal::open(record, key, &stored)? == payload => {
                self.payloads.sync(record)?;
                Ok(Some(stored))
            }
            Ok(_) => Err(VaultError::Taken { record: *record }),
            Err(error) if error.is_missing() => Ok(None),
            Err(other) => Err(other.into()),
        }
    }

    /// Opens a record.
    ///
    /// # Errors
    /// [`VaultError::Erased`], [`VaultError::NoKey`], or what is wrong with the stored payload.
    pub fn open_record(
        &self,
        record: RecordHandle,
        version: u32,
    ) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let record = self.version(record, version);
        let key = self.data_key(&record)?;
        Ok(seal::open(&record, &key, &self.payloads.get(&record)?)?)
    }

    /// Shows every value at or below each of `shown` and the absence of each of `absent`, and
    /// withholds the rest.
    ///
    /// # Errors
    /// As [`Vault::open_record`] and [`Committed::disclose`].
    pub fn disclose(
        &self,
        record: RecordHandle,
        version: u32,
        shown: &[&str],
        absent: &[Pointer],
    ) -> Result<Disclosure, VaultError> {
        let key = self.data_key(&self.version(record, version))?;
        let document = Document::parse(&self.open_record(record, version)?)?;
        Ok(Committed::new(&document, &key.record_secret()).disclose(shown, absent)?)
    }

    /// Makes every version of a record unreadable for ever, here and in every copy of the payloads,
    /// and says which versions there were.
    ///
    /// # Errors
    /// [`VaultError`]; call it again until it succeeds.
    pub fn erase(&self, record: RecordHandle) -> Result<Vec<u32>, VaultError> {
        self.erase_keys(record)?;
        self.remove_payloads(record)?;
        Ok(self.versions(record))
    }

    /// The first half of [`Vault::erase`], from which on nothing opens the record.
    ///
    /// # Errors
    /// [`VaultError`]; call it again until it succeeds.
    pub fn erase_keys(&self, record: RecordHandle) -> Result<(), VaultError> {
        let handle = *record.as_bytes();
        let mut slots = self.slots();
        // V first: where S alone is gone, custodians have it.
        slots.erase_versions(&[(Kind::Vault, handle)])?;
        slots.erase_versions(&[(Kind::Custody, handle), (Kind::Emergency, handle)])?;
        Ok(())
    }

    /// The second half: removes the sealed payloads of every version.
    ///
    /// # Errors
    /// [`VaultError`]; call it again until it succeeds.
    pub fn remove_payloads(&self, record: RecordHandle) -> Result<(), VaultError> {
        let versions = self.versions(record).into_iter();
        let mut each = versions.map(|version| self.version(record, version));
        each.try_for_each(|version| self.remove_payload(&version))
    }

    /// The handles of all that this vault has or had a key for: records, and documents kept at home.
    #[must_use]
    pub fn handles(&self) -> Vec<RecordHandle> {
        let handles = self.slots().handles(Kind::Vault);
        handles.into_iter().map(RecordHandle::new).collect()
    }

    /// The versions of a record whose key this vault holds or held, ascending.
    #[must_use]
    pub fn versions(&self, record: RecordHandle) -> Vec<u32> {
        self.slots().versions(Kind::Vault, *record.as_bytes())
    }

    /// A handle of this institution's own for something it knows by `name`: always the same, and
    /// nobody without this vault can link it to the name. `domain` keeps kinds of handles apart.
    #[must_use]
    pub fn handle(&self, domain: &str, name: &str) -> [u8; 16] {
        handle_bytes(
            self.root.expose(),
            &[b"medanchor/handle/v1", &named(domain, name)],
        )
    }

    /// The key of a subject without a wallet: held by the institution, which must say so wherever it
    /// acts in the subject's stead.
    #[must_use]
    pub fn held_subject_key(&self, name: &str) -> SubjectKey {
        SubjectKey::new(hmac_sha256(
            self.root.expose(),
            &[b"medanchor/held-subject/v1", name.as_bytes()],
        ))
    }

    /// A lot of this maker.
    #[must_use]
    pub fn lot(&self, scheme: CodeScheme, product: &str, number: &str) -> Lot {
        Lot::derive(&self.root, scheme, product, number)
    }

    fn version(&self, record: RecordHandle, version: u32) -> RecordVersion {
        RecordVersion {
            network: self.network,
            record,
            version,
        }
    }

    fn slots(&self) -> std::sync::MutexGuard<'_, Slots> {
        // The slots are consistent between any two statements, so a panic elsewhere spoils nothing.
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What an event says of a payload that was sealed.
fn said(
    record: RecordVersion,
    document: &Document,
    sealed: &[u8],
    vault: &VaultPart,
    key: &DataKey,
) -> Sealed {
    said_of(record, document, seal::ciphertext_hash(sealed), vault, key)
}

fn said_of(
    record: RecordVersion,
    document: &Document,
    ciphertext: CiphertextHash,
    vault: &VaultPart,
    key: &DataKey,
) -> Sealed {
    Sealed {
        record,
        commitment: Committed::new(document, &key.record_secret()).commitment(),
        ciphertext,
        vault_part: vault.hash(),
        key_check: key.check_value(),
    }
}

fn slot_name(kind: Kind, record: &RecordVersion) -> Name {
    Name {
        kind,
        handle: *record.record.as_bytes(),
        version: record.version,
    }
}

/// Two texts as bytes that no other two give.
fn named(domain: &str, name: &str) -> Vec<u8> {
    let mut writer = medanchor_ledger::cbor::Writer::new();
    writer.array(2).text(domain).text(name);
    writer.into_bytes()
}

mod custody;
mod emergency;
#[cfg(test)]
mod erasure_tests;
mod error;
mod lock;
mod many;
mod moving;
mod parts;
pub(crate) mod rotation;
mod settings;
mod stream;
#[cfg(test)]
mod tests;
mod under_way;

pub use custody::{Custodial, PartError, ToShare};
pub use error::VaultError;
pub use many::ToSeal;
pub use moving::Copied;
pub use settings::{PayloadPlace, Settings};
