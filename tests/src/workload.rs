//! Events to post: sealed records of made-up patients.
//!
//! What always holds: the same run and number give the same body, different ones different
//! handles; nothing in a body stands for a real document.

use anyhow::Result;
use medanchor_ledger::event::{Event, RecordSeal};
use medanchor_ledger::{
    CiphertextHash, ClassHandle, Commitment, KeyCheck, RecordHandle, Tag, TreeHash, VaultPartHash,
    sha256,
};
use medanchor_sdk::Identity;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many patients each participant has: every record moves its patient's tag.
pub const PATIENTS: u64 = 20_000;

/// A `record.seal` like those that real documents give: random-looking handles and hashes.
#[must_use]
pub fn record(run: u64, number: u64) -> RecordSeal {
    let patient = number % PATIENTS;
    RecordSeal {
        record: RecordHandle::new(half(run, number, b"record")),
        version: 1,
        tag: Tag::new(half(run, patient, b"tag")),
        class: ClassHandle::new(half(run, number % 16, b"class")),
        commitment: Commitment::new(TreeHash::new(whole(run, number, b"commitment"))),
        ciphertext: CiphertextHash::new(whole(run, number, b"ciphertext")),
        vault_part: VaultPartHash::new(whole(run, number, b"vault part")),
        key_check: KeyCheck::new(half(run, number, b"key check")),
    }
}

fn whole(run: u64, number: u64, what: &[u8]) -> [u8; 32] {
    sha256(&[&run.to_be_bytes(), &number.to_be_bytes(), what])
}

fn half(run: u64, number: u64, what: &[u8]) -> [u8; 16] {
    let whole = whole(run, number, what);
    std::array::from_fn(|place| whole[place])
}

/// A participant that seals one record after the other.
#[derive(Clone)]
pub struct Author {
    identity: Arc<Identity>,
    run: u64,
    next: Arc<AtomicU64>,
}

impl Author {
    /// An author whose records are those of `run`: authors of one participant take different runs.
    #[must_use]
    pub fn new(identity: Arc<Identity>, run: u64) -> Self {
        Self {
            identity,
            run,
            next: Arc::default(),
        }
    }

    /// Seals and signs the next record.
    ///
    /// # Errors
    /// If it cannot be signed.
    pub fn seal(&self) -> Result<Event> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        Ok(self.identity.sign(record(self.run, number))?)
    }

    /// Seals and signs the next `count` records.
    ///
    /// # Errors
    /// If one cannot be signed.
    pub fn seal_many(&self, count: usize) -> Result<Vec<Event>> {
        (0..count).map(|_| self.seal()).collect()
    }
}
