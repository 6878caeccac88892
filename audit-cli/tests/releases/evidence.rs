//! `releases --evidence`: what signatures prove is written to files that convict offline, whole, once, and
//! so many at most; what they do not prove, and honest custodians, have none.

use super::support::{PARTICIPANT, audit, ends, key, name};
use super::{CUSTODIAN, HOSPITAL, World, commitment, page, reader_key, world};
use medanchor_ledger::event::{AccessBreakGlass, AccessRequest, Event, GranteeOpening};
use medanchor_ledger::*;
use medanchor_vault::custody::Released;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A folder for the published log, the custodian's log and the files of evidence.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Exit code and JSON of an audit that writes evidence.
    fn audit(&self, world: &World, log: &[Released]) -> (Option<i32>, Value) {
        let number = world.built.size();
        let [ledger, releases] = ["log", "releases"].map(|kind| format!("{kind}-{number}"));
        let (ledger, releases) = (self.path(&ledger), self.path(&releases));
        world.built.publish(&ledger);
        std::fs::write(&releases, page(log, log)).expect("a file");
        let given = format!("{}={}", name(CUSTODIAN), text(&releases));
        let found = self.path("found");
        let words = ["releases", "--log", text(&ledger), "--releases", &given];
        let output = audit(&[&words[..], &["--evidence", text(&found), "--json"]].concat());
        let json = serde_json::from_slice(&output.stdout).expect("JSON");
        (output.status.code(), json)
    }

    /// The files of evidence, with their bytes.
    fn found(&self) -> BTreeMap<String, Vec<u8>> {
        let files = std::fs::read_dir(self.path("found")).expect("a folder");
        let file = |entry: std::io::Result<std::fs::DirEntry>| {
            let entry = entry.expect("an entry");
            let name = entry.file_name().into_string().expect("text");
            (name, std::fs::read(entry.path()).expect("a file"))
        };
        files.map(file).collect()
    }

    /// What the auditor says of a file of evidence, by the genesis alone.
    fn judged(&self, world: &World, file: &str) -> (i32, String) {
        let (file, genesis) = (self.path("found").join(file), self.path("genesis"));
        std::fs::write(&genesis, world.built.genesis.encoded()).expect("a file");
        ends(&["evidence", text(&file), "--genesis", text(&genesis)])
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path that is text")
}

/// What the file of the release at this place of the log is called.
fn named(place: usize, request: &Event) -> String {
    format!("{}-{place}-{}.evidence", name(CUSTODIAN), request.id())
}

/// A break-glass that is signed and not on the ledger yet.
fn later(world: &mut World) -> Event {
    let body = AccessBreakGlass {
        request: RequestHandle::new([7; 16]),
        owner: name(HOSPITAL),
        record: RecordHandle::new([1; 16]),
        reader_key: reader_key(),
        commitment: commitment(4),
    };
    world.built.event(HOSPITAL, body.into())
}

fn commit(world: &mut World, request: &Event) {
    let signer = key(HOSPITAL, PARTICIPANT);
    world.built.block_by(vec![(request.clone(), signer)]);
}

#[test]
fn a_file_for_each_release_that_signatures_prove_convicts_offline() {
    let (mut world, place) = (world(), Place::new());
    let later = later(&mut world);
    let log = [
        world.good(),
        world.released(EventId::new([8; 32]), 1, 1_000),
        world.released(world.denied.id(), 2, 1_000),
        // Under a time that fits.
        world.released(later.id(), 1, 1_000),
    ];
    world.anchor(&log);
    commit(&mut world, &later);
    let (code, json) = place.audit(&world, &log);
    assert_eq!(code, Some(1), "{json}");
    let found = place.found();
    let wanted = [named(2, &world.denied), named(3, &later)];
    let names: Vec<_> = found.keys().cloned().collect();
    let mut sorted = wanted.to_vec();
    sorted.sort();
    assert_eq!(names, sorted);
    for (file, words) in wanted.iter().zip([
        "released its share for a request that was denied",
        "released its share before the request was on the ledger",
    ]) {
        let (code, said) = place.judged(&world, file);
        assert!(code == 0 && said.contains("PROVED"), "{said}");
        assert!(said.contains(words), "{said}");
    }
    let said = json["custodians"][0]["without_access"].as_array();
    let said = said.expect("findings").iter().map(|one| &one["evidence"]);
    let said: Vec<&Value> = said.collect();
    assert!(said[0].is_null(), "no request on the ledger: {json}");
    let path = place.path("found").join(&wanted[0]);
    assert_eq!(said[1].as_str(), Some(text(&path)));
    assert!(said[2].is_string(), "{json}");

    // The same again, of a log that has grown: what is there stays as it is.
    world.built.idle(250);
    let (code, again) = place.audit(&world, &log);
    assert_eq!(code, Some(1), "{again}");
    assert_eq!(place.found(), found);
    let list = |json: &Value| json["custodians"][0]["without_access"].clone();
    assert_eq!(list(&again), list(&json));
}

#[test]
fn an_honest_custodian_and_what_no_signature_shows_leave_no_file() {
    let (mut world, place) = (world(), Place::new());
    let denied = world.released(world.denied.id(), 2, 1_000);
    let log = [world.good(), denied];
    // The second one was logged and is not anchored.
    world.anchor(&log[..1]);
    let (code, json) = place.audit(&world, &log);
    assert_eq!(code, Some(1), "{json}");
    assert!(place.found().is_empty());
    let (code, json) = place.audit(&world, &log[..1]);
    assert_eq!(code, Some(0), "{json}");
    // By its clock it was too late, or too early: a clock convicts nobody.
    for time in [Time(0), world.at.plus_millis(3_600_000)] {
        let mut world = super::world();
        let log = [Released {
            time,
            ..world.good()
        }];
        world.anchor(&log);
        let (code, json) = place.audit(&world, &log);
        assert_eq!(code, Some(1), "{json}");
    }
    assert!(place.found().is_empty());
}

/// The second release for a request is judged as the first one is: a good one hides nothing, and each breach has
/// a file of its own.
#[test]
fn breaches_of_one_request_hide_behind_no_other() {
    let (mut world, place) = (world(), Place::new());
    let asked = world.good().request;
    let log = [
        world.good(),
        world.released(asked, 2, 1_000),
        world.released(asked, 2, 2_000),
        world.released(asked, 1, 1_000),
    ];
    world.anchor(&log);
    let (code, json) = place.audit(&world, &log);
    assert_eq!(code, Some(1), "{json}");
    let found = place.found();
    assert_eq!(found.len(), 2, "{json}");
    for (at, file) in found.keys().enumerate() {
        let start = format!("{}-{}-{asked}", name(CUSTODIAN), at + 1);
        assert!(file.starts_with(&start), "{file}");
        let (code, said) = place.judged(&world, file);
        assert!(code == 0 && said.contains("PROVED"), "{said}");
    }
    let said = &json["custodians"][0]["without_access"];
    let last = said[2]["why"].as_str().expect("a reason");
    assert!(last.contains("twice"), "{json}");
}

#[test]
fn another_file_of_the_name_is_never_written_over() {
    let (mut world, place) = (world(), Place::new());
    let log = [world.released(world.denied.id(), 2, 1_000)];
    world.anchor(&log);
    std::fs::create_dir(place.path("found")).expect("a folder");
    let file = place.path("found").join(named(0, &world.denied));
    std::fs::write(&file, b"mine").expect("a file");
    let (code, json) = place.audit(&world, &log);
    assert_eq!(code, Some(3), "{json}");
    assert_eq!(std::fs::read(&file).expect("a file"), b"mine");
    // One that a kill left half written is no obstacle.
    std::fs::remove_file(&file).expect("a file");
    let aside = place.path("found").join(named(0, &world.denied) + ".new");
    std::fs::write(&aside, b"half").expect("a file");
    assert_eq!(place.audit(&world, &log).0, Some(1));
    let found = place.found();
    assert_eq!(found.keys().collect::<Vec<_>>(), [&named(0, &world.denied)]);
    assert_eq!(place.judged(&world, &named(0, &world.denied)).0, 0);
}

#[test]
fn so_many_files_against_one_custodian_are_enough() {
    let (mut world, place) = (world(), Place::new());
    let mut denied = |number: u8| {
        let body = AccessRequest {
            request: RequestHandle::new([number; 16]),
            owner: name(HOSPITAL),
            record: RecordHandle::new([2; 16]),
            consent: ConsentHandle::new([3; 16]),
            purpose: PurposeHandle::new([3; 16]),
            opening: GranteeOpening::new([3; 16]),
            member: None,
            reader_key: reader_key(),
            commitment: commitment(3),
        };
        world.built.event(HOSPITAL, body.into())
    };
    let requests: Vec<Event> = (100..167).map(&mut denied).collect();
    let signed = requests.iter().cloned();
    let signed = signed.map(|request| (request, key(HOSPITAL, PARTICIPANT)));
    world.built.block_by(signed.collect());
    let release = |request: &Event| world.released(request.id(), 2, 1_000);
    let log: Vec<Released> = requests.iter().map(release).collect();
    world.anchor(&log);
    let (code, json) = place.audit(&world, &log);
    assert_eq!(code, Some(1), "{json}");
    assert_eq!(place.found().len(), 64);
    assert_eq!(json["custodians"][0]["left_out"], 3);
    let found = &json["custodians"][0]["without_access"];
    assert!(found[63]["evidence"].is_string() && found[64]["evidence"].is_null());
}
