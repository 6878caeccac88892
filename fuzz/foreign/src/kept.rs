//! What an institution and a custodian read back of their own keys and journals, from a disk that may
//! lie.

use crate::{Seeds, Target, rewritten};
use medanchor_ledger::NetworkId;
use medanchor_ledger::signature::{PublicKey, SigningKey};
use medanchor_sdk::emergency::Journalled;
use medanchor_sdk::emergency::testing::{journal, salvage};
use medanchor_vault::testing;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use tempfile::TempDir;

const NETWORK: NetworkId = NetworkId::new([1; 16]);

const JOURNALS: [Seeds; 1] = [Seeds::of("vectors/emergency", "", ".journal")];
const KEY_FILES: [Seeds; 2] = [
    Seeds::of("vectors/institution-key", "", ".key"),
    Seeds::of("vectors/emergency-key", "", ".key"),
];
const EMERGENCY_KEYS: [Seeds; 1] = [Seeds::of("vectors/emergency-key", "", ".emergency")];
const DEALS: [Seeds; 1] = [Seeds::of("vectors/custodian-deals", "", ".deals")];

pub(crate) const TARGETS: &[Target] = &[
    Target::new("emergency-journal", &JOURNALS, emergency_journal),
    Target::new("key-file", &KEY_FILES, key_file),
    Target::new("emergency-key", &EMERGENCY_KEYS, emergency_key),
    Target::new("custodian-deals", &DEALS, custodian_deals),
];

/// The one key that signed the frozen journals.
fn keys() -> [PublicKey; 1] {
    [SigningKey::from_seed(&[5; 32]).public_key()]
}

/// Every entry that it ever signed.
static SIGNED: LazyLock<Vec<Journalled>> = LazyLock::new(|| {
    let files = JOURNALS
        .iter()
        .flat_map(|seeds| seeds.read().expect("vectors"));
    let sound = files.filter_map(|bytes| {
        let (_folder, path) = file(&bytes)?;
        salvage(&path, NETWORK, &keys())
    });
    sound.flatten().collect()
});

pub(crate) fn prepare() {
    LazyLock::force(&SIGNED);
}

/// A file of these bytes in a folder of its own.
fn file(bytes: &[u8]) -> Option<(TempDir, PathBuf)> {
    let folder = tempfile::tempdir().ok()?;
    let path = folder.path().join("file");
    std::fs::write(&path, bytes).expect("a file in a new folder");
    Some((folder, path))
}

/// Only what was signed is read, in its order and without a gap but for what is said to be lost; opening a journal again changes
/// nothing, and what is sound in it is found without opening it.
fn emergency_journal(bytes: &[u8]) -> bool {
    let Some((_folder, path)) = file(bytes) else {
        return false;
    };
    let sound = salvage(&path, NETWORK, &keys()).unwrap_or_default();
    assert!(
        sound.iter().all(|entry| SIGNED.contains(entry)),
        "never signed"
    );
    let Some(read) = journal(&path, NETWORK, &keys()) else {
        return false;
    };
    let entries = &read.entries;
    assert!(
        entries.is_sorted_by(|one, next| one.entry.counter < next.entry.counter),
        "out of order"
    );
    assert_eq!(entries.len() as u64 + read.lost, read.counter, "a gap");
    assert!(sound.starts_with(entries), "other entries than are sound");
    assert_eq!(journal(&path, NETWORK, &keys()), Some(read), "opened once");
    true
}

fn key_file(bytes: &[u8]) -> bool {
    rewritten(bytes, testing::key_file(bytes), |written| written.to_vec()).is_some()
}

fn emergency_key(bytes: &[u8]) -> bool {
    let read = testing::emergency_key(bytes, NETWORK);
    rewritten(bytes, read, Clone::clone).is_some()
}

/// Opening the file again changes nothing, and each deal stands in a row of its own.
fn custodian_deals(bytes: &[u8]) -> bool {
    let Some((_folder, path)) = file(bytes) else {
        return false;
    };
    let dealt = |path: &Path| testing::dealt(path, NETWORK);
    let Some(read) = dealt(&path) else {
        return false;
    };
    let count: usize = read.values().map(Vec::len).sum();
    assert!(count * 80 <= bytes.len(), "more deals than rows");
    assert_eq!(dealt(&path), Some(read), "opened once");
    count > 0
}
