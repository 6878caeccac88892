//! Witnesses: what a log sends, what a witness answers, and every request that is refused.

use super::support::{Nodes, assert_golden, frozen, key, text, vectors};
use medanchor_ledger::checkpoint::Checkpoint;
use medanchor_ledger::merkle::{consistency_proof, empty_root};
use medanchor_ledger::note::{KeyName, Note, NoteKey, VerifierKey, cosign_note};
use medanchor_ledger::policy::{Distrust, Policy};
use medanchor_ledger::witness::{
    AddCheckpoint, AnswerError, Refusal, advance, conflict_size, cosignatures,
};
use medanchor_ledger::{Size, TreeHash};
use proptest::prelude::*;

/// The size that the witness of these vectors cosigned last.
const LAST: u64 = 5;

fn origin() -> KeyName {
    "north.example/01010101010101010101010101010101"
        .parse()
        .unwrap()
}

fn publisher() -> VerifierKey {
    VerifierKey::new(origin(), NoteKey::Ed25519(key(1, 0, 9).public_key()))
}

fn witness() -> VerifierKey {
    let name = "witness.example/w1".parse().unwrap();
    VerifierKey::new(name, NoteKey::Cosigner(key(9, 0, 2).public_key()))
}

/// A log of which each entry is a number; `salt` makes another one.
fn log(size: u64, salt: &str) -> Nodes {
    let mut nodes = Nodes::default();
    (0..size).for_each(|number| nodes.append(format!("entry {number}{salt}").as_bytes()));
    nodes
}

fn checkpoint(size: u64, salt: &str) -> Checkpoint {
    let root = log(size, salt).frontier.root();
    Checkpoint {
        origin: origin(),
        size: Size(size),
        root,
    }
}

fn signed(checkpoint: &Checkpoint) -> Note {
    let line = checkpoint.sign(&key(1, 0, 9));
    Note::new(&checkpoint.to_string(), vec![line]).unwrap()
}

fn proof(old: u64, new: u64) -> Vec<TreeHash> {
    consistency_proof(&log(new, ""), Size(old), Size(new)).unwrap()
}

fn request(old: u64, new: u64, proof: Vec<TreeHash>) -> AddCheckpoint {
    AddCheckpoint {
        old: Size(old),
        proof,
        checkpoint: signed(&checkpoint(new, "")),
    }
}

fn policy() -> Policy {
    Policy::parse(format!("log {}\nquorum none\n", publisher()).as_bytes()).unwrap()
}

#[test]
fn requests_are_frozen() {
    assert_golden("witness/log.vkey", format!("{}\n", publisher()).as_bytes());
    assert_golden(
        "witness/last.note",
        signed(&checkpoint(LAST, "")).to_string().as_bytes(),
    );
    let unknown = {
        let mut other = request(LAST, 12, proof(LAST, 12));
        let text = other.checkpoint.text().to_owned();
        let name = "elsewhere.example".parse().unwrap();
        let line = cosign_note(&name, &key(7, 0, 2), 1, &text).unwrap();
        let lines = [other.checkpoint.signatures(), &[line]].concat();
        other.checkpoint = Note::new(&text, lines).unwrap();
        other
    };
    for (name, good) in [
        ("growth", request(LAST, 12, proof(LAST, 12))),
        ("growth-by-one", request(LAST, 6, proof(LAST, 6))),
        ("same-size", request(LAST, LAST, Vec::new())),
        ("signature-of-a-stranger-too", unknown),
    ] {
        assert_golden(
            &format!("witness/good-{name}.txt"),
            good.to_string().as_bytes(),
        );
    }
    // Whatever a witness cosigned last, it refuses this one; one that cosigned nothing takes it.
    assert_golden(
        "witness/rejected-409-first.txt",
        request(0, 12, Vec::new()).to_string().as_bytes(),
    );
}

/// Bodies that are no request, by the name of their golden file.
fn malformed() -> Vec<(&'static str, String)> {
    let good = request(LAST, 12, proof(LAST, 12)).to_string();
    let hash = good.lines().nth(1).unwrap().to_owned();
    let with = |old: &str, new: &str| good.replacen(old, new, 1);
    vec![
        ("empty", String::new()),
        ("no-old-line", good.split_once('\n').unwrap().1.to_owned()),
        ("old-without-number", with("old 5", "old ")),
        ("old-leading-zero", with("old 5", "old 05")),
        ("old-with-sign", with("old 5", "old +5")),
        ("old-two-spaces", with("old 5", "old  5")),
        (
            "old-above-64-bits",
            with("old 5", "old 18446744073709551616"),
        ),
        ("old-with-carriage-return", with("old 5\n", "old 5\r\n")),
        ("old-above-new", with("old 5", "old 13")),
        ("hash-not-padded", with(&hash, hash.trim_end_matches('='))),
        ("hash-short", with(&hash, "CsUY")),
        ("hash-with-space", with(&hash, &format!("{hash} "))),
        (
            "hashes-64",
            with(&hash, &vec![hash.as_str(); 64].join("\n")),
        ),
        ("no-empty-line", with("\n\n", "\n")),
        (
            "no-note",
            good.split_once("\n\n").unwrap().0.to_owned() + "\n\n",
        ),
        ("no-last-newline", good.trim_end().to_owned()),
        (
            "no-signature",
            good.rsplit_once("\u{2014}").unwrap().0.to_owned(),
        ),
        ("size-leading-zero", with("\n12\n", "\n012\n")),
        ("extension-line", with("\n12\n", "\n12\n12\n")),
    ]
}

/// Requests in order to which a witness says no, by the name of their golden file.
fn refused() -> Vec<(&'static str, AddCheckpoint)> {
    let good = || request(LAST, 12, proof(LAST, 12));
    let with = |checkpoint: Note| AddCheckpoint {
        checkpoint,
        ..good()
    };
    let text = checkpoint(12, "").to_string();
    let stranger = checkpoint(12, "").sign(&key(8, 0, 9));
    let other_origin = Checkpoint {
        origin: "other.example/01010101010101010101010101010101"
            .parse()
            .unwrap(),
        ..checkpoint(12, "")
    };
    let good_line = signed(&checkpoint(12, "")).signatures()[0].clone();
    let false_line = signed(&checkpoint(11, "")).signatures()[0].clone();
    let note = |text: &str, lines| Note::new(text, lines).unwrap();
    let mut wrong = proof(LAST, 12);
    wrong[1] = wrong[0];
    let longer = [proof(LAST, 12), proof(LAST, 12)].concat();
    let shorter = proof(LAST, 12)[1..].to_vec();
    vec![
        ("404-other-origin", with(signed(&other_origin))),
        (
            "403-signature-of-a-stranger",
            with(note(&text, vec![stranger])),
        ),
        (
            "403-signature-of-another-checkpoint",
            with(note(&text, vec![false_line.clone()])),
        ),
        (
            "403-one-good-one-bad",
            with(note(&text, vec![good_line, false_line])),
        ),
        ("409-old-is-another-size", request(4, 12, proof(4, 12))),
        ("409-older-checkpoint", request(3, 4, proof(3, 4))),
        (
            "422-fork-of-the-same-size",
            AddCheckpoint {
                checkpoint: signed(&checkpoint(LAST, " forged")),
                ..request(LAST, LAST, Vec::new())
            },
        ),
        (
            "422-fork-that-grew",
            AddCheckpoint {
                checkpoint: signed(&checkpoint(12, " forged")),
                ..good()
            },
        ),
        (
            "422-proof-changed",
            AddCheckpoint {
                proof: wrong,
                ..good()
            },
        ),
        (
            "422-proof-empty",
            AddCheckpoint {
                proof: Vec::new(),
                ..good()
            },
        ),
        (
            "422-proof-long",
            AddCheckpoint {
                proof: longer,
                ..good()
            },
        ),
        (
            "422-proof-short",
            AddCheckpoint {
                proof: shorter,
                ..good()
            },
        ),
        (
            "422-proof-at-the-same-size",
            request(LAST, LAST, proof(LAST, 12)),
        ),
    ]
}

#[test]
fn rejected_requests_are_frozen() {
    for (name, body) in malformed() {
        assert_golden(&format!("witness/rejected-400-{name}.txt"), body.as_bytes());
    }
    for (name, request) in refused() {
        assert_golden(
            &format!("witness/rejected-{name}.txt"),
            request.to_string().as_bytes(),
        );
    }
}

/// The status with which a witness answers that cosigned `last.note` and trusts `log.vkey`.
fn status(body: &[u8]) -> u16 {
    let Ok(request) = AddCheckpoint::parse(body) else {
        return 400;
    };
    let Ok(next) = request.checkpoint.text().parse::<Checkpoint>() else {
        return 400;
    };
    if next.origin != origin() {
        return 404;
    }
    match policy().verify_checkpoint(&request.checkpoint) {
        Err(Distrust::Signature { .. } | Distrust::NoLog { .. }) => return 403,
        other => drop(other.unwrap()),
    }
    let last = checkpoint(LAST, "");
    match advance(Some(&last), request.old, &request.proof, &next) {
        Ok(()) => 200,
        Err(Refusal::OldAboveNew { .. }) => 400,
        Err(Refusal::Conflict { size }) => {
            assert_eq!(size, Size(LAST));
            409
        }
        Err(_) => 422,
    }
}

#[test]
fn golden_requests_are_answered_as_their_names_say() {
    let last = frozen("witness/last.note");
    assert_eq!(Note::parse(&last).unwrap(), signed(&checkpoint(LAST, "")));
    let good = vectors("witness", "good");
    assert!(good.len() >= 4, "{}", good.len());
    for (name, body) in good {
        assert_eq!(status(&body), 200, "{name}");
        assert_eq!(
            AddCheckpoint::parse(&body).unwrap().to_string(),
            text(&body),
            "{name}"
        );
    }
    let rejected = vectors("witness", "rejected");
    assert!(rejected.len() >= 30, "{}", rejected.len());
    for (name, body) in rejected {
        let wanted = name.split('-').nth(1).unwrap();
        assert_eq!(status(&body).to_string(), wanted, "{name}");
    }
}

#[test]
fn a_first_checkpoint_needs_no_proof_and_may_have_none() {
    let next = checkpoint(12, "");
    assert_eq!(advance(None, Size(0), &[], &next), Ok(()));
    assert_eq!(
        advance(None, Size(0), &proof(LAST, 12), &next),
        Err(Refusal::NeedlessProof)
    );
    let size = Size(0);
    assert_eq!(
        advance(None, Size(3), &proof(3, 12), &next),
        Err(Refusal::Conflict { size })
    );
}

#[test]
fn an_empty_log_has_the_root_of_the_empty_tree() {
    let empty = Checkpoint {
        root: empty_root(),
        ..checkpoint(0, "")
    };
    let other = Checkpoint {
        root: checkpoint(1, "").root,
        ..empty.clone()
    };
    assert_eq!(advance(None, Size(0), &[], &empty), Ok(()));
    assert_eq!(advance(None, Size(0), &[], &other), Err(Refusal::EmptyRoot));
    assert_eq!(advance(Some(&empty), Size(0), &[], &empty), Ok(()));
    assert_eq!(
        advance(Some(&empty), Size(0), &[], &checkpoint(3, "")),
        Ok(())
    );
}

#[test]
fn a_request_that_is_too_long_is_not_looked_at() {
    let long = vec![b'a'; AddCheckpoint::MAX_BYTES + 1];
    assert!(AddCheckpoint::parse(&long).is_err());
}

#[test]
fn of_an_answer_only_what_the_witness_signed_counts() {
    let text = checkpoint(12, "").to_string();
    let line = |name: &str, seed: u8, time: u64, text: &str| {
        cosign_note(&name.parse().unwrap(), &key(seed, 0, 2), time, text)
            .unwrap()
            .to_string()
    };
    let own = line("witness.example/w1", 9, 1_800_000_000, &text);
    let stranger = line("witness.example/w2", 8, 1_800_000_000, &text);
    let keys = [witness()];
    let judge = |answer: &str| cosignatures(answer.as_bytes(), &text, &keys);
    let held = judge(&format!("{stranger}{own}{own}")).unwrap();
    assert_eq!(held.len(), 1);
    assert_eq!(held[0].to_string(), own);
    assert_eq!(judge(&stranger), Err(AnswerError::NoCosignature));
    let other = line("witness.example/w1", 9, 1_800_000_000, "other text\n");
    assert_eq!(judge(&other), Err(AnswerError::Broken));
    assert_eq!(judge(&format!("{own}{other}")), Err(AnswerError::Broken));
    let untimed = line("witness.example/w1", 9, 0, &text);
    assert_eq!(judge(&untimed), Err(AnswerError::Broken));
    for answer in [
        "",
        "\n",
        "OK\n",
        own.trim_end(),
        &format!("\n{own}"),
        &format!("{own}\n"),
    ] {
        assert_eq!(judge(answer), Err(AnswerError::Malformed), "{answer:?}");
    }
    let long = stranger.repeat(200);
    assert_eq!(judge(&long), Err(AnswerError::Malformed));
}

#[test]
fn a_size_is_a_number_on_a_line() {
    assert_eq!(conflict_size(b"0\n"), Ok(Size(0)));
    assert_eq!(conflict_size(b"20852163\n"), Ok(Size(20_852_163)));
    for answer in [
        &b""[..],
        b"1",
        b"01\n",
        b"-1\n",
        b"1\n\n",
        b"1 \n",
        b"\xff\n",
        b"18446744073709551616\n",
    ] {
        assert_eq!(conflict_size(answer), Err(AnswerError::Malformed));
    }
}

proptest! {
    #[test]
    fn whatever_it_is_offered_a_witness_follows_one_log(
        offers in prop::collection::vec((0u64..12, 1u64..12, any::<bool>()), 1..20),
    ) {
        let mut last: Option<Checkpoint> = None;
        let mut cosigned: Vec<Checkpoint> = Vec::new();
        for (old, new, forged) in offers {
            let salt = if forged { " forged" } else { "" };
            let next = checkpoint(new, salt);
            let proof = consistency_proof(&log(new, salt), Size(old), Size(new)).unwrap_or_default();
            if advance(last.as_ref(), Size(old), &proof, &next).is_ok() {
                cosigned.push(next.clone());
                last = Some(next);
            }
        }
        prop_assert!(cosigned.is_sorted_by(|a, b| a.size <= b.size));
        // The first one says which of the two logs it was.
        if let Some(first) = cosigned.first() {
            let salt = if *first == checkpoint(first.size.0, "") { "" } else { " forged" };
            for one in &cosigned {
                prop_assert_eq!(one, &checkpoint(one.size.0, salt));
            }
        }
    }

    #[test]
    fn an_accepted_request_has_one_text(body in "old [0-9]{1,3}\n([A-Za-z0-9+/]{43}=\n){0,3}\nText\\.\n\n\u{2014} a [A-Za-z0-9+/]{12}\n") {
        if let Ok(request) = AddCheckpoint::parse(body.as_bytes()) {
            prop_assert_eq!(request.to_string(), body);
        }
    }
}
