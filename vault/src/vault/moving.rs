//! Payloads on their way to another place.
//!
//! What always holds: a payload is removed from the folder only once it stands at the vault's place, byte
//! for byte, and never from a bucket; to copy again what was copied is no error, and a payload that stands
//! there with other bytes is one.

use super::{PayloadPlace, Vault, VaultError};
use crate::folder::Folder;
use crate::payloads::{PayloadError, Payloads};
use crate::seal::RecordVersion;
use crate::secret::DerivationRoot;
#[cfg(feature = "objects")]
use crate::secret::hmac_sha256;
use std::io::{self, Read};
use std::path::Path;

/// What is compared and copied in memory; what is longer goes as a stream.
const IN_MEMORY: u64 = 8 * 1024 * 1024;

impl Vault {
    /// Copies every payload to another place and gives how many there are. A payload that is missing here,
    /// because its record was erased or never sealed to the end, is passed over.
    ///
    /// # Errors
    /// [`VaultError::Payload`]; call it again.
    pub fn copy_payloads(&self, to: &PayloadPlace) -> Result<u64, VaultError> {
        let to = Self::place(&self.folder, &self.root, to)?;
        let mut copied = 0;
        for record in self.every_version() {
            copied += u64::from(copy(&self.payloads, &to, &record)?);
        }
        Ok(copied)
    }

    /// Removes from the vault's own folder what stands at the vault's place too, copying it there first if
    /// it does not. Nothing to do where that place is the folder. For after a move.
    ///
    /// # Errors
    /// [`VaultError::Payload`]; call it again.
    pub fn clear_folder(&self) -> Result<(), VaultError> {
        if matches!(self.payloads, Payloads::Folder(_)) {
            return Ok(());
        }
        let folder = Self::place(&self.folder, &self.root, &PayloadPlace::Folder)?;
        for record in self.every_version() {
            if copy(&folder, &self.payloads, &record)? {
                folder.remove(&record)?;
            }
        }
        Ok(())
    }

    /// The payloads of the vault in this folder, at a place that may not be the one it uses.
    #[cfg_attr(not(feature = "objects"), allow(unused_variables))]
    pub(super) fn place(
        path: &Path,
        root: &DerivationRoot,
        place: &PayloadPlace,
    ) -> Result<Payloads, VaultError> {
        match place {
            PayloadPlace::Folder => {
                let folder = Folder::open(&path.join("payloads"))?;
                Ok(Payloads::Folder(folder))
            }
            #[cfg(feature = "objects")]
            PayloadPlace::Bucket(bucket) => {
                let mark = hmac_sha256(root.expose(), &[b"medanchor/payloads-of/v1"]);
                let objects = crate::objects::Objects::open(bucket, hex::encode(mark))?;
                Ok(Payloads::Objects(objects))
            }
        }
    }

    fn every_version(&self) -> Vec<RecordVersion> {
        let of_one = |record| {
            let versions = self.versions(record).into_iter();
            versions.map(move |version| self.version(record, version))
        };
        self.handles().into_iter().flat_map(of_one).collect()
    }
}

/// Whether there was a payload to copy.
fn copy(from: &Payloads, to: &Payloads, record: &RecordVersion) -> Result<bool, PayloadError> {
    let mut source = match from.reader(record) {
        Ok(source) => source,
        Err(error) if error.is_missing() => return Ok(false),
        Err(error) => return Err(error),
    };
    let lost = |source| PayloadError::Moving {
        record: *record,
        source,
    };
    let mut head = Vec::new();
    (&mut source)
        .take(IN_MEMORY)
        .read_to_end(&mut head)
        .map_err(lost)?;
    if (head.len() as u64) < IN_MEMORY {
        to.put(record, &head)?;
        return Ok(true);
    }
    let mut whole = head.as_slice().chain(source);
    match to.reader(record) {
        Ok(there) => match same(whole, there).map_err(lost)? {
            true => Ok(true),
            false => Err(PayloadError::Taken { record: *record }),
        },
        Err(error) if error.is_missing() => to.put_stream(record, |target| {
            io::copy(&mut whole, target).map_err(lost)?;
            Ok(true)
        }),
        Err(error) => Err(error),
    }
}

fn same(mut one: impl Read, mut other: impl Read) -> io::Result<bool> {
    let (mut here, mut there) = (Vec::new(), Vec::new());
    loop {
        here.clear();
        there.clear();
        (&mut one).take(1 << 16).read_to_end(&mut here)?;
        (&mut other).take(1 << 16).read_to_end(&mut there)?;
        if here != there || here.is_empty() {
            return Ok(here == there);
        }
    }
}

#[cfg(all(test, feature = "objects"))]
mod tests {
    use super::*;
    use crate::objects::Objects;
    use medanchor_ledger::{NetworkId, RecordHandle};
    use object_store::memory::InMemory;
    use std::sync::Arc;

    fn record(number: u8) -> RecordVersion {
        RecordVersion {
            network: NetworkId::new([1; 16]),
            record: RecordHandle::new([number; 16]),
            version: 1,
        }
    }

    #[test]
    fn small_and_large_payloads_are_copied_once_and_never_over_others() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Payloads::Folder(Folder::open(temporary.path()).unwrap());
        let bucket = || Objects::new(Arc::new(InMemory::new()), "vault".into(), "ours".into());
        let large = vec![7; usize::try_from(IN_MEMORY).unwrap() + 3];
        folder.put(&record(1), b"small").unwrap();
        folder.put(&record(2), &large).unwrap();
        folder.put_new(&[(record(3), b"packed".to_vec())]).unwrap();
        let to = Payloads::Objects(bucket());
        for _ in 0..2 {
            for number in 1..=3 {
                assert!(copy(&folder, &to, &record(number)).unwrap());
            }
            assert!(!copy(&folder, &to, &record(4)).unwrap());
        }
        assert_eq!(to.get(&record(2)).unwrap(), large);
        assert_eq!(to.get(&record(3)).unwrap(), b"packed");

        let other = Payloads::Objects(bucket());
        other.put(&record(1), b"another").unwrap();
        other.put(&record(2), &large[1..]).unwrap();
        for number in [1, 2] {
            let refused = copy(&folder, &other, &record(number)).unwrap_err();
            assert!(matches!(refused, PayloadError::Taken { .. }), "{refused}");
        }
    }
}
