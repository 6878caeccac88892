//! `inclusion`, `consistency` and `evidence`: proofs made from the files of a log, and checked.

mod support;

use medanchor_ledger::block::MAX_ENTRY_BYTES;
use medanchor_ledger::event::{Event, EventBody, LotOpen};
use medanchor_ledger::{Commitment, LotHandle, TreeHash};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use support::server::serve;
use support::{Built, ends};
use tempfile::TempDir;

fn published(built: &Built) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    built.publish(folder.path());
    folder
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path that is text")
}

fn json(said: &str) -> Value {
    serde_json::from_str(said).unwrap_or_else(|_| panic!("no JSON: {said}"))
}

/// The policy of a log as a file.
fn policy(built: &Built, folder: &Path) -> PathBuf {
    let path = folder.join("policy");
    fs::write(&path, built.genesis.policy().as_bytes()).expect("a file");
    path
}

#[test]
fn an_entry_is_proved_by_its_index_and_the_receipt_holds_for_whoever_has_the_policy() {
    let built = Built::busy(40);
    let source = published(&built);
    let out = tempfile::tempdir().expect("a folder");
    let policy = policy(&built, out.path());
    for target in [text(source.path()).to_owned(), serve(source.path())] {
        for index in [0, 1, 9, 255, 256, built.size() - 1] {
            let number = index.to_string();
            let args = [
                "inclusion",
                &target,
                "--index",
                &number,
                "--out",
                text(out.path()),
                "--json",
            ];
            let (code, said) = ends(&args);
            assert_eq!(code, 0, "{said}");
            assert_eq!(json(&said)["index"], index);
            let entry = built
                .entries()
                .nth(usize::try_from(index).expect("a place"))
                .expect("an entry");
            let name = match Event::decode(entry) {
                Ok(event) => event.id().to_string(),
                Err(_) => format!("entry-{index}"),
            };
            let file = |end: &str| out.path().join(format!("{name}.{end}"));
            assert!(fs::read(file("event")).expect("a file") == *entry);
            assert!(
                fs::read_to_string(file("tlog-proof")).expect("a file") == built.receipt(index)
            );
            let (receipt, event) = (file("tlog-proof"), file("event"));
            let (code, said) = ends(&[
                "receipt",
                text(&receipt),
                "--event",
                text(&event),
                "--policy",
                text(&policy),
            ]);
            assert_eq!(code, 0, "{said}");
        }
    }
}

#[test]
fn an_event_is_found_by_its_id() {
    let built = Built::busy(40);
    let source = published(&built);
    let wanted = 270;
    let event = (wanted..).find_map(|at| Some((at, Event::decode(built.entries().nth(at)?).ok()?)));
    let (index, event) = event.expect("an event");
    let id = event.id().to_string();
    let (code, said) = ends(&["inclusion", text(source.path()), "--event", &id, "--json"]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(
        (&json(&said)["index"], &json(&said)["event"]["id"]),
        (&index.into(), &id.into())
    );
}

#[test]
fn no_event_is_said_to_be_missing_behind_an_entry_that_no_block_can_hold() {
    let mut built = Built::busy(6);
    let last = built
        .entries()
        .filter_map(|entry| Event::decode(entry).ok());
    let id = last.last().expect("an event").id().to_string();
    // What begins with this byte passes for an event, until it is decoded.
    let long = [vec![0xd2], vec![0; MAX_ENTRY_BYTES]].concat();
    built.blocks[3].insert(0, long);
    let source = published(&built);
    let (code, said) = ends(&["inclusion", text(source.path()), "--event", &id, "--json"]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("than a block may have"), "{said}");
}

#[test]
fn what_is_not_in_the_log_is_not_proved() {
    let built = Built::busy(40);
    let source = published(&built);
    let target = text(source.path());
    let none = "00".repeat(32);
    assert_eq!(ends(&["inclusion", target, "--event", &none]).0, 1);
    assert_eq!(
        ends(&["inclusion", target, "--index", &built.size().to_string()]).0,
        1
    );
    assert_eq!(
        ends(&["inclusion", target, "--index", "18446744073709551615"]).0,
        1
    );
    assert_eq!(ends(&["inclusion", target]).0, 2, "neither");
    assert_eq!(
        ends(&["inclusion", target, "--index", "1", "--event", &none]).0,
        2,
        "both"
    );
    let tile = source.path().join("tile/0/000");
    let mut bytes = fs::read(&tile).expect("a tile");
    bytes[0] ^= 1;
    fs::write(&tile, bytes).expect("a tile");
    assert_eq!(
        ends(&["inclusion", target, "--index", "1"]).0,
        1,
        "a tile that was changed"
    );
}

/// A note as a file.
fn kept(folder: &Path, name: &str, note: &medanchor_ledger::note::Note) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, note.to_string()).expect("a file");
    path
}

#[test]
fn a_kept_checkpoint_is_the_beginning_of_a_log_and_the_proof_is_written() {
    let built = Built::busy(40);
    let source = published(&built);
    let out = tempfile::tempdir().expect("a folder");
    for height in [1, 2, 7, 39, 40] {
        let old = kept(out.path(), "old", &built.note_at(height));
        let args = [
            "consistency",
            text(&old),
            "--log",
            text(source.path()),
            "--out",
            text(out.path()),
            "--json",
        ];
        let (code, said) = ends(&args);
        assert_eq!(code, 0, "{said}");
        let written = json(&said)["written"].as_str().expect("a path").to_owned();
        let receipt = fs::read(written).expect("a receipt");
        let receipt =
            medanchor_ledger::consistency::ConsistencyReceipt::parse(&receipt).expect("a receipt");
        let range = medanchor_ledger::policy::PolicyRange::from(
            built.genesis.policy().clone(),
            medanchor_ledger::Size(0),
        );
        let checkpoint = built.checkpoints().swap_remove(height);
        receipt.verify(&checkpoint, &range).expect("a proof");
    }
    let (old, new) = (
        kept(out.path(), "3", &built.note_at(3)),
        kept(out.path(), "30", &built.note_at(30)),
    );
    for (one, other) in [(&old, &new), (&new, &old)] {
        let (code, said) = ends(&[
            "consistency",
            text(one),
            text(other),
            "--log",
            &serve(source.path()),
        ]);
        assert_eq!(code, 0, "{said}");
    }
}

#[test]
fn a_checkpoint_of_another_branch_is_a_fork_and_the_file_proves_it() {
    let (mut honest, other) = (Built::busy(39), Built::forked(10, 60));
    let lot = LotOpen {
        lot: LotHandle::new([200; 16]),
        commitment: Commitment::new(TreeHash::new([200; 32])),
    };
    honest.block(vec![EventBody::LotOpen(lot)]);
    let source = published(&honest);
    let out = tempfile::tempdir().expect("a folder");
    let policy = policy(&honest, out.path());
    let same_size = Built::forked(39, 40);
    assert_eq!(same_size.size(), honest.size());
    for (number, note) in [other.note_at(12), same_size.note()].iter().enumerate() {
        let old = kept(out.path(), "old", note);
        let folder = out.path().join(number.to_string());
        let (code, said) = ends(&[
            "consistency",
            text(&old),
            "--log",
            text(source.path()),
            "--out",
            text(&folder),
        ]);
        assert!(code == 1 && said.contains("FORKED"), "{said}");
        let file = fs::read_dir(&folder)
            .expect("a folder")
            .next()
            .expect("evidence")
            .expect("a file")
            .path();
        let (code, said) = ends(&["evidence", text(&file), "--policy", text(&policy)]);
        assert!(code == 0 && said.starts_with("PROVED"), "{said}");
        let mut bytes = fs::read(&file).expect("a file");
        let last = bytes.len() - 10;
        bytes[last] = if bytes[last] == b'A' { b'B' } else { b'A' };
        fs::write(&file, bytes).expect("a file");
        assert_eq!(
            ends(&["evidence", text(&file), "--policy", text(&policy)]).0,
            1,
            "a forged signature"
        );
    }
}

#[test]
fn two_checkpoints_of_one_size_need_no_log() {
    let built = Built::busy(6);
    let out = tempfile::tempdir().expect("a folder");
    let genesis = out.path().join("genesis");
    fs::write(&genesis, built.genesis.encoded()).expect("a file");
    let (one, two) = (
        kept(out.path(), "1", &built.note()),
        kept(out.path(), "2", &built.note()),
    );
    let run = |more: &[&str]| ends(&[&["consistency", text(&one)], more].concat()).0;
    assert_eq!(run(&[text(&two), "--genesis", text(&genesis)]), 0);
    let earlier = kept(out.path(), "3", &built.note_at(2));
    assert_eq!(
        run(&[text(&earlier), "--genesis", text(&genesis)]),
        3,
        "other sizes need tiles"
    );
    assert_eq!((run(&[]), run(&[text(&two)])), (2, 2));
}

#[test]
fn a_checkpoint_without_a_quorum_proves_nothing_about_the_log() {
    let built = Built::busy(6);
    let source = published(&built);
    let out = tempfile::tempdir().expect("a folder");
    let few = kept(
        out.path(),
        "few",
        &built.note_by(2, medanchor_ledger::Time(1_700_000_100_000)),
    );
    let (code, said) = ends(&["consistency", text(&few), "--log", text(source.path())]);
    assert!(code == 1 && said.contains("no quorum"), "{said}");
}

#[test]
fn evidence_that_is_none_is_refused() {
    let built = Built::busy(3);
    let out = tempfile::tempdir().expect("a folder");
    let policy = policy(&built, out.path());
    for (name, bytes) in [
        ("empty", &b""[..]),
        ("noise", b"\xff\0"),
        ("header", b"medanchor/fork@v1\n\n"),
        ("seen", b"medanchor/observation@v1\n"),
    ] {
        let file = out.path().join(name);
        fs::write(&file, bytes).expect("a file");
        assert_eq!(
            ends(&["evidence", text(&file), "--policy", text(&policy)]).0,
            1,
            "{name}"
        );
    }
    let file = out.path().join("long");
    fs::write(&file, vec![b'x'; 1 << 20]).expect("a file");
    assert_eq!(
        ends(&["evidence", text(&file), "--policy", text(&policy)]).0,
        3
    );
    assert_eq!(ends(&["evidence", text(&file)]).0, 2, "no policy");
    assert_eq!(
        ends(&["evidence", "no such file", "--policy", text(&policy)]).0,
        3
    );
}
