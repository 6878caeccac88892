//! `releases`: a release with its permitted access passes; every other one is named.

#[path = "releases/ended.rs"]
mod ended;
#[path = "releases/evidence.rs"]
mod evidence;
mod support;

use medanchor_ledger::cbor::Writer;
use medanchor_ledger::event::{
    AccessBreakGlass, AccessRequest, CustodyLog, Event, EventBody, GranteeOpening, KemSuite,
    ReaderKey, RecordSeal,
};
use medanchor_ledger::execute::View;
use medanchor_ledger::merkle::{leaf_hash, root_of_leaves};
use medanchor_ledger::*;
use medanchor_vault::RecordVersion;
use medanchor_vault::custody::{Custodied, Released, ShareIndex};
use std::path::Path;
use support::{Built, PARTICIPANT, audit, key, name};

const HOSPITAL: u8 = 1;
const CUSTODIAN: u8 = 4;

fn commitment(byte: u8) -> Commitment {
    Commitment::new(TreeHash::new([byte; 32]))
}

const fn reader_key() -> ReaderKey {
    ReaderKey {
        suite: KemSuite::X25519,
        hash: [9; 32],
    }
}

fn seal(record: u8) -> EventBody {
    let sealed = RecordSeal {
        record: RecordHandle::new([record; 16]),
        version: 1,
        tag: Tag::new([1; 16]),
        class: ClassHandle::new([1; 16]),
        commitment: commitment(1),
        ciphertext: CiphertextHash::new([1; 32]),
        vault_part: VaultPartHash::new([1; 32]),
        key_check: KeyCheck::new([1; 16]),
    };
    sealed.into()
}

/// A ledger on which the hospital broke the glass for record 1 and was denied record 2.
struct World {
    built: Built,
    broken: Event,
    denied: Event,
    at: Time,
}

fn world() -> World {
    let mut built = Built::new("releases.medanchor.example");
    built.block_of(vec![(HOSPITAL, seal(1)), (HOSPITAL, seal(2))]);
    let broken = AccessBreakGlass {
        request: RequestHandle::new([1; 16]),
        owner: name(HOSPITAL),
        record: RecordHandle::new([1; 16]),
        reader_key: reader_key(),
        commitment: commitment(2),
    };
    let denied = AccessRequest {
        request: RequestHandle::new([2; 16]),
        owner: name(HOSPITAL),
        record: RecordHandle::new([2; 16]),
        consent: ConsentHandle::new([3; 16]),
        purpose: PurposeHandle::new([3; 16]),
        opening: GranteeOpening::new([3; 16]),
        member: None,
        reader_key: reader_key(),
        commitment: commitment(3),
    };
    let broken = built.event(HOSPITAL, broken.into());
    let denied = built.event(HOSPITAL, denied.into());
    let signer = || key(HOSPITAL, PARTICIPANT);
    built.block_by(vec![(broken.clone(), signer()), (denied.clone(), signer())]);
    let at = built.memory().head().time;
    World {
        built,
        broken,
        denied,
        at,
    }
}

impl World {
    fn released(&self, request: EventId, record: u8, after: u64) -> Released {
        Released {
            request,
            record: Custodied {
                owner: name(HOSPITAL),
                record: RecordVersion {
                    network: self.built.genesis.network_id(),
                    record: RecordHandle::new([record; 16]),
                    version: 1,
                },
            },
            epoch: 1,
            index: ShareIndex::new(1).expect("a place"),
            answer: [7; 32],
            time: self.at.plus_millis(after),
        }
    }

    fn good(&self) -> Released {
        self.released(self.broken.id(), 1, 1_000)
    }

    fn anchor(&mut self, entries: &[Released]) {
        let (size, root) = (Size(entries.len() as u64), root(entries));
        let body = CustodyLog { size, root };
        self.built.block_of(vec![(CUSTODIAN, body.into())]);
    }
}

fn root(entries: &[Released]) -> TreeHash {
    root_of_leaves(entries.iter().map(|entry| leaf_hash(&entry.encode())))
}

/// One page, as a custodian gives it.
fn page(all: &[Released], shown: &[Released]) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.array(3).uint(all.len() as u64);
    writer.bytes(root(all).as_bytes()).array(shown.len());
    for entry in shown {
        writer.bytes(&entry.encode());
    }
    writer.into_bytes()
}

/// Exit code, JSON.
fn judged(built: &Built, file: &[u8]) -> (Option<i32>, serde_json::Value) {
    let (code, said) = told(built, file, &["--json"]);
    (code, serde_json::from_str(&said).expect("JSON"))
}

/// Exit code, standard output.
fn told(built: &Built, file: &[u8], more: &[&str]) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().expect("a folder");
    built.publish(&folder.path().join("log"));
    std::fs::write(folder.path().join("releases"), file).expect("a file");
    let text = |path: &Path| path.to_str().expect("a path that is text").to_owned();
    let given = format!(
        "{}={}",
        name(CUSTODIAN),
        text(&folder.path().join("releases"))
    );
    let log = text(&folder.path().join("log"));
    let output = audit(&[&["releases", "--log", &log, "--releases", &given], more].concat());
    let said = String::from_utf8(output.stdout).expect("text");
    (output.status.code(), said)
}

#[test]
fn a_release_with_its_permitted_access_passes() {
    let mut world = world();
    let log = [world.good()];
    world.anchor(&log);
    let (code, json) = judged(&world.built, &page(&log, &log));
    assert_eq!(code, Some(0), "{json}");
    let custodian = &json["custodians"][0];
    assert_eq!(json["verdict"], "good");
    assert_eq!(
        (&custodian["releases"], &custodian["anchored"]),
        (&1.into(), &1.into())
    );
}

#[test]
fn every_release_without_a_permitted_access_is_named() {
    let mut world = world();
    let log = [
        world.good(),
        world.released(EventId::new([8; 32]), 1, 1_000),
        world.released(world.denied.id(), 2, 1_000),
    ];
    world.anchor(&log);
    let (code, json) = judged(&world.built, &page(&log, &log));
    assert_eq!(code, Some(1), "{json}");
    let found = json["custodians"][0]["without_access"]
        .as_array()
        .expect("findings");
    let found: Vec<_> = found
        .iter()
        .map(|one| (one["place"].as_u64(), one["why"].as_str()))
        .collect();
    let wanted = [
        (Some(1), Some("released without any request on the ledger")),
        (Some(2), Some("released although the request was denied")),
    ];
    assert_eq!(found, wanted);
}

#[test]
fn the_record_and_the_five_minutes_of_a_permit_count() {
    let world = world();
    let id = world.broken.id();
    for (release, why) in [
        (
            world.released(id, 2, 1_000),
            "released for a record that the request did not ask for",
        ),
        (
            world.released(id, 1, 7 * 60_000),
            "released after the permit had died",
        ),
    ] {
        let log = [release];
        let (code, json) = judged(&world.built, &page(&log, &log));
        assert_eq!(code, Some(1), "{json}");
        let found = &json["custodians"][0]["without_access"];
        assert_eq!(found.as_array().map(Vec::len), Some(1), "{json}");
        assert_eq!(found[0]["why"], why, "{json}");
        assert_eq!(found[0]["version"], 1, "{json}");
        assert!(found[0]["entry"].is_u64(), "{json}");
    }
}

#[test]
fn a_log_that_is_not_the_anchored_one_is_named() {
    let mut world = world();
    let hidden = world.released(EventId::new([8; 32]), 1, 1_000);
    world.anchor(&[hidden]);
    // The custodian shows another log than the one with the release that nobody may see.
    let shown = [world.good()];
    let (code, json) = judged(&world.built, &page(&shown, &shown));
    assert_eq!(code, Some(1), "{json}");
    let custodian = &json["custodians"][0];
    assert_eq!(custodian["other_roots"][0]["size"], 1);
    assert_eq!(custodian["beyond_file"].as_array().map(Vec::len), Some(0));
    assert_eq!(custodian["anchored"], 0);
}

/// Its custodian may withhold the tail, or the file was fetched before the newest root was anchored.
#[test]
fn a_log_that_ends_before_what_is_anchored_is_noticed_and_is_no_other_log() {
    let mut world = world();
    let anchored = [
        world.good(),
        world.released(EventId::new([8; 32]), 1, 1_000),
    ];
    world.anchor(&anchored[..1]);
    world.anchor(&anchored);
    let shown = page(&anchored[..1], &anchored[..1]);
    let (code, json) = judged(&world.built, &shown);
    assert_eq!((code, &json["verdict"]), (Some(1), &"bad".into()), "{json}");
    let custodian = &json["custodians"][0];
    assert_eq!(custodian["beyond_file"][0]["size"], 2);
    assert_eq!(custodian["other_roots"].as_array().map(Vec::len), Some(0));
    assert_eq!(custodian["anchored"], 1);
    let (code, said) = told(&world.built, &shown, &[]);
    let words = "FILE has 1: fetch it again; if it still ends there";
    assert!(code == Some(1) && said.contains(words), "{said}");
    assert!(!said.contains("OTHER LOG"), "{said}");
    let whole = page(&anchored, &anchored);
    let (_, json) = judged(&world.built, &whole);
    let custodian = &json["custodians"][0];
    assert_eq!(custodian["beyond_file"].as_array().map(Vec::len), Some(0));
    assert_eq!(custodian["anchored"], 2);
}

#[test]
fn pages_follow_one_another_and_a_missing_one_gives_no_verdict() {
    let mut world = world();
    let second = world.built.event(
        HOSPITAL,
        AccessBreakGlass {
            request: RequestHandle::new([4; 16]),
            owner: name(HOSPITAL),
            record: RecordHandle::new([1; 16]),
            reader_key: reader_key(),
            commitment: commitment(4),
        }
        .into(),
    );
    world
        .built
        .block_by(vec![(second.clone(), key(HOSPITAL, PARTICIPANT))]);
    let log = [world.good(), world.released(second.id(), 1, 1_000)];
    let pages = [page(&log, &log[..1]), page(&log, &log[1..])];
    assert_eq!(judged(&world.built, &pages.concat()).0, Some(0));
    let (code, json) = judged(&world.built, &pages[0]);
    assert_eq!((code, json["verdict"].as_str()), (Some(3), Some("none")));
    let mut bent = page(&log, &log);
    *bent.last_mut().expect("a byte") ^= 1;
    assert_eq!(judged(&world.built, &bent).0, Some(3));
    assert_eq!(judged(&world.built, b"").0, Some(3));
}
