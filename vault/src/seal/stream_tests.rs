//! A stream gives the bytes that memory gives, and nothing spoilt reaches the end.

use super::*;
use crate::seal::{open, seal};
use medanchor_ledger::{NetworkId, RecordHandle, sha256};

fn record() -> RecordVersion {
    RecordVersion {
        network: NetworkId::new([1; 16]),
        record: RecordHandle::new([2; 16]),
        version: 3,
    }
}

fn key() -> DataKey {
    DataKey::new([4; 32])
}

fn payload(length: usize) -> Vec<u8> {
    (0u8..251).cycle().take(length).collect()
}

const LENGTHS: [usize; 9] = [
    0,
    1,
    TAG,
    CHUNK - 1,
    CHUNK,
    CHUNK + 1,
    CHUNK + TAG,
    3 * CHUNK,
    3 * CHUNK + 7,
];

/// A source that gives a few bytes at a time, as a socket does.
struct Dripping<'a>(&'a [u8]);

impl Read for Dripping<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let most = room.len().min(4099);
        self.0.read(&mut room[..most])
    }
}

fn opened(sealed: impl Read) -> Result<Vec<u8>, StreamError> {
    let mut opening = Opening::new(&record(), &key(), sealed)?;
    let mut payload = Vec::new();
    while let Some(chunk) = opening.chunk()? {
        payload.extend_from_slice(chunk);
    }
    assert!(matches!(opening.chunk(), Ok(None)), "the end stays the end");
    Ok(payload)
}

#[test]
fn what_is_sealed_as_a_stream_opens_in_memory_and_the_other_way_round() {
    for length in LENGTHS {
        let payload = payload(length);
        let mut sealed = Vec::new();
        let said = seal_stream(&record(), &key(), Dripping(&payload), &mut sealed).unwrap();
        assert_eq!(said.length, length as u64);
        assert_eq!(said.payload, sha256(&[&payload]));
        assert_eq!(said.ciphertext, crate::seal::ciphertext_hash(&sealed));
        assert_eq!(
            *open(&record(), &key(), &sealed).unwrap(),
            payload,
            "{length}"
        );
        let sealed = seal(&record(), &key(), &payload).unwrap();
        assert_eq!(opened(Dripping(&sealed)).unwrap(), payload, "{length}");
    }
}

/// Memory and stream refuse for the same reason.
#[test]
fn whatever_is_spoilt_is_named_as_it_is_in_memory() {
    let good = seal(&record(), &key(), &payload(3 * CHUNK)).unwrap();
    let chunk = |number: usize| &good[HEADER + number * SEALED_CHUNK..][..SEALED_CHUNK];
    let head = &good[..HEADER];
    let mut flipped = good.clone();
    flipped[HEADER + SEALED_CHUNK] ^= 1;
    let spoilt = [
        good[..9].to_vec(),
        head.to_vec(),
        good[..HEADER + 5].to_vec(),
        good[..HEADER + SEALED_CHUNK].to_vec(),
        good[..HEADER + SEALED_CHUNK + 9].to_vec(),
        good[..good.len() - 1].to_vec(),
        [&good, &[0][..]].concat(),
        [&good, chunk(0)].concat(),
        [head, chunk(1), chunk(0), chunk(2)].concat(),
        [head, chunk(0), chunk(2)].concat(),
        [b"medanchor/seal/9", &good[16..]].concat(),
        flipped,
    ];
    for sealed in spoilt {
        let in_memory = open(&record(), &key(), &sealed).err();
        match (opened(sealed.as_slice()), in_memory) {
            (Err(StreamError::Open(found)), Some(wanted)) => assert_eq!(found, wanted),
            (found, wanted) => panic!("{:?} instead of {wanted:?}", found.err()),
        }
    }
}

#[test]
fn a_chunk_is_handed_out_only_once_it_has_authenticated() {
    let mut sealed = seal(&record(), &key(), &payload(3 * CHUNK)).unwrap();
    sealed[HEADER + SEALED_CHUNK] ^= 1;
    let mut opening = Opening::new(&record(), &key(), sealed.as_slice()).unwrap();
    assert_eq!(opening.chunk().unwrap().map(<[u8]>::len), Some(CHUNK));
    for _ in 0..4 {
        assert!(
            opening.chunk().is_err(),
            "an error is never followed by more, or by an end"
        );
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[test]
fn a_file_has_its_name_only_when_the_whole_payload_has_authenticated() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("study.dcm");
    let payload = payload(2 * CHUNK + 5);
    let sealed = seal(&record(), &key(), &payload).unwrap();
    let into = |sealed: &[u8]| open_to_file(&record(), &key(), sealed, &path);
    for cut in [HEADER + 1, HEADER + SEALED_CHUNK, sealed.len() - 1] {
        assert!(matches!(into(&sealed[..cut]), Err(StreamError::Open(_))));
        assert!(names(folder.path()).is_empty(), "{cut}");
    }
    assert_eq!(into(&sealed).unwrap(), payload.len() as u64);
    assert_eq!(fs::read(&path).unwrap(), payload);
    assert_eq!(names(folder.path()), ["study.dcm"]);
    assert!(matches!(into(&sealed), Err(StreamError::Exists { .. })));
}

struct Failing;

impl Read for Failing {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::other("unplugged"))
    }
}

#[test]
fn a_source_or_target_that_fails_is_named() {
    let half = [1u8; 10].chain(Failing);
    let failed = seal_stream(&record(), &key(), half, io::sink());
    assert!(matches!(failed, Err(StreamError::Read(_))));
    let mut small = [0u8; 100];
    let failed = seal_stream(
        &record(),
        &key(),
        io::empty().chain(&[7; 90][..]),
        &mut small[..],
    );
    assert!(matches!(failed, Err(StreamError::Write(_))));
    let sealed = seal(&record(), &key(), &payload(CHUNK)).unwrap();
    let half = sealed[..CHUNK].chain(Failing);
    assert!(matches!(opened(half), Err(StreamError::Read(_))));
}
