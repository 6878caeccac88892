//! An imaging study of 2 GiB, sealed from a stream and opened into a file. Alone in its process, whose peak of
//! memory it reads.

use medanchor_ledger::{NetworkId, RecordHandle};
use medanchor_vault::Vault;
use std::fs::File;
use std::io::{self, Read};

const SIZE: u64 = 2 << 30;
/// How much memory may grow by, in KiB.
const ROOM: u64 = 16 << 10;

/// A study whose every MiB differs from those around it.
struct Study {
    at: u64,
}

impl Read for Study {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let slice = (1 << 20) - self.at % (1 << 20);
        let length = slice.min(SIZE - self.at).min(room.len() as u64);
        let number = (self.at >> 20).to_le_bytes();
        room[..usize::try_from(length).unwrap()].fill(number[0] ^ number[1]);
        self.at += length;
        Ok(usize::try_from(length).unwrap())
    }
}

/// The most memory that this process ever had, in KiB; none where the system does not say.
fn peak_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}

fn assert_same(mut left: impl Read, mut right: impl Read) {
    let (mut ours, mut theirs) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    for part in 0..SIZE >> 20 {
        left.read_exact(&mut ours).unwrap();
        right.read_exact(&mut theirs).unwrap();
        assert!(ours == theirs, "MiB {part} differs");
    }
    assert_eq!(left.read(&mut ours).unwrap(), 0);
    assert_eq!(right.read(&mut theirs).unwrap(), 0);
}

#[test]
fn a_study_of_two_gigabytes_goes_in_and_out_in_flat_memory() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let vault = Vault::create(&folder.path().join("vault"), NetworkId::new([1; 16])).unwrap();
    let record = RecordHandle::new([2; 16]);
    let before = peak_kib();
    vault.seal_stream(record, 1, Study { at: 0 }).unwrap();
    let path = folder.path().join("study");
    assert_eq!(vault.open_to_file(record, 1, &path).unwrap(), SIZE);
    let grown = peak_kib().zip(before).map(|(now, before)| now - before);
    assert!(grown.is_none_or(|grown| grown < ROOM), "{grown:?} KiB");
    assert_same(File::open(path).unwrap(), Study { at: 0 });
}
