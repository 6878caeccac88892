//! A large payload goes through a vault in flat memory. The one test of its process, whose peak it reads.

#![cfg(target_os = "linux")]

use medanchor_ledger::{NetworkId, RecordHandle};
use medanchor_vault::Vault;
use std::io::{self, Read};

const SIZE: u64 = 64 << 20;
/// A few chunks, and what the system's own bookkeeping may add: far below the payload.
const ROOM_KIB: u64 = 8 * 1024;

/// Most memory that this process ever had, in KiB.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.unwrap().split_whitespace().next().unwrap();
    number.parse().unwrap()
}

#[test]
fn sixty_four_mebibytes_are_sealed_compared_and_opened_in_a_few_chunks_of_memory() {
    let folder = tempfile::tempdir().unwrap();
    let vault = Vault::create(&folder.path().join("vault"), NetworkId::new([1; 16])).unwrap();
    let record = RecordHandle::new([2; 16]);
    let study = || io::repeat(7).take(SIZE);
    let before = peak_kib();
    let sealed = vault.seal_stream(record, 1, study()).unwrap();
    assert_eq!(vault.seal_stream(record, 1, study()).unwrap(), sealed);
    let path = folder.path().join("study");
    assert_eq!(vault.open_to_file(record, 1, &path).unwrap(), SIZE);
    assert_eq!(std::fs::metadata(&path).unwrap().len(), SIZE);
    let grown = peak_kib() - before;
    assert!(grown < ROOM_KIB, "{grown} KiB for {SIZE} bytes");
}
