//! `report`: what it counts, in both languages and all three forms, and of what it writes none.

mod support;

use medanchor_ledger::event::{
    AccessBreakGlass, AccessReview, EventBody, KemSuite, ReaderKey, RecordSeal, Verdict,
};
use medanchor_ledger::*;
use serde_json::Value;
use std::fs;
use std::path::Path;
use support::{Built, audit, name};

fn published(blocks: u8) -> (Built, tempfile::TempDir) {
    let built = Built::busy(blocks);
    let folder = tempfile::tempdir().expect("a folder");
    built.publish(folder.path());
    (built, folder)
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path that is text")
}

fn report(folder: &Path, more: &[&str]) -> std::process::Output {
    audit(&[&["report", text(folder), "--threads", "1"], more].concat())
}

fn json(folder: &Path, more: &[&str]) -> Value {
    let out = tempfile::tempdir().expect("a folder");
    let file = out.path().join("report.json");
    let output = report(folder, &[&["--json", text(&file)], more].concat());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    serde_json::from_slice(&fs::read(file).expect("a report")).expect("JSON")
}

#[test]
fn figures_are_those_of_the_log() {
    let (built, folder) = published(12);
    let report = json(folder.path(), &[]);
    let events = built.size() - built.blocks.len() as u64;
    assert_eq!(report["events"], events);
    // Height 0 is genesis; of five blocks one has no event.
    assert_eq!(report["blocks"], built.blocks.len() - 1);
    assert_eq!(report["empty_blocks"], 2);
    let institutions = report["tables"]["institutions"]
        .as_array()
        .expect("a table");
    assert_eq!(
        institutions.len(),
        5,
        "those who did nothing are listed too"
    );
    let maker = institutions
        .iter()
        .find(|row| row["institution"] == "jade-pharma")
        .expect("the maker");
    assert_eq!(maker["events"], events);
    assert_eq!(maker["roles"], "manufacturer");
    assert_eq!(maker["lot.open"], 10);
    assert_eq!(maker["unit.ship"], 40);
    let cells = report["tables"]["timeline"].as_array().expect("a table");
    let units: u64 = cells.iter().filter_map(|cell| cell["unit"].as_u64()).sum();
    assert_eq!(units, events);
    let validators = report["tables"]["validators"].as_array().expect("a table");
    let built_by: u64 = validators
        .iter()
        .filter_map(|row| row["blocks_built"].as_u64())
        .sum();
    assert_eq!(built_by, 12);
    assert!(
        validators.iter().all(|row| row["in_quorums_kept"] == 12),
        "{validators:?}"
    );
    let latency = &report["tables"]["latency"][0];
    assert_eq!(
        (&latency["what"], &latency["measured"]),
        (&"block to quorum".into(), &12.into())
    );
    let gaps = report["tables"]["gaps"].as_array().expect("a table");
    assert!(
        gaps.len() == 11 && gaps.iter().all(|gap| gap["length_ms"] == 250),
        "{gaps:?}"
    );
    let silences = report["tables"]["silences"].as_array().expect("a table");
    let silence = |name: &str| {
        let row = silences.iter().find(|row| row["institution"] == name);
        row.expect("everybody").clone()["longest_silence_ms"].clone()
    };
    assert_eq!(
        silence("east-pharmacy"),
        11 * 250,
        "silent from the first block to the last"
    );
    assert_eq!(
        silence("jade-pharma"),
        500,
        "a block without events lies between two of its own"
    );
}

const HOSPITAL: u8 = 1;
const REGULATOR: u8 = 3;

fn sealed(record: u8) -> (u8, EventBody) {
    let seal = RecordSeal {
        record: RecordHandle::new([record; 16]),
        version: 1,
        tag: Tag::new([1; 16]),
        class: ClassHandle::new([1; 16]),
        commitment: Commitment::new(TreeHash::new([1; 32])),
        ciphertext: CiphertextHash::new([1; 32]),
        vault_part: VaultPartHash::new([1; 32]),
        key_check: KeyCheck::new([1; 16]),
    };
    (HOSPITAL, seal.into())
}

/// The hospital opens a record without a consent; one that is not there is denied to it.
fn broken(request: u8) -> (u8, EventBody) {
    let broken = AccessBreakGlass {
        request: RequestHandle::new([request; 16]),
        owner: name(HOSPITAL),
        record: RecordHandle::new([request; 16]),
        reader_key: ReaderKey {
            suite: KemSuite::X25519,
            hash: [9; 32],
        },
        commitment: Commitment::new(TreeHash::new([2; 32])),
    };
    (HOSPITAL, broken.into())
}

fn reviewed(request: u8, verdict: Verdict) -> (u8, EventBody) {
    let review = AccessReview {
        requester: name(HOSPITAL),
        request: RequestHandle::new([request; 16]),
        verdict,
        commitment: Commitment::new(TreeHash::new([3; 32])),
    };
    (REGULATOR, review.into())
}

#[test]
fn what_was_opened_without_a_consent_is_red_until_it_is_reviewed() {
    const HOUR: u64 = 60 * 60 * 1000;
    let mut built = Built::new("reviews.medanchor.example");
    built.block_of((1..=4).map(sealed).collect());
    built.block_of([1, 2, 3, 9].map(broken).into());
    built.block_of(vec![reviewed(1, Verdict::Justified)]);
    built.idle(73 * HOUR);
    built.block_of(vec![reviewed(2, Verdict::NotJustified), broken(4)]);
    let folder = tempfile::tempdir().expect("a folder");
    built.publish(folder.path());

    let report = json(folder.path(), &["--from", "2099-01-01"]);
    assert_eq!(report["reviews_waiting"], 2, "whatever the period");
    let report = json(folder.path(), &[]);
    let figure = |name: &str| report[name].as_u64();
    assert_eq!(figure("break_glass"), Some(5));
    assert_eq!(figure("break_glass_reviews"), Some(2));
    assert_eq!(figure("reviews_overdue"), Some(1));
    assert_eq!(figure("reviews_late"), Some(1));
    assert_eq!(figure("reviews_not_justified"), Some(1));
    assert_eq!(
        (figure("access_permitted"), figure("access_denied")),
        (Some(0), Some(1)),
        "a denial counts with those of requests"
    );
    let rows = report["tables"]["reviews"].as_array().expect("a table");
    let states: Vec<_> = rows
        .iter()
        .map(|row| (row["state"].as_str(), row["request"].as_str()))
        .collect();
    let request = |byte: &str| byte.repeat(16);
    let (third, fourth) = (request("03"), request("04"));
    assert_eq!(
        states,
        [
            (Some("overdue"), Some(third.as_str())),
            (Some("open"), Some(fourth.as_str()))
        ]
    );

    let page = folder.path().join("page.html");
    let output = audit(&["report", text(folder.path()), "--html", text(&page)]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let html = fs::read_to_string(&page).expect("a page");
    assert!(html.contains("<td class=\"bad\">overdue</td>"), "{html}");

    let output = audit(&["verify", text(folder.path()), "--json"]);
    let verdict: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(verdict["access"]["broken"], 4);
    assert_eq!(verdict["access"]["denied"]["access.unknown-record"], 1);
}

/// The same, of one record, with any number for a name.
fn broken_again(request: u32) -> (u8, EventBody) {
    let (hospital, body) = broken(1);
    let EventBody::AccessBreakGlass(mut body) = body else {
        unreachable!("it is one")
    };
    body.request = handle(request);
    (hospital, body.into())
}

fn handle(request: u32) -> RequestHandle {
    let mut bytes = [0xee; 16];
    bytes[..4].copy_from_slice(&request.to_be_bytes());
    RequestHandle::new(bytes)
}

fn reviewed_again(request: u32) -> (u8, EventBody) {
    let (regulator, body) = reviewed(1, Verdict::Justified);
    let EventBody::AccessReview(mut body) = body else {
        unreachable!("it is one")
    };
    body.request = handle(request);
    (regulator, body.into())
}

/// There was a time when only those that were kept to be listed counted as overdue: above a thousand, a
/// hospital's late reviews went unseen.
#[test]
fn however_many_wait_all_are_counted_and_a_list_that_is_cut_says_so() {
    const HOUR: u64 = 60 * 60 * 1000;
    let mut built = Built::new("many.medanchor.example");
    built.block_of(vec![sealed(1)]);
    for from in [0, 400, 800] {
        built.block_of((from..from + 400).map(broken_again).collect());
    }
    built.idle(HOUR);
    built.block_of((1200..1250).map(broken_again).collect());
    // Those reviewed now are in time; of the later ones two come late, one of which was not listed.
    built.block_of((0..100).map(reviewed_again).collect());
    built.idle(71 * HOUR);
    built.idle(HOUR / 2);
    built.block_of(vec![
        reviewed_again(150),
        reviewed_again(1150),
        reviewed_again(1210),
    ]);
    let folder = tempfile::tempdir().expect("a folder");
    built.publish(folder.path());

    let report = json(folder.path(), &[]);
    let figure = |name: &str| report[name].as_u64();
    assert_eq!(figure("reviews_overdue"), Some(1200 - 100 - 2));
    assert_eq!(figure("reviews_waiting"), Some(1250 - 100 - 3));
    assert_eq!(figure("reviews_late"), Some(2));
    let rows = report["tables"]["reviews"].as_array().expect("a table");
    let (cut, listed) = rows.split_last().expect("rows");
    let more = 1250 - 100 - 3 - listed.len() as u64;
    assert!(more > 0 && figure("reviews_not_listed") == Some(more));
    assert_eq!(
        (cut["state"].as_str(), cut["request"].as_str()),
        (Some("not-listed"), Some(more.to_string().as_str()))
    );
    let late = listed.iter().filter(|row| row["state"] == "overdue");
    assert_eq!(late.count(), listed.len());

    let page = folder.path().join("page.html");
    let output = audit(&["report", text(folder.path()), "--html", text(&page)]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let html = fs::read_to_string(&page).expect("a page");
    assert!(html.contains("overdue: 1\u{202f}098"), "{html}");
    assert!(html.contains("not listed, as many more"), "{html}");
}

#[test]
fn only_the_days_of_the_period_count() {
    let (_, folder) = published(6);
    // The network began on 2023-11-14, 22:13 UTC, which is the 15th in Beijing.
    let events = |more: &[&str]| {
        json(folder.path(), more)["events"]
            .as_u64()
            .expect("a number")
    };
    let all = events(&[]);
    assert_eq!(events(&["--from", "2023-11-14", "--to", "2023-11-14"]), all);
    assert_eq!(events(&["--from", "2023-11-15"]), 0);
    assert_eq!(
        events(&["--from", "2023-11-15", "--utc-offset", "+08:00"]),
        all
    );
    assert_eq!(events(&["--to", "2023-11-14", "--utc-offset", "+08:00"]), 0);
    assert_eq!(
        events(&["--to", "2023-11-14", "--lang", "zh"]),
        0,
        "Beijing's days"
    );
}

#[test]
fn the_page_stands_alone_in_both_languages() {
    let (_, folder) = published(6);
    let out = tempfile::tempdir().expect("a folder");
    let page = out.path().join("page.html");
    for (language, title) in [("en", "Ledger report"), ("zh", "账本审计报告")] {
        let output = report(folder.path(), &["--html", text(&page), "--lang", language]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let html = fs::read_to_string(&page).expect("a page");
        assert!(html.contains(title) && html.contains("jade-pharma"));
        assert!(html.contains("<svg") && html.ends_with("</html>\n"));
        for foreign in ["<script", "src=", "href=", "url(", "@import"] {
            assert!(!html.contains(foreign), "{foreign} in the page");
        }
        // Nothing to add but the namespace of SVG, which no reader fetches.
        assert_eq!(
            html.matches("http").count(),
            html.matches("xmlns=\"http://www.w3.org/2000/svg\"").count()
        );
    }
}

#[test]
fn tables_come_as_files_too() {
    let (_, folder) = published(6);
    let out = tempfile::tempdir().expect("a folder");
    let output = report(folder.path(), &["--csv", text(out.path())]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let names = [
        "institutions",
        "timeline",
        "accesses",
        "denials",
        "reviews",
        "latency",
        "gaps",
        "silences",
        "validators",
    ];
    for name in names {
        let csv = fs::read_to_string(out.path().join(format!("{name}.csv"))).expect("a table");
        let width = csv.lines().next().expect("titles").split(',').count();
        assert!(
            width >= 2 && csv.lines().all(|line| line.split(',').count() >= width),
            "{csv}"
        );
    }
    let left = fs::read_dir(out.path()).expect("a folder").count();
    assert_eq!(left, names.len(), "nothing else is left");
}

#[test]
fn of_a_log_that_does_not_hold_there_is_no_report() {
    let (_, folder) = published(6);
    let bundle = folder.path().join("tile/entries/000.p/42");
    let path = if bundle.exists() {
        bundle
    } else {
        let partial = folder.path().join("tile/entries/000.p");
        let entry = fs::read_dir(partial).expect("bundles").next().expect("one");
        entry.expect("a bundle").path()
    };
    let mut bytes = fs::read(&path).expect("a bundle");
    bytes[200] ^= 1;
    fs::write(&path, bytes).expect("written");
    let out = tempfile::tempdir().expect("a folder");
    let page = out.path().join("page.html");
    let output = report(folder.path(), &["--html", text(&page)]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(!page.exists(), "a page was written");
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(complained.contains("DOES NOT HOLD"), "{complained}");
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let (_, folder) = published(2);
    for more in [
        &["--from", "2026-02-30"][..],
        &["--utc-offset", "8"],
        &["--lang", "fr"],
        &["--from", "2026-02-02", "--to", "2026-02-01"],
    ] {
        assert_eq!(
            report(folder.path(), more).status.code(),
            Some(2),
            "{more:?}"
        );
    }
    let output = report(folder.path(), &["--html", "/nowhere/at/all.html"]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
}
