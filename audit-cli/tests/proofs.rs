//! `state`, `history` and `access`: made from a log's folder, and checked with nothing but a policy.

mod support;

use medanchor_ledger::document::{HistoryPage, StateDocument};
use medanchor_ledger::event::consent::{Classes, Grantees, Purposes, Tags};
use medanchor_ledger::event::{
    AccessRequest, ConsentGrant, ConsentRevoke, Event, EventBody, GranteeOpening, KemSuite,
    ReaderKey, RecordSeal,
};
use medanchor_ledger::rules::{Record, TagIndex};
use medanchor_ledger::*;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;
use support::{Built, audit, genesis, write};

const HOSPITAL: u8 = 1;
const PHARMACY: u8 = 2;
const OPENING: GranteeOpening = GranteeOpening::new([42; 16]);

fn hospital() -> ParticipantName {
    "north-hospital".parse().expect("a name")
}

fn pharmacy() -> ParticipantName {
    "east-pharmacy".parse().expect("a name")
}

fn commitment() -> Commitment {
    Commitment::new(TreeHash::new([9; 32]))
}

fn seal(number: u16, tag: u8) -> (u8, EventBody) {
    let mut handle = [0; 16];
    handle[..2].copy_from_slice(&number.to_be_bytes());
    let body = RecordSeal {
        record: RecordHandle::new(handle),
        version: 1,
        tag: Tag::new([tag; 16]),
        class: ClassHandle::new([1; 16]),
        commitment: commitment(),
        ciphertext: CiphertextHash::new([2; 32]),
        vault_part: VaultPartHash::new([3; 32]),
        key_check: KeyCheck::new([4; 16]),
    };
    (HOSPITAL, body.into())
}

fn grant() -> (u8, EventBody) {
    let body = ConsentGrant {
        consent: ConsentHandle::new([1; 16]),
        root: None,
        tags: Tags::new([Tag::new([1; 16]), Tag::new([2; 16])]).expect("tags"),
        grantees: Grantees::new([OPENING.grantee(&pharmacy(), None)]).expect("a grantee"),
        purposes: Purposes::new([PurposeHandle::new([1; 16])]).expect("a purpose"),
        classes: Classes::new([ClassHandle::new([1; 16])]).expect("a class"),
        not_before: Time(0),
        not_after: Time(1_800_000_000_000),
        commitment: commitment(),
        ender: None,
    };
    (HOSPITAL, body.into())
}

fn revoke() -> (u8, EventBody) {
    let consent = ConsentHandle::new([1; 16]);
    (HOSPITAL, ConsentRevoke { consent }.into())
}

fn request(number: u8) -> (u8, EventBody) {
    let body = AccessRequest {
        request: RequestHandle::new([number; 16]),
        owner: hospital(),
        record: RecordHandle::new([0; 16]),
        consent: ConsentHandle::new([1; 16]),
        purpose: PurposeHandle::new([1; 16]),
        opening: OPENING,
        member: None,
        reader_key: ReaderKey {
            suite: KemSuite::X25519,
            hash: [5; 32],
        },
        commitment: commitment(),
    };
    (PHARMACY, body.into())
}

/// Tag 1 has a seal, a grant, two requests and a revocation; tag 3 has more links than a page.
fn built() -> Built {
    let mut built = Built::new("audit.medanchor.example");
    built.block_of(vec![seal(0, 1), grant()]);
    built.block_of(vec![request(1), revoke(), request(2)]);
    for block in 0..3u16 {
        built.block_of((0..400).map(|n| seal(1 + block * 400 + n, 3)).collect());
    }
    built
}

struct Bench {
    folder: tempfile::TempDir,
    blocks: Vec<Vec<Vec<u8>>>,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let built = built();
        built.publish(&folder.path().join("log"));
        write(folder.path(), "policy", built.genesis.policy().as_bytes());
        let other = genesis("other.medanchor.example");
        write(folder.path(), "other", other.policy().as_bytes());
        Self {
            folder,
            blocks: built.blocks,
        }
    }

    fn path(&self, name: &str) -> String {
        let path = self.folder.path().join(name);
        path.to_str().expect("text").to_owned()
    }

    /// Runs the auditor with `--json`.
    fn run(&self, args: &[&str]) -> (i32, Value) {
        let output = audit(&[args, &["--json"]].concat());
        let text = String::from_utf8(output.stdout).expect("text");
        let code = output.status.code().expect("an exit code");
        (
            code,
            serde_json::from_str(&text).unwrap_or(Value::String(text)),
        )
    }

    fn make_state(&self, key: &str, more: &[&str]) -> (i32, Value) {
        let (log, out) = (self.path("log"), self.path("made"));
        let args = ["state", "--log", &log, "--key", key, "--out", &out];
        self.run(&[&args[..], more].concat())
    }

    fn make_history(&self, tag: u8) -> (i32, Value) {
        let (log, out) = (self.path("log"), self.path("made"));
        let tag = Tag::new([tag; 16]).to_string();
        self.run(&[
            "history",
            "--log",
            &log,
            "--owner",
            "north-hospital",
            "--tag",
            &tag,
            "--out",
            &out,
        ])
    }

    /// The id of an event of the log, by its place in a block.
    fn event(&self, height: usize, place: usize) -> String {
        let block = self.blocks.get(height).expect("a block");
        let event = Event::decode(block.get(place).expect("an entry")).expect("an event");
        event.id().to_string()
    }

    fn decide(&self, event: &str, more: &[&str]) -> (i32, Value) {
        let log = self.path("log");
        let args = ["access", "--log", &log, "--event", event];
        self.run(&[&args[..], more].concat())
    }

    fn check(&self, command: &str, policy: &str) -> (i32, Value) {
        let (made, policy) = (self.path("made"), self.path(policy));
        self.run(&[command, &made, "--policy", &policy])
    }
}

#[test]
fn a_state_document_is_made_without_a_node_and_checked_without_a_log() {
    let bench = Bench::new();
    let record = Record::key(&hospital(), &RecordHandle::new([0; 16]));
    let key = hex::encode(record.as_bytes());
    for (height, present) in [(0, false), (1, true), (4, true)] {
        let height = height.to_string();
        let (code, made) = bench.make_state(&key, &["--height", &height]);
        assert_eq!(code, 0, "{made:#}");
        let (code, found) = bench.check("state", "policy");
        assert_eq!(
            (code, &found),
            (0, &made),
            "what was made is what is checked"
        );
        assert_eq!(found["height"].to_string(), height);
        assert_eq!(found["value"].is_string(), present, "{found:#}");
        assert_eq!(found["cosigners"].as_array().map(Vec::len), Some(3));
    }
    let (code, found) = bench.make_state(&key, &[]);
    assert_eq!(
        (code, &found["height"]),
        (0, &5.into()),
        "the newest height"
    );
    let (code, found) = bench.check("state", "other");
    assert_eq!((code, &found["verdict"]), (1, &"failed".into()));
    let (code, found) = bench.make_state(&key, &["--height", "99"]);
    assert_eq!(
        (code, &found["verdict"]),
        (3, &"unreadable".into()),
        "{found:#}"
    );
}

#[test]
fn a_name_without_a_folder_is_made_where_the_auditor_runs() {
    let bench = Bench::new();
    let record = Record::key(&hospital(), &RecordHandle::new([0; 16]));
    let (key, tag) = (
        hex::encode(record.as_bytes()),
        Tag::new([1; 16]).to_string(),
    );
    let made: [&[&str]; 2] = [
        &["state", "--key", &key],
        &["history", "--owner", "north-hospital", "--tag", &tag],
    ];
    for args in made {
        let output = Command::new(env!("CARGO_BIN_EXE_medanchor-audit"))
            .current_dir(bench.folder.path())
            .args(args)
            .args(["--log", "log", "--out", "made"])
            .output()
            .expect("the auditor runs");
        assert!(output.status.success(), "{output:?}");
        assert_eq!(bench.check(args[0], "policy").0, 0);
        assert!(!bench.folder.path().join("made.part").exists());
    }
}

#[test]
fn a_changed_document_proves_nothing() {
    let bench = Bench::new();
    let key = TagIndex::key(&hospital(), &Tag::new([1; 16]));
    let (code, _) = bench.make_state(&hex::encode(key.as_bytes()), &[]);
    assert_eq!(code, 0);
    let made = bench.path("made");
    let good = fs::read(&made).expect("a file");
    assert!(StateDocument::decode(&good).is_ok());
    for at in (0..good.len()).step_by(97) {
        let mut bad = good.clone();
        bad[at] ^= 1;
        fs::write(&made, &bad).expect("a file");
        assert_eq!(bench.check("state", "policy").0, 1, "byte {at}");
    }
    let (policy, other) = (bench.path("policy"), hex::encode([0x20, 1]));
    fs::write(&made, &good).expect("a file");
    let (code, found) = bench.run(&["state", &made, "--policy", &policy, "--key", &other]);
    assert_eq!(code, 1, "{found:#}");
}

#[test]
fn a_history_is_exactly_the_events_that_bear_the_tag() {
    let bench = Bench::new();
    for (tag, count) in [(1u8, 5u64), (2, 2), (3, 1200), (9, 0)] {
        let (code, made) = bench.make_history(tag);
        assert_eq!(
            (code, &made["count"]),
            (0, &count.into()),
            "tag {tag}: {made:#}"
        );
        let (code, found) = bench.check("history", "policy");
        assert_eq!((code, &found), (0, &made));
        assert_eq!(bench.check("history", "other").0, 1);
        let (file, policy) = (bench.path("made"), bench.path("policy"));
        let text = audit(&["history", &file, "--policy", &policy]);
        let text = String::from_utf8(text.stdout).expect("text");
        let listed = text.lines().filter(|line| line.contains(" record.seal "));
        let sealed = if tag == 9 {
            0
        } else if tag == 3 {
            1200
        } else {
            tag as usize % 2
        };
        assert_eq!(listed.count(), sealed, "{text}");
    }
    bench.make_history(1);
    let (file, policy) = (bench.path("made"), bench.path("policy"));
    let text = audit(&["history", &file, "--policy", &policy]);
    let text = String::from_utf8(text.stdout).expect("text");
    assert!(
        text.contains("These 5 events, and no other") && text.contains("access.consent-revoked")
    );
}

#[test]
fn a_history_with_a_page_or_an_event_missing_is_refused() {
    let bench = Bench::new();
    assert_eq!(bench.make_history(3).0, 0);
    let made = bench.path("made");
    let good = fs::read(&made).expect("a file");
    let (first, length) = HistoryPage::decode_first(&good).expect("a page");
    assert_eq!(first.links.len(), HistoryPage::MAX_LINKS);
    let mut cut = first.clone();
    cut.links.pop();
    let wrong = [
        good[..length].to_vec(),
        good[length..].to_vec(),
        [&cut.encode()[..], &good[length..]].concat(),
        [&good[..], &good[..length]].concat(),
        [&good[..], b"x"].concat(),
        Vec::new(),
    ];
    for (number, bytes) in wrong.into_iter().enumerate() {
        fs::write(&made, bytes).expect("a file");
        let (code, found) = bench.check("history", "policy");
        assert_eq!((code, &found["verdict"]), (1, &"failed".into()), "{number}");
    }
}

#[test]
fn a_log_that_is_not_sound_makes_no_document() {
    let bench = Bench::new();
    let bundle = Path::new(&bench.path("log")).join("tile/entries/000");
    let mut bytes = fs::read(&bundle).expect("a bundle");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&bundle, bytes).expect("a file");
    let key = hex::encode(TagIndex::key(&hospital(), &Tag::new([1; 16])).as_bytes());
    let (code, found) = bench.make_state(&key, &[]);
    assert_eq!(
        (code, &found["verdict"]),
        (1, &"failed".into()),
        "{found:#}"
    );
    assert_eq!(bench.make_history(1).0, 1);
    assert!(!Path::new(&bench.path("made")).exists());
}

#[test]
fn an_access_receipt_says_what_was_decided_and_on_what() {
    let folder = tempfile::tempdir().expect("a folder");
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors/access-receipt");
    let copy = |name: &str| {
        let digits = fs::read_to_string(vectors.join(format!("{name}.hex"))).expect("a file");
        let digits: String = digits.split_whitespace().collect();
        write(folder.path(), name, &hex::decode(digits).expect("digits"));
        folder.path().join(name).to_str().expect("text").to_owned()
    };
    let policy = copy("policy");
    for (name, code, decision) in [
        ("good-permitted", 0, "permitted"),
        ("good-denied-grantee", 0, "access.not-a-grantee"),
        ("wrong-consent-of-a-later-height", 1, ""),
        ("rejected-trailing-byte", 1, ""),
    ] {
        let output = audit(&["access", &copy(name), "--policy", &policy, "--json"]);
        assert_eq!(output.status.code(), Some(code), "{name}");
        let found: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(
            found["decision"].as_str().unwrap_or_default(),
            decision,
            "{name}"
        );
    }
}

#[test]
fn what_was_decided_long_ago_is_decided_again_from_the_log() {
    let bench = Bench::new();
    let made = bench.path("made");
    for (place, decision, revoked) in [(0, "permitted", false), (2, "access.consent-revoked", true)]
    {
        let id = bench.event(2, place);
        let (code, decided) = bench.decide(&id, &[]);
        assert_eq!((code, &decided["verdict"]), (0, &"good".into()));
        assert_eq!(decided["decision"], decision, "{decided:#}");
        assert_eq!(decided["event"], id.as_str());
        assert_eq!(decided["height"], 2);
        // The revocation stands between the two, in their own block.
        assert_eq!(decided["consent_stood"], true);
        assert_eq!(decided["consent_revoked"], revoked);
        assert!(!Path::new(&made).exists(), "nobody asked for a file");

        let (code, written) = bench.decide(&id, &["--out", &made]);
        assert_eq!((code, &written), (0, &decided));
        let (code, found) = bench.check("access", "policy");
        assert_eq!((code, &found), (0, &decided), "checked without the log");
        assert_eq!(bench.check("access", "other").0, 1);
        fs::remove_file(&made).expect("a file");
    }
}

#[test]
fn nothing_is_decided_on_an_event_that_the_log_lacks_or_that_is_no_request() {
    let bench = Bench::new();
    let made = bench.path("made");
    let sealed = bench.event(1, 0);
    let unknown = format!("{}{}", "0".repeat(sealed.len() - 1), "1");
    for (event, reason) in [(unknown, "is not among the"), (sealed, "nothing is proved")] {
        let (code, said) = bench.decide(&event, &["--out", &made]);
        assert_eq!((code, &said["verdict"]), (1, &"failed".into()));
        let text = said["reason"].as_str().expect("a reason");
        assert!(text.contains(reason), "{text}");
        assert!(!Path::new(&made).exists());
    }
}

#[test]
fn nothing_is_decided_from_a_log_that_is_not_sound() {
    let bench = Bench::new();
    let (made, id) = (bench.path("made"), bench.event(2, 0));
    let log = Path::new(&bench.path("log")).to_owned();
    // In the bundle of the request, in the tile that proves it, and in the decisions of its height.
    for file in [
        "tile/entries/000",
        "tile/0/000",
        "certificates",
        "checkpoint",
    ] {
        let good = fs::read(log.join(file)).expect("a file");
        let mut bad = good.clone();
        bad[good.len().min(600) / 2] ^= 1;
        fs::write(log.join(file), &bad).expect("a file");
        let (code, said) = bench.decide(&id, &["--out", &made]);
        assert_ne!(code, 0, "{file}: {said:#}");
        assert_ne!(said["verdict"], "good", "{file}");
        assert!(said.get("decision").is_none(), "{file}: {said:#}");
        assert!(!Path::new(&made).exists(), "{file}");
        fs::write(log.join(file), &good).expect("a file");
    }
    assert_eq!(bench.decide(&id, &[]).0, 0, "as it was");
    // Where there is no log there is no verdict.
    fs::rename(&log, bench.path("elsewhere")).expect("a folder");
    let (code, said) = bench.decide(&id, &[]);
    assert_eq!((code, &said["verdict"]), (3, &"unreadable".into()));
}

#[test]
fn half_a_command_line_is_refused() {
    let bench = Bench::new();
    let (log, made) = (bench.path("log"), bench.path("made"));
    for args in [
        &["state"][..],
        &["state", &made],
        &["state", "--log", &log, "--out", &made],
        &["state", "--log", &log, "--key", "zz", "--out", &made],
        &["history", "--log", &log],
        &["access"],
        &["access", &made],
        &["access", "--log", &log],
        &["access", &made, "--event", &made],
        &[
            "history",
            "--log",
            &log,
            "--owner",
            "north-hospital",
            "--out",
            &made,
        ],
    ] {
        assert_eq!(audit(args).status.code(), Some(2), "{args:?}");
    }
}
