//! Which versions of records are being sealed at this moment.
//!
//! What always holds: one version is sealed by one call at a time, so that whether its payload is there is
//! still true when it is written; a call that seals in memory, which takes a moment, is waited for, and one that
//! seals a stream, which may take hours, is not. Other processes are kept out by the vault's lock.

use super::VaultError;
use crate::seal::RecordVersion;
use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// How long a call may take.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Sealing {
    InMemory,
    Stream,
}

/// The versions that are being sealed.
#[derive(Default)]
pub(super) struct UnderWay {
    records: Mutex<BTreeMap<RecordVersion, Sealing>>,
    over: Condvar,
}

/// The right to seal these versions, until it is dropped.
pub(super) struct Turn<'a> {
    under_way: &'a UnderWay,
    records: Vec<RecordVersion>,
}

impl UnderWay {
    fn records(&self) -> MutexGuard<'_, BTreeMap<RecordVersion, Sealing>> {
        // It is changed in one step, so a panic elsewhere spoils nothing.
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The right to seal all of these, once no other call in memory has any of them.
    ///
    /// # Errors
    /// [`VaultError::UnderWay`] where one of them is being sealed from a stream.
    pub(super) fn turn(
        &self,
        records: &[RecordVersion],
        how: Sealing,
    ) -> Result<Turn<'_>, VaultError> {
        let mut under_way = self.records();
        loop {
            let found = records
                .iter()
                .filter_map(|record| Some((record, *under_way.get(record)?)));
            let mut waits = false;
            for (record, how) in found {
                if how == Sealing::Stream {
                    return Err(VaultError::UnderWay { record: *record });
                }
                waits = true;
            }
            if !waits {
                break;
            }
            let woken = self.over.wait(under_way);
            under_way = woken.unwrap_or_else(PoisonError::into_inner);
        }
        under_way.extend(records.iter().map(|record| (*record, how)));
        Ok(Turn {
            under_way: self,
            records: records.into(),
        })
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut under_way = self.under_way.records();
        for record in &self.records {
            under_way.remove(record);
        }
        self.under_way.over.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use crate::Vault;
    use crate::seal::ciphertext_hash;
    use crate::vault::VaultError;
    use medanchor_ledger::{NetworkId, RecordHandle};
    use std::io::{self, Read};

    const NETWORK: NetworkId = NetworkId::new([1; 16]);
    const RECORD: RecordHandle = RecordHandle::new([2; 16]);

    fn refused<T>(sealed: Result<T, VaultError>) -> bool {
        matches!(sealed, Err(VaultError::UnderWay { .. }))
    }

    /// A source during whose reading others want to seal the same version.
    struct Meanwhile<'a>(&'a Vault, Option<&'a [u8]>);

    impl Read for Meanwhile<'_> {
        fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
            if let Some(others) = self.1.take() {
                assert!(refused(self.0.seal_stream_to_share(RECORD, 1, others)));
                assert!(refused(self.0.seal_stream(RECORD, 1, others)));
                assert!(refused(self.0.seal_to_share(RECORD, 1, b"{}")));
                assert!(refused(self.0.seal(RECORD, 1, b"{}")));
                self.0.seal(RECORD, 2, b"{}").unwrap();
                return io::repeat(7).take(100).read(room);
            }
            Ok(0)
        }
    }

    /// Both found nothing stored, both sealed, and the later one's bytes stood where the first one's had been
    /// dealt out and anchored.
    #[test]
    fn a_version_that_is_being_sealed_from_a_stream_is_sealed_by_nobody_else() {
        let folder = tempfile::tempdir().unwrap();
        let vault = Vault::create(folder.path(), NETWORK).unwrap();
        let first = Meanwhile(&vault, Some(b"another's"));
        let sealed = vault.seal_stream_to_share(RECORD, 1, first).unwrap().sealed;
        let mut stored = Vec::new();
        let mut payload = vault.sealed_payload(RECORD, 1).unwrap();
        payload.read_to_end(&mut stored).unwrap();
        assert_eq!(ciphertext_hash(&stored), sealed.ciphertext);
        let other = vault.seal_stream(RECORD, 1, &b"another's"[..]);
        assert!(matches!(other, Err(VaultError::Taken { .. })));
    }

    #[test]
    fn a_sealing_that_failed_is_in_nobodys_way() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::ErrorKind::ConnectionReset.into())
            }
        }
        let folder = tempfile::tempdir().unwrap();
        let vault = Vault::create(folder.path(), NETWORK).unwrap();
        let broken = vault.seal_stream(RECORD, 1, Broken);
        assert!(matches!(broken, Err(VaultError::Stream(_))));
        vault.seal_stream(RECORD, 1, &b"the same"[..]).unwrap();
    }

    #[test]
    fn of_many_that_seal_one_version_at_once_one_is_stored() {
        let folder = tempfile::tempdir().unwrap();
        let vault = Vault::create(folder.path(), NETWORK).unwrap();
        for version in 1..=8 {
            let start = std::sync::Barrier::new(4);
            let seal = |number: u32| {
                let payload = format!("[{number}]");
                start.wait();
                vault.seal(RECORD, version, payload.as_bytes())
            };
            let sealed: Vec<_> = std::thread::scope(|scope| {
                let all: Vec<_> = (0..4)
                    .map(|number| scope.spawn(move || seal(number)))
                    .collect();
                all.into_iter().map(|one| one.join().unwrap()).collect()
            });
            let mut stored = Vec::new();
            let mut payload = vault.sealed_payload(RECORD, version).unwrap();
            payload.read_to_end(&mut stored).unwrap();
            let good: Vec<_> = sealed.iter().flatten().collect();
            assert_eq!(good.len(), 1, "version {version}");
            assert_eq!(ciphertext_hash(&stored), good[0].ciphertext);
            let taken = |one: &&Result<_, VaultError>| matches!(one, Err(VaultError::Taken { .. }));
            assert_eq!(sealed.iter().filter(taken).count(), 3);
        }
    }
}
