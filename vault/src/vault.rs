//! An institution's vault: one folder with a key file, wrapped secrets and sealed payloads.
//!
//! What always holds: both parts of a record's key are on disk before its payload is, and the payload
//! before [`Vault::seal`] returns, so whatever an event names can be opened; sealing the same payload
//! under the same record and version again, after a crash say, gives the same answer; once a record is
//! erased nothing in the folder, and no copy of its payload, opens it. One process holds the vault.
//!
//! ```text
//! VAULT/institution.key   back it up apart from the rest
//! VAULT/keys              wrapped secrets, in slots; never copy it where erasure must reach
//! VAULT/payloads/         sealed payloads
//! VAULT/lock
//! ```

use crate::commitment::{Commitment, Committed};
use crate::disclosure::{Disclosure, DisclosureError};
use crate::folder::{Folder, FolderError};
use crate::json::{Document, JsonError};
use crate::key_file::{self, KeyFileError};
use crate::lot::{CodeScheme, Lot};
use crate::pointer::Pointer;
use crate::seal::{self, OpenError, RecordVersion, SealError};
use crate::secret::{
    CustodyPart, DataKey, DerivationRoot, RandomFailed, SubjectKey, VaultPart, handle_bytes,
    hmac_sha256,
};
use crate::slots::{Held, Kind, Name, Slots, SlotsError};
use medanchor_ledger::{CiphertextHash, KeyCheck, NetworkId, RecordHandle, VaultPartHash};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use zeroize::Zeroizing;

const ROOT: Name = Name {
    kind: Kind::Root,
    handle: [0; 16],
    version: 0,
};

/// What went wrong in a vault.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VaultError {
    /// The payload was refused.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// The payload was not sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The sealed payload was not opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Nothing was disclosed.
    #[error(transparent)]
    Disclosure(#[from] DisclosureError),
    /// The payload folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The file of wrapped keys.
    #[error(transparent)]
    Slots(#[from] SlotsError),
    /// The key file.
    #[error(transparent)]
    KeyFile(#[from] KeyFileError),
    /// No random bytes.
    #[error(transparent)]
    Random(#[from] RandomFailed),
    /// The record was erased.
    #[error("record {} version {} was erased; nothing can open it", record.record, record.version)]
    Erased {
        /// The record.
        record: RecordVersion,
    },
    /// The vault holds no key for the record.
    #[error("the vault holds no key for record {} version {}; ask the vault that sealed it", record.record, record.version)]
    NoKey {
        /// The record.
        record: RecordVersion,
    },
    /// Another payload is sealed under this record and version.
    #[error("record {} version {} is sealed with other content; seal the new content as the next version", record.record, record.version)]
    Taken {
        /// The record.
        record: RecordVersion,
    },
    /// A record stands twice in one batch.
    #[error("record {} version {} stands twice in the batch; seal each once", record.record, record.version)]
    Repeated {
        /// The record.
        record: RecordVersion,
    },
    /// Versions start at 1.
    #[error("a record's versions start at 1; seal the first as version 1")]
    VersionZero,
    /// Another process holds the vault.
    #[error("another process holds the vault at {path}; stop it first")]
    Locked {
        /// The vault's folder.
        path: PathBuf,
    },
    /// The vault is incomplete.
    #[error(
        "the vault at {path} has no derivation root; it was not made to the end, so remove it and make it again"
    )]
    NoRoot {
        /// The vault's folder.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("the vault at {path} could not be used: {source}; check the path and its permissions")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

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
    network: NetworkId,
    root: DerivationRoot,
    slots: Mutex<Slots>,
    folder: Folder,
    _lock: File,
}

fn io_at(path: &Path) -> impl FnOnce(io::Error) -> VaultError {
    |source| VaultError::Io {
        path: path.into(),
        source,
    }
}

impl Vault {
    /// Makes a vault in a new or empty folder, with a fresh institution key.
    ///
    /// # Errors
    /// [`VaultError`]; an existing key or vault is left as it is.
    pub fn create(path: &Path, network: NetworkId) -> Result<Self, VaultError> {
        fs::create_dir_all(path).map_err(io_at(path))?;
        let lock = lock(path)?;
        let key = key_file::create(&path.join("institution.key"))?;
        let mut slots = Slots::create(&path.join("keys"), &key, network)?;
        slots.put(&[(ROOT, DerivationRoot::generate()?.expose())])?;
        Self::assemble(path, network, slots, lock)
    }

    /// Opens a vault of this network.
    ///
    /// # Errors
    /// [`VaultError`], among others when another process holds it or it is of another network.
    pub fn open(path: &Path, network: NetworkId) -> Result<Self, VaultError> {
        let lock = lock(path)?;
        let key = key_file::read(&path.join("institution.key"))?;
        let slots = Slots::open(&path.join("keys"), &key, network)?;
        Self::assemble(path, network, slots, lock)
    }

    fn assemble(
        path: &Path,
        network: NetworkId,
        mut slots: Slots,
        lock: File,
    ) -> Result<Self, VaultError> {
        let Held::Secret(root) = slots.get(&ROOT)? else {
            return Err(VaultError::NoRoot { path: path.into() });
        };
        let folder = Folder::open(&path.join("payloads"))?;
        Ok(Self {
            network,
            root: DerivationRoot::new(*root),
            slots: Mutex::new(slots),
            folder,
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

    /// Seals a payload that is not JSON: it can be shown as a whole only.
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
        let parts = self.key_parts_or_new(&[record])?;
        // One record gives one pair of parts.
        let (custody, vault) = parts.first().ok_or(VaultError::NoKey { record })?;
        let key = DataKey::derive(custody, vault, &record);
        let sealed = match self.stored(&record, &key, payload)? {
            Some(stored) => stored,
            None => {
                let sealed = seal::seal(&record, &key, payload)?;
                self.folder.put(&record, &sealed)?;
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

    /// The payload as it was sealed before, if it was.
    fn stored(
        &self,
        record: &RecordVersion,
        key: &DataKey,
        payload: &[u8],
    ) -> Result<Option<Vec<u8>>, VaultError> {
        match self.folder.get(record) {
            Ok(stored) if *seal::open(record, key, &stored)? == payload => Ok(Some(stored)),
            Ok(_) => Err(VaultError::Taken { record: *record }),
            Err(FolderError::Missing { .. }) => Ok(None),
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
        Ok(seal::open(&record, &key, &self.folder.get(&record)?)?)
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

    /// Makes every version of a record unreadable for ever, here and in every copy of the payload
    /// folder, and says which versions there were.
    ///
    /// # Errors
    /// [`VaultError`]; call it again until it succeeds.
    pub fn erase(&self, record: RecordHandle) -> Result<Vec<u32>, VaultError> {
        let handle = *record.as_bytes();
        let versions = {
            let mut slots = self.slots();
            let versions = slots.versions(Kind::Vault, handle);
            for (kind, version) in versions
                .iter()
                .flat_map(|version| [(Kind::Vault, *version), (Kind::Custody, *version)])
            {
                slots.erase(&Name {
                    kind,
                    handle,
                    version,
                })?;
            }
            versions
        };
        for version in &versions {
            self.folder.remove(&self.version(record, *version))?;
        }
        Ok(versions)
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

    fn data_key(&self, record: &RecordVersion) -> Result<DataKey, VaultError> {
        let (custody, vault) = key_parts(&mut self.slots(), record)?;
        Ok(DataKey::derive(&custody, &vault, record))
    }

    /// The parts of each record's key, those that are not there yet drawn and kept, all with one sync.
    fn key_parts_or_new(
        &self,
        records: &[RecordVersion],
    ) -> Result<Vec<(CustodyPart, VaultPart)>, VaultError> {
        let mut slots = self.slots();
        let mut parts = Vec::with_capacity(records.len());
        let mut drawn = Vec::with_capacity(records.len());
        for record in records {
            let custody = slots.get(&slot_name(Kind::Custody, record))?;
            let vault = slots.get(&slot_name(Kind::Vault, record))?;
            if matches!(custody, Held::Erased) || matches!(vault, Held::Erased) {
                return Err(VaultError::Erased { record: *record });
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

/// What an event says of a payload that was sealed.
fn said(
    record: RecordVersion,
    document: &Document,
    sealed: &[u8],
    vault: &VaultPart,
    key: &DataKey,
) -> Sealed {
    Sealed {
        record,
        commitment: Committed::new(document, &key.record_secret()).commitment(),
        ciphertext: seal::ciphertext_hash(sealed),
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

fn key_parts(
    slots: &mut Slots,
    record: &RecordVersion,
) -> Result<(CustodyPart, VaultPart), VaultError> {
    let custody = slots.get(&slot_name(Kind::Custody, record))?;
    let vault = slots.get(&slot_name(Kind::Vault, record))?;
    match (custody, vault) {
        (Held::Secret(custody), Held::Secret(vault)) => {
            Ok((CustodyPart::new(*custody), VaultPart::new(*vault)))
        }
        (Held::Erased, _) | (_, Held::Erased) => Err(VaultError::Erased { record: *record }),
        _ => Err(VaultError::NoKey { record: *record }),
    }
}

/// Two texts as bytes that no other two give.
fn named(domain: &str, name: &str) -> Vec<u8> {
    let mut writer = medanchor_ledger::cbor::Writer::new();
    writer.array(2).text(domain).text(name);
    writer.into_bytes()
}

fn lock(path: &Path) -> Result<File, VaultError> {
    let file_path = path.join("lock");
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&file_path)
        .map_err(io_at(&file_path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(VaultError::Locked { path: path.into() }),
        Err(fs::TryLockError::Error(source)) => Err(io_at(&file_path)(source)),
    }
}

mod many;
#[cfg(test)]
mod tests;

pub use many::ToSeal;
