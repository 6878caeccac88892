//! A document is opened into a target only if every byte of it is as its owner anchored it, and whatever is
//! not is named as it is in memory.

use super::*;
use crate::commitment::Committed;
use crate::json::Document;
use crate::seal::{CHUNK, HEADER, StreamError, TAG, ciphertext_hash, seal, seal_stream};
use crate::secret::DataKey;
use medanchor_ledger::{Commitment, sha256};
use std::io::{self, Cursor, Read};

const SEALED_CHUNK: usize = CHUNK + TAG;
const JSON: &[u8] = b"{\"dose\":1.50}";

fn key() -> DataKey {
    DataKey::derive(&secret(), &VaultPart::new([6; 32]), &record().record)
}

fn gathered() -> Gathered {
    Gathered {
        key: key(),
        faults: Faults::default(),
    }
}

/// Three chunks, the last of them short.
fn study() -> Vec<u8> {
    (0u8..251).cycle().take(2 * CHUNK + 77).collect()
}

/// A study that was sealed as a whole, and what is anchored of it.
fn sealed_study() -> (Wanted, Vec<u8>) {
    let (wanted, _) = wanted(&shared().0);
    let mut sealed = Vec::new();
    let said = seal_stream(&record().record, &key(), &*study(), &mut sealed).unwrap();
    let document = Document::opaque_of(said.payload);
    let wanted = Wanted {
        ciphertext: said.ciphertext,
        commitment: Committed::new(&document, &key().record_secret()).commitment(),
        ..wanted
    };
    (wanted, sealed)
}

fn opened(wanted: &Wanted, sealed: &[u8]) -> Result<Vec<u8>, IntoError> {
    let mut target = Cursor::new(Vec::new());
    let length = gathered().open_into(wanted, sealed, &mut target)?;
    assert_eq!(length, target.get_ref().len() as u64);
    Ok(target.into_inner())
}

/// What is wrong, by both ways.
fn refused(wanted: &Wanted, sealed: &[u8]) -> ReadError {
    let in_memory = gathered().open(wanted, sealed).err().unwrap();
    match opened(wanted, sealed) {
        Err(IntoError::Read(error)) => {
            assert_eq!(error, in_memory);
            error
        }
        other => panic!("{other:?} instead of {in_memory}"),
    }
}

#[test]
fn documents_that_were_sealed_as_a_whole_and_field_by_field_open() {
    let (wanted_json, json) = wanted(&shared().0);
    assert_eq!(opened(&wanted_json, &json).unwrap(), JSON);
    let (wanted, sealed) = sealed_study();
    assert_eq!(opened(&wanted, &sealed).unwrap(), study());
    let (payload, _) = gathered().open(&wanted, &sealed).unwrap();
    assert_eq!(*payload, study(), "a short one opens in memory too");
}

/// Cut anywhere, a bit turned in any chunk, chunks swapped, left out or appended, and sealed once more.
#[test]
fn other_bytes_than_the_anchored_ones_are_not_opened() {
    let (wanted, good) = sealed_study();
    let chunk = |number: usize| {
        let from = HEADER + number * SEALED_CHUNK;
        &good[from..good.len().min(from + SEALED_CHUNK)]
    };
    let head = &good[..HEADER];
    let mut spoilt: Vec<Vec<u8>> = (0..HEADER + 2)
        .chain((0..good.len()).step_by(4099))
        .chain([HEADER + SEALED_CHUNK, good.len() - 1])
        .map(|cut| good[..cut].to_vec())
        .collect();
    for at in [0, 20, 60, HEADER, HEADER + SEALED_CHUNK, good.len() - 1] {
        let mut flipped = good.clone();
        flipped[at] ^= 1;
        spoilt.push(flipped);
    }
    spoilt.push([head, chunk(1), chunk(0), chunk(2)].concat());
    spoilt.push([head, chunk(0), chunk(2)].concat());
    spoilt.push([&good, chunk(0)].concat());
    spoilt.push(seal(&record().record, &key(), &study()).unwrap());
    for sealed in spoilt {
        let error = refused(&wanted, &sealed);
        assert!(matches!(error, ReadError::Ciphertext { .. }), "{error}");
    }
}

/// The owner anchored just these bytes, so that is on the owner and not on what was sent.
#[test]
fn what_was_sealed_wrongly_is_told_from_what_was_sent_wrongly() {
    let (wanted, good) = sealed_study();
    for spoilt in [
        good[..HEADER + SEALED_CHUNK].to_vec(),
        [&good[..], &[0]].concat(),
        [
            &good[..HEADER + 1],
            &[good[HEADER + 1] ^ 1],
            &good[HEADER + 2..],
        ]
        .concat(),
    ] {
        let wanted = Wanted {
            ciphertext: ciphertext_hash(&spoilt),
            ..wanted.clone()
        };
        let error = refused(&wanted, &spoilt);
        assert!(matches!(error, ReadError::Open(_)), "{error}");
    }
}

#[test]
fn another_document_than_the_anchored_commitment_is_to_is_not_opened() {
    let (wanted_json, json) = wanted(&shared().0);
    let (wanted, sealed) = sealed_study();
    // As a whole, what was committed to field by field, and the other way round, too.
    let whole = Document::opaque_of(sha256(&[b"{}"]));
    let whole = Committed::new(&whole, &key().record_secret()).commitment();
    for (wanted, sealed) in [(&wanted, &sealed), (&wanted_json, &json)] {
        for commitment in [
            whole,
            Commitment::new(medanchor_ledger::TreeHash::new([7; 32])),
        ] {
            let wanted = Wanted {
                commitment,
                ..wanted.clone()
            };
            let error = refused(&wanted, sealed);
            assert!(matches!(error, ReadError::Commitment { .. }), "{error}");
        }
    }
}

struct Failing;

impl Read for Failing {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::other("unplugged"))
    }
}

#[test]
fn a_source_that_breaks_off_is_no_fault_of_the_owner() {
    let (wanted, sealed) = sealed_study();
    for at in [0, HEADER, HEADER + 7, HEADER + SEALED_CHUNK + 1] {
        let mut target = Cursor::new(Vec::new());
        let broken = sealed[..at].chain(Failing);
        let error = gathered().open_into(&wanted, broken, &mut target).err();
        let read = matches!(error, Some(IntoError::Stream(StreamError::Read(_))));
        assert!(read, "{at}: {error:?}");
    }
}
