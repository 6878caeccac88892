//! Sealing to both suites: nothing opens under another context or key, or with one bit changed.

use super::super::seal::Opened;
use super::*;
use medanchor_ledger::cbor::{Reader, Writer};

fn bytes(sealed: &Sealed) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.map(3);
    sealed.write(1, &mut writer);
    writer.into_bytes()
}

fn read(bytes: &[u8]) -> Option<Sealed> {
    let mut reader = Reader::new(bytes);
    reader.map(3).ok()?;
    let sealed = Sealed::read(1, 32, &mut reader).ok()?;
    reader.finish().ok()?;
    Some(sealed)
}

#[test]
fn what_was_sealed_opens_and_seals_to_the_same_bytes_again() {
    for suite in [KemSuite::X25519, KemSuite::XWing] {
        let key = reader_key(suite);
        let sealed = key.public().seal(b"context", &[8; 32], &[9; 32]).unwrap();
        let opened: Opened<32> = key.open(b"context", &sealed).unwrap();
        assert_eq!(*opened.contents, [8; 32]);
        let again = key
            .public()
            .seal(b"context", opened.contents.as_slice(), &opened.seed);
        assert_eq!(again.as_ref(), Ok(&sealed));
        assert_eq!(read(&bytes(&sealed)).as_ref(), Some(&sealed));
        let other = key.public().seal(b"context", &[8; 32], &[10; 32]).unwrap();
        assert_ne!(other, sealed);
        let secret = OpeningKey::decode(suite, &key.expose()).unwrap();
        assert_eq!(secret.public(), key.public());
        assert_eq!(
            SealingKey::decode(suite, key.public().as_bytes()).as_ref(),
            Ok(key.public())
        );
    }
}

#[test]
fn another_context_key_suite_or_length_opens_nothing() {
    for suite in [KemSuite::X25519, KemSuite::XWing] {
        let key = reader_key(suite);
        let sealed = key.public().seal(b"context", &[8; 32], &[9; 32]).unwrap();
        let closed = |key: &OpeningKey, context: &[u8]| {
            key.open::<32>(context, &sealed).err() == Some(KeyError::Closed)
        };
        assert!(closed(&key, b"contexT") && closed(&key, b""));
        assert!(closed(
            &OpeningKey::decode(suite, &[0x78; 32]).unwrap(),
            b"context"
        ));
        for other in [KemSuite::X25519, KemSuite::XWing] {
            assert_eq!(closed(&reader_key(other), b"context"), other != suite);
        }
        assert!(key.open::<64>(b"context", &sealed).is_err());
        assert!(key.open::<31>(b"context", &sealed).is_err());
    }
}

#[test]
fn no_flipped_bit_opens() {
    for suite in [KemSuite::X25519, KemSuite::XWing] {
        let key = reader_key(suite);
        let sealed = bytes(&key.public().seal(b"context", &[8; 32], &[9; 32]).unwrap());
        for bit in 0..sealed.len() * 8 {
            let mut bad = sealed.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            let opened = read(&bad).and_then(|bad| key.open::<32>(b"context", &bad).ok());
            // X25519 does not look at the highest bit of a public key; HPKE binds its bytes anyway.
            assert!(opened.is_none(), "{suite:?} bit {bit}");
        }
    }
}

#[test]
fn a_public_key_that_is_none_is_refused_or_sealed_to_by_nobody() {
    assert_eq!(
        SealingKey::decode(KemSuite::X25519, &[1; 31]),
        Err(KeyError::Public)
    );
    assert_eq!(
        SealingKey::decode(KemSuite::XWing, &[1; 1215]),
        Err(KeyError::Public)
    );
    // ML-KEM asks that every coefficient be below the modulus.
    assert_eq!(
        SealingKey::decode(KemSuite::XWing, &[0xff; 1216]),
        Err(KeyError::Public)
    );
    // A point of small order gives everybody the same secret.
    let small = SealingKey::decode(KemSuite::X25519, &[0; 32]);
    let sealed = small.and_then(|key| key.seal(b"context", &[8; 32], &[9; 32]).map(drop));
    assert_eq!(sealed, Err(KeyError::Public));
}

/// The bytes of both suites, so that no release of `hpke` changes an answer unseen.
#[test]
fn sealed_bytes_are_frozen() {
    for (suite, expected) in [
        (
            KemSuite::X25519,
            "02880eedff4d9ff0d5ab820716b8f3363ad1593347fd6732fb97344ddaa1d8c4",
        ),
        (
            KemSuite::XWing,
            "f385ec30f26f6c013ff82906d0f272f70e2b57ec99f829fe14ecdbf5f8af4fed",
        ),
    ] {
        let key = reader_key(suite);
        let sealed = key.public().seal(b"context", &[8; 32], &[9; 32]).unwrap();
        let digest = medanchor_ledger::sha256(&[&bytes(&sealed)]);
        assert_eq!(hex::encode(digest), expected);
    }
}
