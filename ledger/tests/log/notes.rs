//! Signed notes: the published example, golden files, and every way in which a note is refused.

use super::support::{assert_golden, shared_data, text, vectors};
use medanchor_ledger::note::{
    Held, KeyName, Note, NoteError, NoteKey, VerifierKey, cosign_note, sign_note,
};
use medanchor_ledger::signature::{KeyError, SigningKey};
use proptest::prelude::*;
use std::fs;

fn signer() -> (KeyName, SigningKey, VerifierKey) {
    let (name, key) = (
        "north.example/log".parse::<KeyName>().unwrap(),
        SigningKey::from_seed(&[5; 32]),
    );
    let verifier = VerifierKey::new(name.clone(), NoteKey::Ed25519(key.public_key()));
    (name, key, verifier)
}

fn signed(body: &str) -> Note {
    let (name, key, _) = signer();
    Note::new(body, vec![sign_note(&name, &key, body)]).unwrap()
}

#[test]
fn the_published_example_verifies_under_its_published_key() {
    let Some(folder) = shared_data("tlog") else {
        return;
    };
    let [note, vkey] = ["txt", "vkey"].map(|end| folder.join(format!("signed-note-example.{end}")));
    let (bytes, vkey) = (fs::read(note).unwrap(), fs::read_to_string(vkey).unwrap());
    let key: VerifierKey = vkey.trim_end().parse().unwrap();
    assert_eq!(key.to_string(), vkey.trim_end());
    let note = Note::parse(&bytes).unwrap();
    assert_eq!(note.text(), "This is an example message.\n");
    assert_eq!(note.signed_by(&key), Ok(Some(Held::Plain)));
    assert_eq!(note.to_string().as_bytes(), bytes);
    let changed = text(&bytes).replace("example message", "exemplar message");
    assert!(
        Note::parse(changed.as_bytes())
            .unwrap()
            .signed_by(&key)
            .is_err()
    );
}

#[test]
fn notes_and_verifier_keys_are_frozen() {
    let (_, _, verifier) = signer();
    assert_golden(
        "note/good-one-signature.txt",
        signed("Text.\n\nMore text.\n").to_string().as_bytes(),
    );
    assert_golden("note/good-log.vkey", format!("{verifier}\n").as_bytes());
    let cosigner = NoteKey::Cosigner(SigningKey::from_seed(&[6; 32]).public_key());
    let cosigner = VerifierKey::new("north.example/log/clinic".parse().unwrap(), cosigner);
    assert_golden(
        "note/good-cosigner.vkey",
        format!("{cosigner}\n").as_bytes(),
    );
}

#[test]
fn golden_notes_are_read_as_their_names_say() {
    let (_, _, verifier) = signer();
    for (name, bytes) in vectors("note", "good") {
        if name.ends_with(".vkey") {
            let line = text(&bytes).trim_end();
            assert_eq!(
                line.parse::<VerifierKey>().unwrap().to_string(),
                line,
                "{name}"
            );
        } else {
            let note = Note::parse(&bytes).unwrap();
            assert_eq!(note.to_string().as_bytes(), bytes, "{name}");
            assert_eq!(note.signed_by(&verifier), Ok(Some(Held::Plain)), "{name}");
        }
    }
    let rejected = vectors("note", "rejected");
    assert!(rejected.len() >= 20, "{}", rejected.len());
    for (name, bytes) in rejected {
        if name.ends_with(".vkey") {
            assert!(
                text(&bytes)
                    .trim_end_matches('\n')
                    .parse::<VerifierKey>()
                    .is_err(),
                "{name}"
            );
        } else {
            let judged = Note::parse(&bytes).map(|note| note.signed_by(&verifier));
            assert!(!matches!(judged, Ok(Ok(Some(_)))), "{name} was accepted");
        }
    }
}

/// Bytes that are refused, by the name of their golden file.
fn rejected_notes() -> Vec<(&'static str, Vec<u8>, NoteError)> {
    let good = signed("Text.\n").to_string();
    let line = good.lines().last().unwrap().to_owned();
    let with = |old: &str, new: &str| good.replacen(old, new, 1).into_bytes();
    let base64 = line.rsplit(' ').next().unwrap();
    let url = format!("{}_{}", &base64[..9], &base64[10..]);
    let many = format!("Text.\n\n{}", format!("{line}\n").repeat(257)).into_bytes();
    vec![
        ("empty", Vec::new(), NoteError::Shape),
        ("no-signature", b"Text.\n\n".to_vec(), NoteError::Shape),
        ("no-blank-line", with("\n\n", "\n"), NoteError::Shape),
        (
            "no-last-newline",
            good.trim_end().as_bytes().to_vec(),
            NoteError::Shape,
        ),
        (
            "trailing-blank-line",
            format!("{good}\n").into_bytes(),
            NoteError::Shape,
        ),
        (
            "trailing-text",
            format!("{good}more\n").into_bytes(),
            NoteError::SignatureLine,
        ),
        (
            "not-utf8",
            [&b"\xff"[..], good.as_bytes()].concat(),
            NoteError::Text,
        ),
        (
            "carriage-return",
            with("Text.\n", "Text.\r\n"),
            NoteError::Text,
        ),
        ("null-character", with("Text", "Te\0xt"), NoteError::Text),
        (
            "hyphen-for-dash",
            with("\u{2014}", "-"),
            NoteError::SignatureLine,
        ),
        (
            "two-spaces",
            with("log ", "log  "),
            NoteError::SignatureLine,
        ),
        (
            "name-empty",
            with("north.example/log", ""),
            NoteError::KeyName,
        ),
        (
            "name-with-plus",
            with("example/log", "example+log"),
            NoteError::KeyName,
        ),
        (
            "name-with-unicode-space",
            with("example/log", "example\u{2003}log"),
            NoteError::KeyName,
        ),
        (
            "base64-not-padded",
            with("=\n", "\n"),
            NoteError::SignatureLine,
        ),
        (
            "base64-url-alphabet",
            with(base64, &url),
            NoteError::SignatureLine,
        ),
        (
            "signature-only-key-id",
            "Text.\n\n\u{2014} a AAAAAA==\n".into(),
            NoteError::SignatureLine,
        ),
        ("signatures-257", many, NoteError::Signatures),
    ]
}

#[test]
fn malformed_notes_are_refused_by_name() {
    for (name, bytes, error) in rejected_notes() {
        assert_eq!(Note::parse(&bytes), Err(error), "{name}");
        assert_golden(&format!("note/rejected-{name}.txt"), &bytes);
    }
    let long = [b"a".repeat(Note::MAX_BYTES), b"\n".to_vec()].concat();
    assert_eq!(Note::parse(&long), Err(NoteError::Size));
}

#[test]
fn malformed_verifier_keys_are_refused_by_name() {
    let (_, _, verifier) = signer();
    let good = verifier.to_string();
    let part: Vec<_> = good.split('+').collect();
    let id = part[1];
    let flipped = if id.starts_with('0') {
        id.replacen('0', "1", 1)
    } else {
        format!("0{}", &id[1..])
    };
    let small_order = "a+00000000+AQEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    for (name, line, error) in [
        (
            "no-key",
            format!("{}+{id}", part[0]),
            NoteError::VerifierKey,
        ),
        ("name-empty", good.replace(part[0], ""), NoteError::KeyName),
        (
            "id-of-another-key",
            good.replace(id, &flipped),
            NoteError::KeyId,
        ),
        (
            "id-upper-case",
            good.replace(id, "ABCDEF01"),
            NoteError::VerifierKey,
        ),
        (
            "id-short",
            good.replace(id, "abcdef"),
            NoteError::VerifierKey,
        ),
        (
            "type-2-ecdsa",
            "a+00000000+Ag==".to_owned(),
            NoteError::SignatureType(2),
        ),
        (
            "key-short",
            "a+00000000+AQE=".to_owned(),
            KeyError::Length { found: 1 }.into(),
        ),
        (
            "key-of-small-order",
            small_order.to_owned(),
            KeyError::SmallOrder.into(),
        ),
        ("trailing-space", format!("{good} "), NoteError::VerifierKey),
    ] {
        assert_eq!(line.parse::<VerifierKey>(), Err(error), "{name}: {line}");
        assert_golden(
            &format!("note/rejected-vkey-{name}.vkey"),
            format!("{line}\n").as_bytes(),
        );
    }
}

#[test]
fn a_signature_that_claims_a_known_key_and_does_not_hold_condemns_the_note() {
    let (name, key, verifier) = signer();
    let (good, bad) = (
        sign_note(&name, &key, "Text.\n"),
        sign_note(&name, &key, "Other.\n"),
    );
    for order in [vec![good.clone(), bad.clone()], vec![bad, good]] {
        let note = Note::new("Text.\n", order).unwrap();
        assert!(note.signed_by(&verifier).is_err());
    }
}

#[test]
fn a_signature_by_an_unknown_key_of_the_same_name_is_ignored() {
    let (name, key, verifier) = signer();
    let stranger = sign_note(&name, &SigningKey::from_seed(&[6; 32]), "Text.\n");
    let note = Note::new("Text.\n", vec![stranger.clone()]).unwrap();
    assert_eq!(note.signed_by(&verifier), Ok(None));
    let note = Note::new("Text.\n", vec![stranger, sign_note(&name, &key, "Text.\n")]).unwrap();
    assert_eq!(note.signed_by(&verifier), Ok(Some(Held::Plain)));
}

#[test]
fn a_cosignature_does_not_pass_as_a_plain_signature_nor_the_other_way_round() {
    let (name, key, plain) = signer();
    let cosigner = VerifierKey::new(name.clone(), NoteKey::Cosigner(key.public_key()));
    let cosigned = cosign_note(&name, &key, 1_800_000_000, "Text.\n").unwrap();
    let note = Note::new("Text.\n", vec![cosigned]).unwrap();
    assert_eq!(note.signed_by(&cosigner), Ok(Some(Held::At(1_800_000_000))));
    assert_eq!(note.signed_by(&plain), Ok(None));
    assert_eq!(signed("Text.\n").signed_by(&cosigner), Ok(None));
}

#[test]
fn a_cosignature_covers_its_time() {
    let (name, key, _) = signer();
    let cosigner = VerifierKey::new(name.clone(), NoteKey::Cosigner(key.public_key()));
    let mut bytes = cosign_note(&name, &key, 7, "Text.\n")
        .unwrap()
        .bytes()
        .to_vec();
    bytes[7] = 8;
    let moved = medanchor_ledger::note::NoteSignature::new(&cosigner, &bytes);
    assert!(
        Note::new("Text.\n", vec![moved])
            .unwrap()
            .signed_by(&cosigner)
            .is_err()
    );
    assert!(cosign_note(&name, &key, 1 << 63, "Text.\n").is_none());
}

#[test]
fn a_note_cannot_be_made_that_would_not_be_read() {
    let (name, key, _) = signer();
    for body in ["no newline", "", "tab\t\n"] {
        assert!(
            Note::new(body, vec![sign_note(&name, &key, body)]).is_err(),
            "{body:?}"
        );
    }
    assert_eq!(Note::new("Text.\n", vec![]), Err(NoteError::Shape));
}

proptest! {
    #[test]
    fn an_accepted_note_is_the_only_one(noise in "[a—\n ]{0,12}", at: prop::sample::Index) {
        let good = signed("Text.\n").to_string();
        let at = at.index(good.len());
        if good.is_char_boundary(at) {
            let changed = format!("{}{noise}{}", &good[..at], &good[at..]);
            if let Ok(note) = Note::parse(changed.as_bytes()) {
                prop_assert_eq!(note.to_string(), changed);
            }
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
        let _ = Note::parse(&bytes);
        let _ = String::from_utf8_lossy(&bytes).parse::<VerifierKey>();
    }
}
