//! `verify` on logs that hold, that were changed byte by byte, and that colluding validators made.

mod support;

use medanchor_ledger::event::{
    AccessRequest, EventBody, GranteeOpening, KemSuite, LotOpen, ReaderKey,
};
use medanchor_ledger::seal::Seal;
use medanchor_ledger::*;
use std::fs;
use std::path::{Path, PathBuf};
use support::{Built, audit, framed, verify, write};

fn published(built: &Built) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    built.publish(folder.path());
    folder
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path)
            } else {
                files.push(path)
            }
        }
    }
    files.sort();
    files
}

#[test]
fn a_log_that_holds_is_good_and_counted() {
    let built = Built::busy(40);
    let folder = published(&built);
    let (code, report) = verify(folder.path());
    assert_eq!(code, 0, "{report:#}");
    assert_eq!(report["verdict"], "good");
    assert_eq!(report["entries"], built.size());
    assert_eq!(report["blocks"], 41);
    assert_eq!(report["events"], 32 * 9);
    assert_eq!(report["events_by_kind"]["unit.ship"], 32 * 4);
    assert_eq!(report["certificates"], 40);
    assert_eq!(report["cosignatures"]["records"], 160);
    assert_eq!(report["log"]["cosigners"].as_array().map(Vec::len), Some(3));
}

#[test]
fn the_verdict_is_the_same_when_the_state_lives_on_disk() {
    let built = Built::busy(12);
    let folder = published(&built);
    let work = tempfile::tempdir().expect("a folder");
    let text = |path: &Path| path.to_str().expect("text").to_owned();
    let (log, room) = (text(folder.path()), text(work.path()));
    let output = audit(&["verify", "--memory", "0", "--work", &room, &log]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let left = fs::read_dir(work.path()).expect("a folder").count();
    assert_eq!(left, 0, "the audit cleans up after itself");
}

#[test]
fn the_smallest_log_is_its_first_block() {
    let mut built = Built::new("small.example");
    built.block(Vec::new());
    let folder = published(&built);
    assert_eq!(verify(folder.path()).0, 0);
}

#[test]
fn a_home_is_audited_by_its_log_folder() {
    let built = Built::busy(3);
    let home = tempfile::tempdir().expect("a folder");
    built.publish(&home.path().join("log"));
    write(home.path(), "genesis", b"not the published one");
    assert_eq!(verify(home.path()).0, 0);
}

#[test]
fn a_changed_byte_anywhere_is_found_and_one_in_an_entry_names_it() {
    let built = Built::busy(33);
    let folder = published(&built);
    let lengths: Vec<usize> = built.entries().map(Vec::len).collect();
    for path in files(folder.path()) {
        let good = fs::read(&path).expect("a file");
        let name = path
            .strip_prefix(folder.path())
            .expect("a path below")
            .display()
            .to_string();
        let step = (good.len() / 12).max(1);
        for at in (0..good.len()).step_by(step).chain([good.len() - 1]) {
            let mut bad = good.clone();
            bad[at] ^= 0x41;
            fs::write(&path, &bad).expect("a file");
            let (code, report) = verify(folder.path());
            assert_eq!(code, 1, "{name}, byte {at}: {report:#}");
            if name.starts_with("tile/entries") {
                let expected = entry_at(&name, at, &lengths);
                assert_eq!(
                    report["fault"]["height"],
                    height_of(&built, expected),
                    "{report:#}"
                );
                assert_eq!(
                    report["fault"]["entry"], expected,
                    "{name}, byte {at}: {report:#}"
                );
            } else if name.starts_with("tile/") {
                assert_eq!(
                    report["fault"]["file"],
                    name.as_str(),
                    "byte {at}: {report:#}"
                );
            }
        }
        fs::write(&path, &good).expect("a file");
    }
    assert_eq!(verify(folder.path()).0, 0, "the copy was put right again");
}

/// The height of the block that an entry belongs to.
fn height_of(built: &Built, entry: usize) -> usize {
    let mut end = 0;
    let found = built.blocks.iter().position(|block| {
        end += block.len();
        entry < end
    });
    found.expect("a block")
}

/// Which entry the byte `at` of a bundle belongs to, its length included.
fn entry_at(name: &str, at: usize, lengths: &[usize]) -> usize {
    let bundle: medanchor_ledger::merkle::bundle::BundleId = name.parse().expect("a bundle");
    let first = usize::try_from(bundle.index() * 256).expect("a place");
    let mut end = 0;
    let found = lengths.iter().skip(first).position(|length| {
        end += length + 2;
        at < end
    });
    first + found.expect("a byte of the bundle")
}

#[test]
fn a_missing_or_cut_file_is_found() {
    let built = Built::busy(33);
    let folder = published(&built);
    for path in files(folder.path()) {
        let good = fs::read(&path).expect("a file");
        fs::remove_file(&path).expect("a file");
        let (code, report) = verify(folder.path());
        let name = path
            .strip_prefix(folder.path())
            .expect("a path below")
            .display()
            .to_string();
        // Without its cosignatures a log still holds: the checkpoint carries a quorum of them. So does
        // one without a chain whose validators never changed.
        let needed = !["cosignatures", "policy-chain"].contains(&name.as_str());
        assert_eq!(code, i32::from(needed), "{name}: {report:#}");
        fs::write(&path, &good[..good.len() - 1]).expect("a file");
        // The last cosignature is not needed either, so that is a node in the middle of an append.
        assert_eq!(
            verify(folder.path()).0,
            i32::from(name != "cosignatures"),
            "{name}, cut short"
        );
        fs::write(&path, &good).expect("a file");
    }
}

#[test]
fn bytes_after_the_last_record_are_found() {
    let built = Built::busy(3);
    let folder = published(&built);
    for name in ["certificates", "cosignatures"] {
        let path = folder.path().join(name);
        let good = fs::read(&path).expect("a file");
        for more in [&[0, 0, 0, 0][..], &[0xff; 9], &[0, 0, 0, 1, 0x80]] {
            fs::write(&path, [&good[..], more].concat()).expect("a file");
            let (code, report) = verify(folder.path());
            assert_eq!(code, 1, "{name}: {report:#}");
            assert_eq!(report["fault"]["file"], name, "{report:#}");
        }
        fs::write(&path, &good).expect("a file");
    }
    assert_eq!(verify(folder.path()).0, 0);
}

#[test]
fn a_denied_request_is_told_with_its_entry_and_reason() {
    let mut built = Built::busy(2);
    let entry = built.size();
    built.block(vec![EventBody::AccessRequest(AccessRequest {
        request: RequestHandle::new([1; 16]),
        owner: "north-hospital".parse().expect("a name"),
        record: RecordHandle::new([1; 16]),
        consent: ConsentHandle::new([1; 16]),
        purpose: PurposeHandle::new([1; 16]),
        opening: GranteeOpening::new([1; 16]),
        member: None,
        reader_key: ReaderKey {
            suite: KemSuite::X25519,
            hash: [9; 32],
        },
        commitment: Commitment::new(TreeHash::new([1; 32])),
    })]);
    let folder = published(&built);
    let (code, report) = verify(folder.path());
    assert_eq!(code, 0, "{report:#}");
    let access = &report["access"];
    assert_eq!(access["permitted"], 0);
    assert_eq!(access["denied"]["access.unknown-record"], 1);
    let denial = &access["latest_denials"][0];
    assert_eq!(
        (&denial["entry"], &denial["reason"]),
        (&entry.into(), &"access.unknown-record".into())
    );
}

/// A node that runs appends while it is audited: whatever part of a record its files end with.
#[test]
fn a_record_that_is_being_appended_is_no_fault_and_is_told() {
    let built = Built::busy(3);
    let folder = published(&built);
    let tail = |report: &serde_json::Value, name: &str| match name {
        "certificates" => report["certificates_incomplete_tail"].clone(),
        _ => report["cosignatures"]["incomplete_tail"].clone(),
    };
    for name in ["certificates", "cosignatures"] {
        let path = folder.path().join(name);
        let good = fs::read(&path).expect("a file");
        let length = usize::from(good[2]) * 256 + usize::from(good[3]);
        for part in [1, 3, 4, 5, 3 + length] {
            fs::write(&path, [&good[..], &good[..part]].concat()).expect("a file");
            let (code, report) = verify(folder.path());
            assert_eq!(code, 0, "{name}, {part} bytes: {report:#}");
            assert_eq!(tail(&report, name), true, "{name}, {part} bytes");
        }
        fs::write(&path, &good).expect("a file");
        assert_eq!(tail(&verify(folder.path()).1, name), false);
    }
}

#[test]
fn a_certificate_that_the_checkpoint_needs_may_not_be_incomplete() {
    let built = Built::busy(3);
    let folder = published(&built);
    let path = folder.path().join("certificates");
    let good = fs::read(&path).expect("a file");
    fs::write(&path, &good[..good.len() - 1]).expect("a file");
    let (code, report) = verify(folder.path());
    assert_eq!(code, 1, "{report:#}");
    assert!(what(&report["fault"]).contains("cut short"), "{report:#}");
}

#[test]
fn a_file_longer_than_any_of_a_log_is_a_fault() {
    let built = Built::busy(3);
    let folder = published(&built);
    for path in files(folder.path()) {
        let name = path.strip_prefix(folder.path()).expect("a path below");
        if !name.starts_with("tile") || name.starts_with("tile/entries") {
            continue;
        }
        let good = fs::read(&path).expect("a file");
        fs::write(&path, vec![0; 256 * 32 + 1]).expect("a file");
        let (code, report) = verify(folder.path());
        assert_eq!(code, 1, "{}: {report:#}", name.display());
        fs::write(&path, &good).expect("a file");
    }
}

#[test]
fn a_folder_without_a_log_has_no_verdict_and_a_wrong_command_line_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    assert_eq!(verify(folder.path()).0, 3);
    assert_eq!(audit(&["verify"]).status.code(), Some(2));
    assert_eq!(
        audit(&["verify", "x", "--no-such-option"]).status.code(),
        Some(2)
    );
    assert_eq!(audit(&["--help"]).status.code(), Some(0));
    assert_eq!(verify(Path::new("http://127.0.0.1:9")).0, 3);
}

/// Publishes what colluding validators made of a good log, and returns what the audit says.
fn collusion(change: impl FnOnce(&mut Built)) -> serde_json::Value {
    let mut built = Built::busy(12);
    change(&mut built);
    let folder = published(&built);
    let (code, report) = verify(folder.path());
    assert_eq!(code, 1, "{report:#}");
    report["fault"].clone()
}

fn what(fault: &serde_json::Value) -> &str {
    fault["what"].as_str().unwrap_or_default()
}

#[test]
fn an_event_with_a_forged_signature_is_named_although_all_validators_signed_it() {
    let fault = collusion(|built| {
        let entry = &mut built.blocks[3][5];
        *entry.last_mut().expect("bytes") ^= 1;
    });
    assert_eq!(
        (&fault["height"], &fault["entry"]),
        (&3.into(), &(1 + 20 + 5).into())
    );
    assert!(what(&fault).contains("signature does not hold"), "{fault}");
}

#[test]
fn an_event_that_breaks_a_rule_is_named_although_all_validators_signed_it() {
    let fault = collusion(|built| {
        let again = built.blocks[1][0].clone();
        built.blocks[2].insert(0, again);
    });
    assert_eq!(fault["entry"], 11, "{fault}");
    assert_eq!(fault["height"], 2, "{fault}");
}

#[test]
fn a_seal_that_says_other_than_the_execution_is_named() {
    type Change = fn(&mut Seal);
    let fields: [(Change, &str); 5] = [
        (
            |seal| seal.state_root = StateRoot::new([1; 32]),
            "state root",
        ),
        (
            |seal| seal.previous = TreeHash::new([1; 32]),
            "previous seal",
        ),
        (|seal| seal.time = Time(1), "time"),
        (
            |seal| seal.next_policy = PolicyHash::new([1; 32]),
            "policies",
        ),
        (
            |seal| seal.proposer = Some("river-distribution".parse().expect("a name")),
            "proposer",
        ),
    ];
    for (change, field) in fields {
        let fault = collusion(|built| {
            let entry = built.blocks[4].last_mut().expect("a seal");
            let mut seal = Seal::decode(entry).expect("a seal");
            change(&mut seal);
            *entry = seal.encode();
        });
        assert_eq!(fault["height"], 4, "{fault}");
        assert!(what(&fault).contains(field), "{fault}");
    }
}

#[test]
fn a_log_that_ends_within_a_block_is_refused() {
    let fault = collusion(|built| {
        let event = built.blocks[1][0].clone();
        let last = built.blocks.last_mut().expect("a block");
        last.pop();
        last.push(event);
    });
    assert!(what(&fault).contains("no seal"), "{fault}");
}

#[test]
fn a_log_of_another_genesis_is_refused() {
    let built = Built::busy(3);
    let folder = published(&built);
    let other = support::genesis("other.example");
    write(folder.path(), "genesis", other.encoded());
    let policy = other.policy();
    write(
        folder.path(),
        &format!("policies/{}", policy.hash()),
        policy.as_bytes(),
    );
    let (code, report) = verify(folder.path());
    let chain = "policy-chain: the chain is of the network";
    assert!(
        code == 1 && what(&report["fault"]).contains(chain),
        "{report:#}"
    );
    fs::remove_file(folder.path().join("policy-chain")).expect("a file");
    let (code, report) = verify(folder.path());
    assert_eq!(code, 1);
    assert!(what(&report["fault"]).contains("no log key"), "{report:#}");
}

#[test]
fn a_policy_that_was_given_must_be_met_too() {
    let built = Built::busy(3);
    let folder = published(&built);
    let (good, other) = (folder.path().join("good"), folder.path().join("other"));
    fs::write(&good, built.genesis.policy().as_bytes()).expect("a file");
    fs::write(
        &other,
        support::genesis("other.example").policy().as_bytes(),
    )
    .expect("a file");
    let run = |policy: &Path| {
        let policy = policy.to_str().expect("text");
        let output = audit(&[
            "verify",
            folder.path().to_str().expect("text"),
            "--policy",
            policy,
        ]);
        output.status.code()
    };
    assert_eq!((run(&good), run(&other)), (Some(0), Some(1)));
}

#[test]
fn a_certificate_must_be_for_this_block_with_a_quorum_in_its_round() {
    let built = Built::busy(6);
    let folder = published(&built);
    let with = |third: Vec<u8>| {
        let records = (1..=6).map(|height| match height {
            3 => third.clone(),
            _ => built.certificate(height, 0, 3).encode(),
        });
        write(folder.path(), "certificates", &framed(records));
        verify(folder.path())
    };
    assert_eq!(
        with(built.certificate(3, 7, 4).encode()).0,
        0,
        "a later round is fine"
    );
    for (record, words) in [
        (built.certificate(3, 0, 2).encode(), "3 are needed"),
        (built.certificate(4, 0, 3).encode(), "another block"),
        (vec![0xff; 40], "height 3"),
    ] {
        let (code, report) = with(record);
        assert_eq!(
            (code, &report["fault"]["height"]),
            (1, &3.into()),
            "{report:#}"
        );
        assert!(what(&report["fault"]).contains(words), "{report:#}");
    }
}

#[test]
fn a_validator_that_signed_two_roots_is_found_among_the_cosignatures() {
    let built = Built::busy(6);
    let folder = published(&built);
    let mut other = Built::busy(6);
    other.block(vec![EventBody::LotOpen(LotOpen {
        lot: LotHandle::new([200; 16]),
        commitment: Commitment::new(TreeHash::new([200; 32])),
    })]);
    let path = folder.path().join("cosignatures");
    let mut records = fs::read(&path).expect("a file");
    let forged = medanchor_ledger::checkpoint::Checkpoint {
        origin: built.genesis.origin().clone(),
        size: Size(built.size()),
        root: TreeHash::new([3; 32]),
    };
    records.extend(framed([support::cosign(&forged, 2).encode()].into_iter()));
    fs::write(&path, &records).expect("a file");
    let (code, report) = verify(folder.path());
    assert_eq!(code, 1);
    assert!(
        what(&report["fault"]).contains("signed another root"),
        "{report:#}"
    );
    let odd = medanchor_ledger::checkpoint::Checkpoint {
        size: Size(built.size() - 1),
        ..forged
    };
    fs::write(
        &path,
        framed([support::cosign(&odd, 2).encode()].into_iter()),
    )
    .expect("a file");
    assert!(what(&verify(folder.path()).1["fault"]).contains("where no block ends"));
}

#[test]
fn cosignatures_that_go_back_to_a_smaller_size_are_not_counted_again() {
    let built = Built::busy(6);
    let folder = published(&built);
    let heads = built.checkpoints();
    let again = [&heads[2], &heads[3], &heads[2], &heads[3]];
    let records = again.map(|head| support::cosign(head, 1).encode());
    write(folder.path(), "cosignatures", &framed(records.into_iter()));
    let (code, report) = verify(folder.path());
    assert_eq!(
        (code, &report["fault"]["file"]),
        (1, &"cosignatures".into())
    );
    assert!(
        what(&report["fault"]).contains("smaller size"),
        "{report:#}"
    );
}

#[test]
fn entries_that_no_block_can_hold_are_refused_before_they_are_gathered() {
    use medanchor_ledger::{block::MAX_BLOCK_BYTES, event::MAX_EVENT_BYTES, seal::MAX_SEAL_BYTES};
    // What begins with this byte passes for an event, until it is decoded.
    let event = |length: usize| [vec![0xd2], vec![0; length - 1]].concat();
    let many = MAX_BLOCK_BYTES / MAX_EVENT_BYTES + 1;
    let seal = [vec![0xad], vec![0; MAX_SEAL_BYTES]].concat();
    for entries in [
        vec![event(MAX_EVENT_BYTES + 1)],
        vec![event(MAX_EVENT_BYTES); many],
        vec![seal],
    ] {
        let mut built = Built::busy(6);
        built.blocks[3].splice(0..0, entries);
        let folder = published(&built);
        let (code, report) = verify(folder.path());
        assert_eq!(
            (code, &report["fault"]["height"]),
            (1, &3.into()),
            "{report:#}"
        );
        assert!(
            what(&report["fault"]).contains("than a block may have"),
            "{report:#}"
        );
    }
}

#[test]
fn a_file_of_anything_else_is_refused_and_nothing_panics() {
    let built = Built::busy(33);
    let folder = published(&built);
    let noise = |length: usize| -> Vec<u8> {
        let mut state = 0x9e37_79b9_u32;
        let byte = |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        };
        (0..length).map(byte).collect()
    };
    for path in files(folder.path()) {
        let good = fs::read(&path).expect("a file");
        for bytes in [
            Vec::new(),
            noise(1),
            noise(40),
            noise(70_000),
            vec![0; 9_000],
        ] {
            fs::write(&path, &bytes).expect("a file");
            let (code, report) = verify(folder.path());
            // No whole record, and none is needed.
            let empty = bytes.len() < 4 && path.ends_with("cosignatures");
            let expected: &[i32] = if empty { &[0] } else { &[1, 3] };
            assert!(expected.contains(&code), "{}: {report:#}", path.display());
        }
        fs::write(&path, good).expect("a file");
    }
}
