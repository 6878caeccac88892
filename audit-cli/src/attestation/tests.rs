//! Golden bytes, every rejected file, and whom a signature counts for.

use super::*;
use crate::key_file::NamedKey;
use medanchor_ledger::signature::SigningKey;
use std::path::{Path, PathBuf};

const QUORUM: &[u8] = include_bytes!("../../../vectors/checkpoint/good-quorum.note");
const ALL: &[u8] = include_bytes!("../../../vectors/checkpoint/good-all-signatures.note");

fn vectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors/attestation")
}

/// Asserts that `made` is what the golden file holds; see `ledger/tests/log/support.rs`.
fn assert_golden(name: &str, made: &[u8]) {
    let file = vectors().join(name);
    if !file.exists() && std::env::var_os("MEDANCHOR_WRITE_VECTORS").is_some() {
        std::fs::create_dir_all(vectors()).unwrap();
        std::fs::write(&file, made).unwrap();
    }
    assert!(std::fs::read(&file).unwrap() == made, "{name} is frozen");
}

fn observer(number: u8) -> ObserverKey {
    ObserverKey::new(NamedKey {
        name: format!("watch.example/{number}").parse().unwrap(),
        key: SigningKey::from_seed(&[number; 32]),
    })
}

fn statement(kind: Kind, served: Option<&[u8]>, known: Option<&[u8]>) -> Statement {
    let says = "one line of what was seen";
    Statement {
        network: "north.example/01010101010101010101010101010101"
            .parse()
            .unwrap(),
        seen: Seen::new(kind, 1_763_800_000, "https://north.example", says),
        served: served.map(<[u8]>::to_vec),
        known: known.map(|bytes| Note::parse(bytes).unwrap()),
    }
}

fn stall() -> Attestation {
    statement(Kind::Stall, Some(QUORUM), None)
        .sign(&observer(1))
        .unwrap()
}

#[test]
fn attestations_are_frozen_and_read_back() {
    assert_golden(
        "observer.vkey",
        observer(1).verifier().to_string().as_bytes(),
    );
    for (name, said) in [
        ("unreachable", statement(Kind::Unreachable, None, None)),
        ("empty-answer", statement(Kind::Broken, Some(b""), None)),
        (
            "nonsense",
            statement(Kind::Broken, Some(b"what?\n\n\0\xff\n"), None),
        ),
        ("stall", statement(Kind::Stall, Some(QUORUM), None)),
        (
            "rollback",
            statement(Kind::Rollback, Some(QUORUM), Some(ALL)),
        ),
    ] {
        let made = said.clone().sign(&observer(1)).unwrap();
        assert_golden(&format!("good-{name}.attestation"), &made.encode());
        let read = Attestation::parse(&made.encode()).unwrap();
        assert_eq!((&read.statement, &read), (&said, &made), "{name}");
        let known = [observer(2), observer(1)].map(|key| key.verifier().clone());
        assert_eq!(read.signed_by(&known), Ok(Some(&known[1])), "{name}");
        assert_eq!(read.signed_by(&known[..1]), Ok(None), "{name}");
    }
}

#[test]
fn what_stands_before_the_second_blank_line_is_a_signed_note() {
    let file = stall().encode();
    let (head, _) = cut(&file).unwrap();
    let note = Note::parse(head).unwrap();
    assert!(note.signed_by(observer(1).verifier()).unwrap().is_some());
}

#[test]
fn no_changed_byte_is_still_signed() {
    let file = statement(Kind::Rollback, Some(QUORUM), Some(ALL));
    let file = file.sign(&observer(1)).unwrap().encode();
    let keys = [observer(1).verifier().clone()];
    for at in 0..file.len() {
        let mut changed = file.clone();
        changed[at] ^= 1 << (at % 8);
        let read = Attestation::parse(&changed).ok();
        let by = read.as_ref().map(|read| read.signed_by(&keys));
        assert!(!matches!(by, Some(Ok(Some(_)))), "byte {at}");
    }
}

/// `good-stall`, or another text in its place, changed as the name says.
#[test]
fn malformed_attestations_are_refused() {
    let good = String::from_utf8(stall().encode()).unwrap();
    let with = |old: &str, new: &str| {
        assert!(good.contains(old), "{old}");
        good.replacen(old, new, 1)
    };
    let nothing = statement(Kind::Unreachable, None, None).sign(&observer(1));
    let nothing = String::from_utf8(nothing.unwrap().encode()).unwrap();
    let (text, signature) = nothing.trim_end().split_once("\n\n").unwrap();
    let served = summary(QUORUM);
    let (length, hash) = served.split_once(' ').unwrap();
    let line = || AttestationError::Line;
    for (name, file, error) in [
        ("empty", String::new(), AttestationError::Header),
        (
            "other-version",
            with("@v1", "@v2"),
            AttestationError::Header,
        ),
        (
            "no-signature",
            format!("{text}\n\n"),
            AttestationError::Shape,
        ),
        (
            "two-signatures",
            format!("{text}\n\n{signature}\n{signature}\n\n"),
            AttestationError::Shape,
        ),
        (
            "no-last-newline",
            nothing.trim_end().to_owned(),
            AttestationError::Shape,
        ),
        (
            "signature-short",
            with(
                "\n\u{2014} watch.example/1 ",
                "\n\u{2014} watch.example/1 A",
            ),
            AttestationError::Note(NoteError::SignatureLine),
        ),
        ("no-network", with("network north", "net north"), line()),
        (
            "network-with-space",
            with("network north.example/", "network north example/"),
            AttestationError::Note(NoteError::KeyName),
        ),
        ("unknown-kind", with("kind stall", "kind theft"), line()),
        (
            "seconds-with-sign",
            with("seconds 1", "seconds +1"),
            AttestationError::Form,
        ),
        (
            "seconds-leading-zero",
            with("seconds 1", "seconds 01"),
            AttestationError::Form,
        ),
        (
            "says-empty",
            with("says one line of what was seen", "says "),
            line(),
        ),
        (
            "says-with-tab",
            with("says one", "says\tone"),
            AttestationError::Note(NoteError::Text),
        ),
        ("lines-swapped", with("of https", "says https"), line()),
        (
            "text-too-long",
            with("says ", &format!("says {}", "x".repeat(2048))),
            line(),
        ),
        ("no-served", with(&format!("served {served}\n"), ""), line()),
        (
            "served-twice",
            with("\n\n\u{2014}", &format!("\nserved {served}\n\n\u{2014}")),
            line(),
        ),
        ("served-without-length", with(&served, hash), line()),
        (
            "served-length-with-sign",
            with(&served, &format!("+{served}")),
            AttestationError::Served,
        ),
        (
            "served-length-leading-zero",
            with(&served, &format!("0{served}")),
            AttestationError::Served,
        ),
        (
            "served-length-of-none",
            with(&format!("served {length} "), "served 18446744073709551615 "),
            AttestationError::Served,
        ),
        (
            "served-hash-in-capitals",
            with(hash, &hash.to_uppercase()),
            AttestationError::Served,
        ),
        (
            "served-another-byte",
            with("\n20852163\n", "\n20852164\n"),
            AttestationError::Served,
        ),
        (
            "served-cut-off",
            good.trim_end().to_owned(),
            AttestationError::Served,
        ),
        (
            "trailing-byte",
            format!("{good}\n"),
            AttestationError::Served,
        ),
        (
            "nothing-served-and-bytes",
            format!("{nothing}more\n"),
            AttestationError::Served,
        ),
        (
            "known-is-not-there",
            with("\n\n\u{2014}", &format!("\nknown {served}\n\n\u{2014}")),
            AttestationError::Served,
        ),
        (
            "known-is-no-note",
            with(
                "\n\n\u{2014}",
                &format!("\nknown {}\n\n\u{2014}", summary(b"what?\n")),
            ) + "what?\n",
            AttestationError::Note(NoteError::Shape),
        ),
        (
            "line-after",
            with("\n\n\u{2014}", "\nmore\n\n\u{2014}"),
            line(),
        ),
    ] {
        assert_eq!(Attestation::parse(file.as_bytes()), Err(error), "{name}");
        assert_golden(&format!("rejected-{name}.attestation"), file.as_bytes());
    }
    let long = vec![b'x'; Attestation::MAX_BYTES + 1];
    assert_eq!(Attestation::parse(&long), Err(AttestationError::Size));
}
