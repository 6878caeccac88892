//! Every way to spoil a sealed payload is detected and named.

use super::*;
use proptest::prelude::*;

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

fn sealed(payload: &[u8]) -> Vec<u8> {
    seal_with_salt(&record(), &key(), &[5; 16], payload).unwrap()
}

fn refusal(sealed: &[u8]) -> OpenError {
    open(&record(), &key(), sealed)
        .err()
        .unwrap_or_else(|| panic!("{} bytes were opened", sealed.len()))
}

#[test]
fn payloads_around_the_chunk_size_come_back() {
    for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 3 * CHUNK + 7] {
        let payload: Vec<u8> = (0..length).map(|place| (place % 251) as u8).collect();
        let opened = open(&record(), &key(), &sealed(&payload));
        assert!(opened.is_ok_and(|opened| *opened == payload), "{length}");
    }
}

#[test]
fn every_single_bit_flip_is_detected() {
    let good = sealed(b"{\"dose\":1.50}");
    for bit in 0..good.len() * 8 {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        refusal(&bad);
    }
}

#[test]
fn every_truncation_is_detected() {
    let good = sealed(b"{\"dose\":1.50}");
    for length in 0..good.len() {
        refusal(&good[..length]);
    }
}

#[test]
fn cutting_at_a_chunk_is_named() {
    let good = sealed(&[7; 3 * CHUNK]);
    assert_eq!(
        refusal(&good[..HEADER + SEALED_CHUNK]),
        OpenError::Truncated { chunk: 0 }
    );
    assert_eq!(
        refusal(&good[..HEADER + 2 * SEALED_CHUNK]),
        OpenError::Truncated { chunk: 1 }
    );
    assert_eq!(
        refusal(&good[..HEADER + 2 * SEALED_CHUNK + 9]),
        OpenError::Altered { chunk: 2 }
    );
    assert_eq!(refusal(&good[..HEADER]), OpenError::HeaderTruncated);
    assert_eq!(refusal(&good[..9]), OpenError::HeaderTruncated);
}

#[test]
fn appended_reordered_and_repeated_chunks_are_named() {
    let good = sealed(&[7; 3 * CHUNK]);
    let (header, chunks) = good.split_at(HEADER);
    let chunk = |number: usize| &chunks[number * SEALED_CHUNK..(number + 1) * SEALED_CHUNK];
    let join = |order: &[usize]| {
        let parts: Vec<_> = std::iter::once(header)
            .chain(order.iter().map(|number| chunk(*number)))
            .collect();
        refusal(&parts.concat())
    };
    assert_eq!(join(&[0, 1, 2, 0]), OpenError::Appended { chunk: 2 });
    assert_eq!(
        join(&[1, 0, 2]),
        OpenError::Reordered { chunk: 0, found: 1 }
    );
    assert_eq!(
        join(&[0, 0, 2]),
        OpenError::Reordered { chunk: 1, found: 0 }
    );
    assert_eq!(join(&[0, 2]), OpenError::Reordered { chunk: 1, found: 2 });
}

#[test]
fn a_tag_after_a_full_chunk_is_not_a_second_encoding() {
    let stream = Stream::new(&key(), record().header(&[5; 16]));
    let mut bytes = record().header(&[5; 16]).to_vec();
    let mut chunk = vec![7; CHUNK];
    let tag = stream.seal(0, false, &mut chunk);
    bytes.extend_from_slice(&chunk);
    bytes.extend_from_slice(&tag);
    bytes.extend_from_slice(&stream.seal(1, true, &mut []));
    assert_eq!(refusal(&bytes), OpenError::Altered { chunk: 1 });
}

#[test]
fn a_payload_of_another_record_version_or_network_is_named() {
    let others = [
        RecordVersion {
            record: RecordHandle::new([9; 16]),
            ..record()
        },
        RecordVersion {
            version: 4,
            ..record()
        },
        RecordVersion {
            network: NetworkId::new([9; 16]),
            ..record()
        },
    ];
    for other in others {
        let mut bytes = seal(&other, &key(), b"x").unwrap();
        assert_eq!(refusal(&bytes), OpenError::Swapped { found: other });
        bytes[20..56].copy_from_slice(&sealed(b"x")[20..56]);
        assert_eq!(refusal(&bytes), OpenError::Altered { chunk: 0 });
    }
}

#[test]
fn another_key_opens_nothing() {
    let result = open(&record(), &DataKey::new([8; 32]), &sealed(b"x"));
    assert_eq!(result.err(), Some(OpenError::Altered { chunk: 0 }));
}

proptest! {
    #[test]
    fn noise_is_never_opened(noise in prop::collection::vec(any::<u8>(), 0..200)) {
        refusal(&noise);
        refusal(&[&sealed(b"")[..HEADER], &noise].concat());
    }
}

#[test]
fn no_two_sealings_have_one_salt() {
    let salts = || (0..3 * SALTS_AHEAD).map(|_| salt().unwrap());
    let there = std::thread::spawn(move || salts().collect::<Vec<_>>());
    let mut all: Vec<_> = salts().chain(there.join().unwrap()).collect();
    all.sort_unstable();
    let drawn = all.len();
    all.dedup();
    assert_eq!(all.len(), drawn);
}
